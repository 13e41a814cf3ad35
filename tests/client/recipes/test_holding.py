"""Locks, reader-writer locks and semaphores: who holds them, in which order, and how one is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from paxoskv import client
from paxoskv.client import Lock, RWLock, Semaphore, ops
from paxoskv.client.recipes.holding import Holding
from paxoskv.errors import BadRequest, GuardFailed, LeaseLost, OutcomeUnknown, Unavailable
from paxoskv.net import protocol
from tests.client.fake import FakeNode, apply_and_drop, drop, refuse
from tests.client.recipes.conftest import StoppedClock
from tests.support import eventually

PATIENCE_S = 30.0
TTL_S = 10.0

Frozen = tuple[client.Client, StoppedClock]
KINDS: list[Callable[[client.Store], Holding]] = [
    lambda kv: Lock(kv, "name", ttl_s=TTL_S),
    lambda kv: RWLock(kv, "name", ttl_s=TTL_S).write(),
    lambda kv: Semaphore(kv, "name", 1, ttl_s=TTL_S),
]


def watches(node: FakeNode) -> int:
    """Return how many watches a node feeds."""
    return sum(len(connection.watches) for connection in node.connections)


class Room:
    """Counts who is in it."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.order: list[Any] = []

    async def visit(self, holding: Holding, name: Any = None) -> None:
        """Be inside for some turns of the loop, while the holding is held."""
        async with holding:
            self.order.append(name)
            self.inside += 1
            self.most = max(self.most, self.inside)
            for _ in range(5):
                await asyncio.sleep(0)
            self.inside -= 1


@pytest.mark.parametrize("make", KINDS)
async def test_one_at_a_time_and_tokens_grow(
    kv: client.Client, other: client.Client, make: Callable[[client.Store], Holding]
) -> None:
    room, tokens = Room(), []

    async def visit(holding: Holding) -> None:
        async with holding:
            tokens.append(holding.token)
            assert not holding.is_lost
            room.inside += 1
            assert room.inside == 1
            await asyncio.sleep(0)
            room.inside -= 1

    await asyncio.gather(*(visit(make(one)) for one in [kv, other] * 10))
    assert len(tokens) == 20
    assert tokens == sorted(set(tokens)), "P27"


async def test_it_is_given_in_the_order_of_arrival(node: FakeNode, kv: client.Client) -> None:
    room = Room()
    first = Lock(kv, "name")
    await first.acquire()
    waiting = []
    for number in range(5):
        waiting.append(asyncio.ensure_future(room.visit(Lock(kv, "name"), number)))
        await eventually(lambda: watches(node) == len(waiting), PATIENCE_S)
    await first.release()
    await asyncio.gather(*waiting)
    assert room.order == [0, 1, 2, 3, 4]


async def test_whoever_waits_watches_only_the_one_before(node: FakeNode, kv: client.Client) -> None:
    """No herd: a release wakes one."""
    holder = Lock(kv, "name")
    await holder.acquire()
    waiting = [asyncio.ensure_future(Lock(kv, "name").acquire()) for _ in range(10)]
    await eventually(lambda: watches(node) == 10, PATIENCE_S)
    watched = {(watch.start, watch.end) for one in node.connections for watch in one.watches.values()}
    assert len(watched) == 10
    assert all(end == start + b"\0" for start, end in watched)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await holder.release()
    assert node.store.machine.leases == 0


async def test_a_waiter_that_leaves_does_not_let_the_next_one_in(node: FakeNode, kv: client.Client) -> None:
    holder, impatient, patient = Lock(kv, "name"), Lock(kv, "name"), Lock(kv, "name")
    await holder.acquire()
    leaving = asyncio.ensure_future(impatient.acquire())
    await eventually(lambda: watches(node) == 1, PATIENCE_S)
    waiting = asyncio.ensure_future(patient.acquire())
    await eventually(lambda: watches(node) == 2, PATIENCE_S)
    leaving.cancel()
    await asyncio.wait([leaving])
    await eventually(lambda: len(node.received("watch")) == 3, PATIENCE_S, "it watches the holder now")
    assert not waiting.done()
    await holder.release()
    await waiting
    await patient.release()


