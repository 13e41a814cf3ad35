"""Queues."""

from __future__ import annotations

import asyncio

import pytest

from paxoskv import client
from paxoskv.client import Queue
from paxoskv.errors import LeaseLost
from tests.client.fake import FakeNode, apply_and_drop
from tests.client.recipes.conftest import StoppedClock
from tests.support import eventually

PATIENCE_S = 30.0


async def test_the_oldest_comes_out_first(kv: client.Client, other: client.Client) -> None:
    for value in ("1", "2", "3"):
        await Queue(kv, "name").put(value)
    assert await Queue(kv, "name").size() == 3
    assert [await Queue(other, "name").get() for _ in range(3)] == [b"1", b"2", b"3"]
    assert await Queue(kv, "name").size() == 0


async def test_every_value_comes_out_once(kv: client.Client, other: client.Client) -> None:
    async def consume(one: client.Client) -> list[bytes]:
        return [await Queue(one, "name").get(timeout_s=PATIENCE_S) for _ in range(10)]

    consumers = [asyncio.ensure_future(consume(one)) for one in (kv, other, kv, other)]
    await asyncio.gather(*(Queue(kv, "name").put(f"{number}") for number in range(40)))
    taken = [value for values in await asyncio.gather(*consumers) for value in values]
    assert sorted(taken, key=int) == [f"{number}".encode() for number in range(40)]


async def test_a_lost_answer_takes_nothing_twice(node: FakeNode, kv: client.Client) -> None:
    """P25."""
    queue = Queue(kv, "name")
    node.plan["incr"].append(apply_and_drop)
    node.plan["put"].append(apply_and_drop)
    assert await queue.put("1") == 1
    assert await queue.put("2") == 2
    node.plan["txn"].append(apply_and_drop)
    assert [await queue.get(), await queue.get()] == [b"1", b"2"]


async def test_a_claimed_value_is_taken_out_when_the_block_ends_well(kv: client.Client, other: client.Client) -> None:
    queue = Queue(kv, "name")
    await queue.put("1")
    await queue.put("2")
    async with queue.claim() as item:
        assert (item.number, item.value) == (1, b"1")
        assert await Queue(other, "name").get() == b"2", "nobody else gets what is claimed"
        with pytest.raises(TimeoutError):
            await Queue(other, "name").get(timeout_s=0.05)
    assert await queue.size() == 0
    assert [lease async for lease in kv.leases()] == []


async def test_a_block_that_fails_gives_the_value_back(kv: client.Client) -> None:
    queue = Queue(kv, "name")
    await queue.put("1")

    async def fail() -> None:
        async with queue.claim():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await queue.get(timeout_s=PATIENCE_S) == b"1"


async def test_the_value_of_a_dead_claimant_is_given_to_another(
    node: FakeNode, frozen: tuple[client.Client, StoppedClock], other: client.Client
) -> None:
    stopped, _ = frozen
    await Queue(other, "name").put("1")
    claim = Queue(stopped, "name", ttl_s=10.0).claim()
    await claim.__aenter__()
    waiting = asyncio.ensure_future(Queue(other, "name").get())
    await eventually(lambda: any(one.watches for one in node.connections), PATIENCE_S)
    node.store.pass_time(10.001)
    assert await asyncio.wait_for(waiting, PATIENCE_S) == b"1"
    with pytest.raises(LeaseLost, match="the claim was lost"):
        await claim.__aexit__(None, None, None)


async def test_a_claim_in_vain_leaves_nothing(node: FakeNode, kv: client.Client) -> None:
    with pytest.raises(TimeoutError):
        await Queue(kv, "name").claim(timeout_s=0.05).__aenter__()
    assert node.store.machine.leases == 0


async def test_many_claimed_values_are_looked_over(kv: client.Client) -> None:
    queue = Queue(kv, "name")
    await asyncio.gather(*(queue.put(f"{number}") for number in range(150)))
    claims = [queue.claim() for _ in range(120)]
    for claim in claims:
        await claim.__aenter__()
    async with queue.claim(timeout_s=PATIENCE_S) as item:
        assert item.number == 121
