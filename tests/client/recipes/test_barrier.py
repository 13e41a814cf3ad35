"""Barriers."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from paxoskv import client
from paxoskv.client import Barrier
from paxoskv.errors import BadRequest, LeaseLost
from tests.client.fake import FakeNode
from tests.client.recipes.conftest import StoppedClock
from tests.support import eventually

PATIENCE_S = 30.0


def everybody(parties: set[int]) -> bool:
    """Return whether all are there."""
    return len(parties) == 4


async def test_all_are_in_before_anybody_goes_on_and_all_are_out_after_it(
    kv: client.Client, other: client.Client
) -> None:
    inside: list[set[int]] = [set(), set(), set()]
    left: list[set[int]] = [set(), set(), set()]

    async def party(one: client.Client, number: int) -> None:
        barrier = Barrier(one, "name", 4)
        for step in range(3):
            assert not step or len(left[step - 1]) == 4, "nobody is in the step before"
            await barrier.enter()
            inside[step].add(number)
            await eventually(partial(everybody, inside[step]), PATIENCE_S)
            left[step].add(number)
            await barrier.leave()

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(party(one, number) for number, one in enumerate([kv, other, kv, other])))
    assert [entry async for entry in kv.scan("")] == []


async def test_nobody_goes_on_alone(node: FakeNode, kv: client.Client) -> None:
    with pytest.raises(TimeoutError):
        await Barrier(kv, "name", 2).enter(timeout_s=0.05)
    assert node.store.machine.leases == 0


async def test_whoever_comes_too_late_is_in_the_next_round(node: FakeNode, kv: client.Client) -> None:
    first, second, late, later = (Barrier(kv, "name", 2) for _ in range(4))
    await asyncio.gather(first.enter(), second.enter())
    waiting = asyncio.ensure_future(late.enter())
    await eventually(lambda: any(one.watches for one in node.connections), PATIENCE_S)
    leaving = asyncio.ensure_future(first.leave())
    await eventually(lambda: sum(len(one.watches) for one in node.connections) == 2, PATIENCE_S)
    assert not waiting.done()
    assert not leaving.done(), "the other one is still in"
    await second.leave()
    await leaving
    await asyncio.gather(waiting, later.enter())
    await asyncio.gather(late.leave(), later.leave())


async def test_who_has_died_has_left(
    node: FakeNode, frozen: tuple[client.Client, StoppedClock], other: client.Client
) -> None:
    stopped, clock = frozen
    dead, alive = Barrier(stopped, "name", 2, ttl_s=10.0), Barrier(other, "name", 2, ttl_s=600.0)
    await asyncio.gather(dead.enter(), alive.enter())
    leaving = asyncio.ensure_future(alive.leave())
    await eventually(lambda: any(one.watches for one in node.connections), PATIENCE_S)
    node.store.pass_time(10.001)
    await asyncio.wait_for(leaving, PATIENCE_S)
    clock.now_s += 10.001
    with pytest.raises(LeaseLost):
        await dead.leave(timeout_s=PATIENCE_S)


async def test_a_round_of_the_dead_does_not_stop_the_next_one(
    node: FakeNode, frozen: tuple[client.Client, StoppedClock], other: client.Client
) -> None:
    stopped, _ = frozen
    dead = [Barrier(stopped, "name", 2, ttl_s=10.0) for _ in range(2)]
    await asyncio.gather(*(one.enter() for one in dead))
    node.store.pass_time(10.001)
    alive = [Barrier(other, "name", 2, ttl_s=600.0) for _ in range(2)]
    await asyncio.wait_for(asyncio.gather(*(one.enter() for one in alive)), PATIENCE_S)
    await asyncio.gather(*(one.leave() for one in alive))


async def test_misuse_is_told(kv: client.Client) -> None:
    for parties in (0, 121):
        with pytest.raises(BadRequest, match="parties"):
            Barrier(kv, "name", parties)
    barrier = Barrier(kv, "name", 1)
    with pytest.raises(RuntimeError, match="not entered"):
        await barrier.leave()
    async with barrier:
        with pytest.raises(RuntimeError, match="an object of its own"):
            await barrier.enter()