async def test_a_time_limit_gives_the_place_back(node: FakeNode, kv: client.Client, other: client.Client) -> None:
    async with Lock(other, "name"):
        with pytest.raises(TimeoutError):
            await Lock(kv, "name").acquire(timeout_s=0.05)
        assert node.store.machine.leases == 1
    await Lock(kv, "name").acquire(timeout_s=PATIENCE_S)


async def test_a_holder_whose_lease_ends_makes_way_and_is_told(
    node: FakeNode, frozen: Frozen, other: client.Client
) -> None:
    """P27: the program stood still for longer than its lease; others went on; whatever it guarded is refused."""
    stopped, clock = frozen
    lock = Lock(stopped, "name", ttl_s=TTL_S)
    await lock.acquire()
    token, guard = lock.token, lock.guard
    assert (await stopped.txn(compare=[guard], then=[ops.put("k", "held")])).succeeded
    node.store.pass_time(TTL_S + 0.001)
    async with Lock(other, "name", ttl_s=TTL_S) as next_lock:
        assert next_lock.token > token
        assert not lock.is_lost, "it does not know, and that is why there are guards"
        assert not (await stopped.txn(compare=[guard], then=[ops.put("k", "late")])).succeeded
        with pytest.raises(GuardFailed):
            await stopped.guarded(guard).put("k", "late")
        await other.guarded(next_lock.guard).put("k", "next")
    clock.now_s += TTL_S + 0.001
    with pytest.raises(LeaseLost):
        lock.check()
    with pytest.raises(LeaseLost, match="before it was released"):
        await lock.release()
    assert (await other.get("k")).value == b"next"


async def test_whoever_waits_for_longer_than_its_lease_falls_out_of_the_line(
    node: FakeNode, frozen: Frozen, other: client.Client
) -> None:
    stopped, clock = frozen
    holder = Lock(other, "name", ttl_s=600.0)
    await holder.acquire()
    waiting = asyncio.ensure_future(Lock(stopped, "name", ttl_s=TTL_S).acquire())
    await eventually(lambda: watches(node) == 1, PATIENCE_S)
    node.store.pass_time(TTL_S + 0.001)
    clock.now_s += TTL_S + 0.001
    stopped._wire.keeper._wake.set()
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(waiting, PATIENCE_S)
    await holder.release()


async def test_a_turn_that_comes_after_the_own_lease_has_ended_is_no_turn(
    node: FakeNode, frozen: Frozen, other: client.Client
) -> None:
    """The one before leaves, but our place is gone as well: we must not believe that nobody is before us."""
    stopped, _ = frozen
    holder = Lock(other, "name", ttl_s=600.0)
    await holder.acquire()
    waiting = asyncio.ensure_future(Lock(stopped, "name", ttl_s=TTL_S).acquire())
    await eventually(lambda: watches(node) == 1, PATIENCE_S)
    node.store.pass_time(TTL_S + 0.001)
    await holder.release()
    with pytest.raises(LeaseLost, match="stood in line"):
        await asyncio.wait_for(waiting, PATIENCE_S)


async def test_a_lost_lock_is_told_at_the_end_of_the_block(node: FakeNode, frozen: Frozen) -> None:
    stopped, clock = frozen

    async def story() -> None:
        async with Lock(stopped, "name", ttl_s=TTL_S) as lock:
            clock.now_s += TTL_S
            stopped._wire.keeper._wake.set()
            await asyncio.wait_for(lock.lost.wait(), PATIENCE_S)

    with pytest.raises(LeaseLost):
        await story()


@pytest.mark.parametrize("disturb", [apply_and_drop, drop, refuse(protocol.OUTCOME_UNKNOWN)])
async def test_a_lost_answer_leaves_one_place_in_line(node: FakeNode, kv: client.Client, disturb: Any) -> None:
    """P25: neither the lease nor the place is made twice."""
    node.plan["grant"].append(disturb)
    node.plan["put"].append(disturb)
    async with Lock(kv, "name") as lock:
        assert [entry.created async for entry in kv.scan("")] == [lock.token]
        assert node.store.machine.leases == 1
    assert (node.store.machine.leases, node.store.machine.keys) == (0, 0)


async def test_who_cannot_know_whether_it_stands_in_line_does_not(node: FakeNode) -> None:
    node.always["put"] = drop
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises((OutcomeUnknown, Unavailable)):
            await Lock(kv, "name").acquire()
        assert node.store.machine.leases == 0


