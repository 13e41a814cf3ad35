"""Every recipe through the death of the leader, a pause longer than its lease, and the death of its user (P26, P27)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import paxoskv
from paxoskv import Barrier, Cache, Counter, Election, Lock, Queue, Registration, RWLock, Semaphore, testing
from paxoskv.client.recipes.holding import Holding
from tests.cluster.holder import KEY, Holder
from tests.support import eventually

PATIENCE_S = 60.0
SHORT_S = 1.5
LONG_S = 15.0
"""Long enough for any failover, on a machine as busy as this one may be."""

HOLDINGS: dict[str, Callable[[paxoskv.Store], Holding]] = {
    "lock": lambda kv: Lock(kv, "lock", ttl_s=LONG_S),
    "rwlock": lambda kv: RWLock(kv, "rwlock", ttl_s=LONG_S).write(),
    "semaphore": lambda kv: Semaphore(kv, "semaphore", 1, ttl_s=LONG_S),
    "election": lambda kv: Election(kv, "election", ttl_s=LONG_S),
}


@pytest.fixture(scope="module")
def shared() -> Iterator[testing.Cluster]:
    """Three nodes for all tests of this module."""
    with testing.cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: testing.Cluster) -> Iterator[testing.AsyncCluster]:
    """The shared nodes, mended after each test and emptied before."""
    with shared.client(timeout_s=PATIENCE_S) as kv:
        kv.delete_range("")
    yield shared.aio
    shared.restore()


async def kill_leader(cluster: testing.AsyncCluster) -> None:
    """Kill the leader, and wait for the next one."""
    await cluster.kill(await cluster.leader())
    await cluster.leader()


@pytest.mark.parametrize("kind", HOLDINGS)
async def test_what_is_held_survives_the_leader(cluster: testing.AsyncCluster, kind: str) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as kv, Holder(cluster.endpoints, kind, kind, LONG_S) as holder:
        assert await holder.hears() == "held"
        waiting = asyncio.ensure_future(HOLDINGS[kind](kv).acquire())
        await kill_leader(cluster)
        assert await holder.asked("write", "after") == "done"
        assert await holder.asked("state") == "held"
        assert not waiting.done()
        assert await holder.asked("leave") == "left"
        await asyncio.wait_for(waiting, PATIENCE_S)
        assert (await kv.get(KEY)).value == b"after"


@pytest.mark.parametrize("kind", HOLDINGS)
async def test_who_stands_still_for_too_long_has_lost_it_and_is_refused(
    cluster: testing.AsyncCluster, kind: str
) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as kv, Holder(cluster.endpoints, kind, kind, SHORT_S) as holder:
        assert await holder.hears() == "held"
        assert await holder.asked("write", "before") == "done"
        holder.pause()
        async with HOLDINGS[kind](kv) as held:
            await kv.guarded(held.guard).put(KEY, "ours")
            holder.resume()
            assert await holder.asked("write", "late") == "refused"
            assert await holder.asked("state") == "lost"
            assert await holder.asked("leave") == "lost"
        assert (await kv.get(KEY)).value == b"ours"


@pytest.mark.parametrize("kind", HOLDINGS)
async def test_the_dead_hold_nothing(cluster: testing.AsyncCluster, kind: str) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as kv, Holder(cluster.endpoints, kind, kind, SHORT_S) as holder:
        assert await holder.hears() == "held"
        holder.kill()
        await asyncio.wait_for(HOLDINGS[kind](kv).acquire(), PATIENCE_S)


async def test_many_work_under_one_lock_while_leaders_die(cluster: testing.AsyncCluster) -> None:
    """A read, a pause, and a write that only mutual exclusion makes right; and its guard is the judge."""

    async def work(kv: paxoskv.Store) -> None:
        for _ in range(5):
            async with Lock(kv, "work", ttl_s=LONG_S) as lock:
                before = int((await kv.get("sum")).value or b"0")
                await asyncio.sleep(0)
                await kv.guarded(lock.guard).put("sum", str(before + 1))

    async with cluster.client(timeout_s=PATIENCE_S) as one, cluster.client(timeout_s=PATIENCE_S) as two:
        working = [asyncio.ensure_future(work(kv)) for kv in (one, two, one, two)]
        killed = await cluster.leader()
        await kill_leader(cluster)
        await cluster.restart(killed)
        await asyncio.wait_for(asyncio.gather(*working), PATIENCE_S)
        assert (await one.get("sum")).value == b"20"


async def test_observers_see_one_leader_after_the_other(cluster: testing.AsyncCluster) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as kv:
        tokens: list[int] = []

        async def observe() -> None:
            async for leader in Election(kv, "election").observe():
                if leader is not None:
                    tokens.append(leader.created)
                    if leader.value == b"last":
                        return

        observing = asyncio.ensure_future(observe())
        async with Holder(cluster.endpoints, "election", "election", SHORT_S) as holder:
            assert await holder.hears() == "held"
            await kill_leader(cluster)
            holder.kill()
            async with Election(kv, "election", value="last", ttl_s=LONG_S) as election:
                await asyncio.wait_for(observing, PATIENCE_S)
                assert tokens == sorted(set(tokens))
                assert tokens[-1] == election.token


@pytest.mark.parametrize("disturb", [Holder.kill, Holder.pause])
async def test_a_barrier_does_not_wait_for_the_dead(
    cluster: testing.AsyncCluster, disturb: Callable[[Holder], None]
) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as kv, Holder(cluster.endpoints, "barrier", "b", SHORT_S) as holder:
        barrier = Barrier(kv, "b", 2, ttl_s=LONG_S)
        await asyncio.gather(barrier.enter(PATIENCE_S), holder.hears())
        await kill_leader(cluster)
        disturb(holder)
        await barrier.leave(PATIENCE_S)
        if disturb is Holder.pause:
            holder.resume()
            assert await holder.asked("leave") == "lost"


@pytest.mark.parametrize("disturb", [Holder.kill, Holder.pause])
async def test_a_claim_of_the_dead_is_given_back(
    cluster: testing.AsyncCluster, disturb: Callable[[Holder], None]
) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as kv:
        queue = Queue(kv, "q", ttl_s=LONG_S)
        await queue.put("job")
        async with Holder(cluster.endpoints, "queue", "q", SHORT_S) as holder:
            assert await holder.hears() == "held"
            disturb(holder)
            async with queue.claim(PATIENCE_S) as item:
                assert item.value == b"job"
                if disturb is Holder.pause:
                    holder.resume()
                    assert await holder.asked("leave") == "lost"
        assert await queue.size() == 0


async def test_every_value_of_a_queue_comes_out_once_while_leaders_die(cluster: testing.AsyncCluster) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as one, cluster.client(timeout_s=PATIENCE_S) as two:
        queue, taken = Queue(one, "q"), list[bytes]()

        async def consume() -> None:
            while len(taken) < 60:
                async with Queue(two, "q", ttl_s=LONG_S).claim(PATIENCE_S) as item:
                    taken.append(item.value)

        consuming = asyncio.ensure_future(consume())
        for number in range(60):
            await queue.put(f"{number}")
            if number == 20:
                await kill_leader(cluster)
        await asyncio.wait_for(consuming, PATIENCE_S)
        assert taken == [f"{number}".encode() for number in range(60)]


async def test_a_service_is_listed_again_after_a_pause_and_no_more_after_its_death(
    cluster: testing.AsyncCluster,
) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as kv, Holder(cluster.endpoints, "web", "web", SHORT_S) as holder:
        assert await holder.hears() == "held"

        async def listed() -> bool:
            return bool(await Registration.members(kv, "web"))

        async def gone() -> bool:
            return not await listed()

        await kill_leader(cluster)
        await eventually(listed, PATIENCE_S)
        holder.pause()
        await eventually(gone, PATIENCE_S)
        holder.resume()
        await eventually(listed, PATIENCE_S)
        holder.kill()
        await eventually(gone, PATIENCE_S)


async def test_a_counter_counts_every_addition_once_while_leaders_die(cluster: testing.AsyncCluster) -> None:
    """P25."""
    async with cluster.client(timeout_s=PATIENCE_S) as kv:
        counter, sums = Counter(kv, "hits"), []

        async def add() -> None:
            for _ in range(100):
                sums.append(await counter.add())

        adding = [asyncio.ensure_future(add()) for _ in range(4)]
        await kill_leader(cluster)
        await asyncio.wait_for(asyncio.gather(*adding), PATIENCE_S)
        assert sorted(sums) == list(range(1, 401))
        assert await counter.value() == 400


async def test_a_cache_follows_through_the_death_of_the_node_that_feeds_it(cluster: testing.AsyncCluster) -> None:
    async with cluster.client(timeout_s=PATIENCE_S) as kv, Cache(kv, "c/") as cache:
        for number in range(30):
            await kv.put_many({f"c/{number % 5}": f"{number}", "c/last": f"{number}"})
            if number == 10:
                await kill_leader(cluster)
        await asyncio.wait_for(cache.refreshed(), PATIENCE_S)
        found: Any = {entry.key: entry async for entry in kv.scan("c/")}
        assert dict(cache) == found
