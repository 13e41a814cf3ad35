"""Caches, registrations and counters."""

from __future__ import annotations

import asyncio

import pytest

from paxoskv import client
from paxoskv.client import Cache, Counter, Registration
from paxoskv.errors import NotANumber, Unavailable
from paxoskv.net import protocol
from tests.client.fake import FakeNode, refuse
from tests.client.recipes.conftest import StoppedClock
from tests.support import eventually

PATIENCE_S = 30.0


def shown(cache: Cache) -> dict[bytes, bytes]:
    """Return what a cache shows."""
    return {key: entry.value for key, entry in cache.items()}


async def test_a_cache_shows_what_was_there_and_what_comes(kv: client.Client, other: client.Client) -> None:
    await other.put_many({"a/1": "x", "a/2": "x", "b": "x"})
    async with Cache(kv, "a/") as cache:
        assert shown(cache) == {b"a/1": b"x", b"a/2": b"x"}
        await other.put("a/3", "y")
        await other.delete("a/1")
        assert shown(await cache.refreshed()) == {b"a/2": b"x", b"a/3": b"y"}
        assert (len(cache), b"a/1" in cache, cache["a/3"].value) == (2, False, b"y")
        with pytest.raises(KeyError):
            _ = cache[b"a/1"]
    with pytest.raises(RuntimeError, match="closed"):
        _ = cache[b"a/2"]
    with pytest.raises(RuntimeError, match="not entered"):
        len(Cache(kv, "a/"))


async def test_refreshed_means_every_write_that_was_finished(kv: client.Client, other: client.Client) -> None:
    """Also where the write concerns other keys, so that no event ever comes."""
    async with Cache(kv, "a/") as cache:
        for _ in range(10):
            revision = (await other.put("elsewhere", "v")).revision
            await asyncio.wait_for(cache.refreshed(), PATIENCE_S)
            assert cache.revision >= revision


async def test_a_cache_never_shows_half_a_revision(kv: client.Client, other: client.Client) -> None:
    async with Cache(kv, "a/") as cache:
        for number in range(50):
            await other.put_many({"a/1": f"{number}", "a/2": f"{number}"})
            values = set(shown(cache).values())
            assert len(values) <= 1
        await cache.refreshed()
        assert set(shown(cache).values()) == {b"49"}


async def test_changes_come_when_they_are_shown(kv: client.Client, other: client.Client) -> None:
    async with Cache(kv, "a/") as cache:
        changes = cache.changes()
        first = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        await other.put("a/1", "x")
        event = await asyncio.wait_for(first, PATIENCE_S)
        assert cache[event.key].value == event.value == b"x"


async def test_a_cache_that_was_left_behind_begins_anew(
    node: FakeNode, kv: client.Client, other: client.Client
) -> None:
    await other.put("a/old", "x")
    async with Cache(kv, "a/") as cache:
        await eventually(lambda: any(one.watches for one in node.connections), PATIENCE_S)
        connection = next(one for one in node.connections if one.watches)
        (number,) = connection.watches
        connection.watches.clear()
        await other.delete("a/old")
        await other.put("a/new", "y")
        node.plan["range"].append(refuse(protocol.UNAVAILABLE))
        connection.send(number, protocol.COMPACTED, "too slow", 0, 5)
        await eventually(lambda: shown(cache) == {b"a/new": b"y"}, PATIENCE_S)


async def test_a_cache_that_cannot_go_on_says_so(kv: client.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """P38: never show for ever what was true once."""
    async with Cache(kv, "a/") as cache:
        monkeypatch.setattr(cache, "_apply", lambda batch: 1 / 0)
        await kv.put("a/1", "x")
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(cache.refreshed(), PATIENCE_S)
        with pytest.raises(ZeroDivisionError):
            len(cache)


async def test_a_service_is_listed_while_its_block_runs(kv: client.Client, other: client.Client) -> None:
    async with Registration(kv, "web", "10.0.0.7:80") as one, Registration(kv, "web", "10.0.0.8:80"):
        found = await Registration.members(other, "web")
        assert sorted(entry.value for entry in found) == [b"10.0.0.7:80", b"10.0.0.8:80"]
        assert one.key in {entry.key for entry in found}
    assert await Registration.members(other, "web") == []
    assert [lease async for lease in other.leases()] == []


async def test_a_service_that_lost_its_lease_is_listed_again(
    node: FakeNode, frozen: tuple[client.Client, StoppedClock], other: client.Client
) -> None:
    stopped, clock = frozen
    async with Registration(stopped, "web", "me", ttl_s=10.0) as registration:
        node.store.pass_time(10.001)
        assert await Registration.members(other, "web") == []
        clock.now_s += 10.001
        node.plan["grant"].append(refuse(protocol.UNAVAILABLE))
        stopped._wire.keeper._wake.set()

        async def is_listed() -> bool:
            return [entry.key for entry in await Registration.members(other, "web")] == [registration.key]

        await eventually(is_listed, PATIENCE_S)


async def test_a_service_that_cannot_be_listed_says_why(node: FakeNode) -> None:
    node.always["grant"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(node.endpoint, timeout_s=0.2) as kv:
        with pytest.raises(Unavailable):
            await Registration(kv, "web", "me").__aenter__()
        assert len(asyncio.all_tasks()) == 2, "the test and the navigator"


async def test_counters_count(kv: client.Client, other: client.Client) -> None:
    counter = Counter(kv, "hits")
    assert await counter.value() == 0
    await asyncio.gather(*(Counter(one, "hits").add(2) for one in [kv, other] * 10))
    assert await counter.add(-1) == 39
    assert await counter.value() == 39
    await counter.set(-5)
    assert await counter.add() == -4
    await kv.put("hits", "many")
    with pytest.raises(NotANumber):
        await counter.value()