async def test_the_holder_can_be_asked_for(kv: client.Client) -> None:
    lock = Lock(kv, "name", value="host7")
    assert await lock.holder() is None
    async with lock:
        holder = await Lock(kv, "name").holder()
        assert holder is not None
        assert (holder.value, holder.created) == (b"host7", lock.token)


async def test_misuse_is_told(kv: client.Client) -> None:
    lock = Lock(kv, "name")
    for use in (lambda: lock.token, lambda: lock.guard, lambda: lock.is_lost, lambda: lock.lost, lock.check):
        with pytest.raises(RuntimeError, match="the lock is not held"):
            use()
    async with lock:
        with pytest.raises(RuntimeError, match="an object of its own"):
            await lock.acquire()
    async with lock:
        """It may be used again."""
    for name in ("a/.lock", ".hidden", "a/.lock/b"):
        with pytest.raises(BadRequest, match="begins with a dot"):
            Lock(kv, name)
    with pytest.raises(BadRequest, match="empty"):
        Lock(kv, "")
    with pytest.raises(BadRequest, match="at least 1"):
        Semaphore(kv, "name", 0)


async def test_locks_of_names_within_one_another_are_strangers(kv: client.Client) -> None:
    async with Lock(kv, "a"), Lock(kv, "a/b"), Semaphore(kv, "a", 1), Lock(kv.scoped("a/"), "c"):
        assert await Lock(kv, "a/c").holder() is not None


async def test_guards_hold_in_every_view(kv: client.Client) -> None:
    scope = kv.scoped("app/")
    async with Lock(scope, "name") as lock:
        assert (await kv.txn(compare=[lock.guard], then=[ops.put("k", "v")])).succeeded
        assert (await scope.guarded(lock.guard).put("k", "v")).written
        assert (await kv.scoped("elsewhere/").guarded(lock.guard).incr("n")).value == 1


async def test_readers_share_and_writers_do_not(node: FakeNode, kv: client.Client) -> None:
    order, both_in = [], asyncio.Barrier(2)

    async def read(name: str) -> None:
        async with RWLock(kv, "name").read():
            await both_in.wait()
            order.append(name)

    async def write() -> None:
        async with RWLock(kv, "name").write():
            order.append("w")

    async def read_last() -> None:
        async with RWLock(kv, "name").read():
            order.append("last")

    tasks: list[asyncio.Future[None]] = []
    gate = RWLock(kv, "name").write()
    await gate.acquire()
    for visit in (read("r"), read("r"), write(), read_last()):
        tasks.append(asyncio.ensure_future(visit))
        await eventually(lambda: watches(node) == len(tasks), PATIENCE_S)
    await gate.release()
    await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)
    assert order == ["r", "r", "w", "last"], "nobody overtakes a writer"


async def test_a_semaphore_lets_so_many_in(node: FakeNode, kv: client.Client, other: client.Client) -> None:
    room = Room()
    await asyncio.gather(*(room.visit(Semaphore(one, "name", 3)) for one in [kv, other] * 8))
    assert 1 <= room.most <= 3
    held = [Semaphore(kv, "name", 3) for _ in range(3)]
    for semaphore in held:
        await semaphore.acquire(timeout_s=PATIENCE_S)
    waiting = asyncio.ensure_future(Semaphore(other, "name", 3).acquire())
    await eventually(lambda: watches(node) == 1, PATIENCE_S)
    await held[1].release()
    await asyncio.wait_for(waiting, PATIENCE_S)


async def test_whoever_waits_through_a_compaction_looks_again(node: FakeNode, kv: client.Client) -> None:
    holder, next_lock = Lock(kv, "name"), Lock(kv, "name")
    await holder.acquire()
    waiting = asyncio.ensure_future(next_lock.acquire())
    await eventually(lambda: watches(node) == 1, PATIENCE_S)
    connection = next(one for one in node.connections if one.watches)
    (number,) = connection.watches
    connection.watches.clear()
    connection.send(number, protocol.COMPACTED, "too slow", 0, 5)
    await eventually(lambda: watches(node) == 1, PATIENCE_S)
    await holder.release()
    await asyncio.wait_for(waiting, PATIENCE_S)
    await next_lock.release()
