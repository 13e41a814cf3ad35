"""Fixtures of the client's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

from paxoskv import sync
from tests.client.fake import FakeNode, fake_cluster

THREADS_MAX = 64
"""More calls at once than any test makes that counts on them all being under way."""

T = TypeVar("T")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses the fixture `each_client` with both of them, unless it is marked `asyncio_client`."""
    if "each_client" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("asyncio_client") is not None
        metafunc.parametrize("each_client", ["asyncio"] if only else ["asyncio", "sync"], indirect=True)


@pytest.fixture
def each_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the client that `paxoskv.client.connect` makes in this test."""
    if request.param == "asyncio":
        yield request.param
        return
    with ThreadPoolExecutor(THREADS_MAX) as threads:
        monkeypatch.setattr("paxoskv.client.connect", lambda *args, **more: Threaded(threads, *args, **more))
        monkeypatch.setattr("paxoskv.client.node_status", partial(in_thread, threads, sync.node_status))
        yield request.param


async def in_thread(threads: ThreadPoolExecutor, call: Callable[..., T], *args: Any, **more: Any) -> T:
    """Make a blocking call without blocking the fake nodes, which live in the test's own loop."""
    return await asyncio.get_running_loop().run_in_executor(threads, partial(call, *args, **more))


class Threaded:
    """The blocking client as the asyncio one looks: every call waits on a thread of its own."""

    def __init__(self, threads: ThreadPoolExecutor, *args: Any, **more: Any) -> None:
        self._threads = threads
        self._kv = sync.connect(*args, **more)

    async def __aenter__(self) -> Self:
        await in_thread(self._threads, self._kv.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await in_thread(self._threads, self._kv.__exit__, kind, error, traceback)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(in_thread, self._threads, getattr(self._kv, name))

    def scan(self, *args: Any, **more: Any) -> AsyncIterator[Any]:
        """Yield what the blocking client's generator yields."""
        return self._iterate(self._kv.scan(*args, **more))

    def leases(self) -> AsyncIterator[Any]:
        """Yield what the blocking client's generator yields."""
        return self._iterate(self._kv.leases())

    async def _iterate(self, items: Iterator[Any]) -> AsyncIterator[Any]:
        while (item := await in_thread(self._threads, next, items, None)) is not None:
            yield item


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """One running fake node."""
    async with fake_cluster() as nodes:
        yield nodes[0]


@pytest.fixture
async def trio() -> AsyncIterator[list[FakeNode]]:
    """Three running fake nodes with one store; the first one leads."""
    async with fake_cluster(3) as nodes:
        yield nodes
