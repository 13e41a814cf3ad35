"""A node inside the process of the test: real, quick, and gone afterwards."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import paxoskv
from paxoskv import testing

PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


async def test_asyncio_node_serves_and_leaves_nothing_behind(temporary: Path) -> None:
    threads = set(threading.enumerate())
    async with testing.node() as node, node.client(timeout_s=PATIENCE_S) as kv:
        assert (await kv.put("greeting", "hello")).revision == 1
        assert (await kv.get("greeting")).value == b"hello"
        assert (await node.status())["role"] == "leader"
    assert os.listdir(temporary) == []
    assert set(threading.enumerate()) <= threads


def test_blocking_node_serves_and_leaves_nothing_behind(temporary: Path) -> None:
    threads = set(threading.enumerate())
    with testing.node() as node:
        with node.client(timeout_s=PATIENCE_S) as kv:
            kv.put("greeting", "hello")
        assert node.status()["revision"] == 1

        async def story() -> bytes | None:
            async with node.aio.client(timeout_s=PATIENCE_S) as aio:
                return (await aio.get("greeting")).value

        assert asyncio.run(story()) == b"hello"
    assert os.listdir(temporary) == []
    assert set(threading.enumerate()) <= threads


def test_it_writes_its_journal_as_in_production(temporary: Path) -> None:
    """What a test sees is what a server does: nothing is kept in memory alone."""
    with testing.node() as node:
        with node.client(timeout_s=PATIENCE_S) as kv:
            kv.put("k", "the only value")
        (log,) = temporary.glob("*/node1/journal.db-wal")
        assert b"the only value" in log.read_bytes()


def test_nodes_side_by_side_are_strangers() -> None:
    with ThreadPoolExecutor(4) as threads:

        def story(number: int) -> int:
            with testing.node() as node, node.client(timeout_s=PATIENCE_S) as kv:
                return kv.put("k", str(number)).revision

        assert list(threads.map(story, range(8))) == [1] * 8


def test_it_leaves_the_memory_of_the_test_alone() -> None:
    before = gc.get_freeze_count()
    with testing.node():
        assert gc.get_freeze_count() == before


def test_settings_reach_the_node() -> None:
    with testing.node(settings={"value_bytes_max": 10}) as node, node.client(timeout_s=PATIENCE_S) as kv:
        with pytest.raises(paxoskv.TooLarge):
            kv.put("k", "longer than ten bytes")
        kv.put("k", "short")


@pytest.mark.parametrize(
    ("settings", "words"), [({"colour": "blue"}, "unknown setting colour"), ({"window": 0}, "window must be")]
)
def test_wrong_settings_are_told_and_nothing_is_left(temporary: Path, settings: dict[str, object], words: str) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(ValueError, match=words):
        testing.node(settings=settings).__enter__()
    assert os.listdir(temporary) == []
    assert set(threading.enumerate()) <= threads


async def test_a_cancelled_start_leaves_nothing_behind(temporary: Path) -> None:
    threads = set(threading.enumerate())
    starting = asyncio.create_task(testing.node().__aenter__())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert os.listdir(temporary) == []
    assert set(threading.enumerate()) <= threads
