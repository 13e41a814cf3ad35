"""Elections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from paxoskv import client
from paxoskv.client import Election
from paxoskv.errors import LeaseLost
from paxoskv.net import protocol
from tests.client.fake import FakeNode
from tests.client.recipes.conftest import StoppedClock
from tests.support import eventually

PATIENCE_S = 30.0
TTL_S = 10.0


async def value_of(leaders: AsyncIterator[client.Entry | None]) -> bytes | None:
    """Return the value of the next leader, None if there is none."""
    leader = await asyncio.wait_for(anext(leaders), PATIENCE_S)
    return None if leader is None else leader.value


async def test_one_leads_and_everybody_sees_who(node: FakeNode, kv: client.Client, other: client.Client) -> None:
    one, two = Election(kv, "name", value="one"), Election(other, "name", value="two")
    assert await two.leader() is None
    async with aclosing(two.observe()) as leaders:
        assert await value_of(leaders) is None
        async with one:
            assert await value_of(leaders) == b"one"
            await one.proclaim("uno")
            assert await value_of(leaders) == b"uno"
            campaign = asyncio.ensure_future(two.campaign())
            leader = await two.leader()
            assert leader is not None
            assert (leader.value, leader.created) == (b"uno", one.token)
            await eventually(lambda: sum(len(each.watches) for each in node.connections) == 2, PATIENCE_S)
        await asyncio.wait_for(campaign, PATIENCE_S)
        assert await value_of(leaders) == b"two"
        assert two.token > 0
        await two.resign()
        assert await value_of(leaders) is None


async def test_a_leader_that_stands_still_for_too_long_is_replaced_and_proclaims_nothing(
    node: FakeNode, frozen: tuple[client.Client, StoppedClock], other: client.Client
) -> None:
    stopped, _ = frozen
    old, new = Election(stopped, "name", value="old", ttl_s=TTL_S), Election(other, "name", value="new", ttl_s=TTL_S)
    await old.campaign()
    campaign = asyncio.ensure_future(new.campaign())
    await eventually(lambda: any(one.watches for one in node.connections), PATIENCE_S)
    node.store.pass_time(TTL_S + 0.001)
    await other.put("tick", "the fake node tells watches after a slot")
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(campaign, PATIENCE_S)
    await new.campaign(timeout_s=PATIENCE_S)
    leader = await old.leader()
    assert leader is not None
    assert leader.value == b"new"
    with pytest.raises(LeaseLost, match="nothing was proclaimed"):
        await old.proclaim("older")
    assert new.token > old.token


async def test_observing_goes_on_through_a_compaction(node: FakeNode, kv: client.Client, other: client.Client) -> None:
    async with aclosing(Election(kv, "name").observe()) as leaders:
        assert await value_of(leaders) is None
        following = asyncio.ensure_future(value_of(leaders))
        await eventually(lambda: any(one.watches for one in node.connections), PATIENCE_S)
        connection = next(one for one in node.connections if one.watches)
        (number,) = connection.watches
        connection.watches.clear()
        connection.send(number, protocol.COMPACTED, "too slow", 0, 5)
        async with Election(other, "name", value="one"):
            assert await following == b"one"
