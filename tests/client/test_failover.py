"""Which node a client talks to, and when it goes to another one."""

from __future__ import annotations

import asyncio

import pytest

import paxoskv.client as client
from paxoskv.errors import Unavailable
from paxoskv.net import protocol
from tests.client.fake import FakeNode, drop, hold, refuse
from tests.support import eventually

pytestmark = pytest.mark.usefixtures("each_client")


def endpoints(nodes: list[FakeNode]) -> list[str]:
    return [node.endpoint for node in nodes]


async def test_client_goes_straight_to_the_leader_even_if_it_is_not_listed(trio: list[FakeNode]) -> None:
    leader, follower, _ = trio
    async with client.connect(follower.endpoint) as kv:
        await kv.put("k", "v")
    assert leader.received("put")
    assert not follower.payloads


async def test_news_of_a_leader_moves_the_client(trio: list[FakeNode]) -> None:
    before, after, _ = trio
    async with client.connect(endpoints(trio)) as kv:
        await kv.put("k1", "v")
        after.leader = after.number
        before.point_to(after)
        await eventually(lambda: after.connections)
        await eventually(lambda: not before.connections)
        await kv.put("k2", "v")
    assert [len(node.received("put")) for node in trio] == [1, 1, 0]


async def test_requests_in_flight_follow_to_the_new_leader(trio: list[FakeNode]) -> None:
    before, after, _ = trio
    async with client.connect(endpoints(trio)) as kv:
        await kv.put("k1", "v")
        before.plan["put"].append(hold)
        put = asyncio.create_task(kv.put("k2", "v"))
        await eventually(lambda: before.held)
        after.leader = after.number
        before.point_to(after)
        await put
    assert before.received("put")[1] == after.received("put")[0]


async def test_leader_that_cannot_be_reached_leaves_the_client_where_it_is(trio: list[FakeNode]) -> None:
    dead, follower, _ = trio
    await dead.stop()
    async with client.connect(follower.endpoint) as kv:
        await kv.put("k", "v")
    assert follower.received("put")


async def test_unreachable_leader_is_tried_again(trio: list[FakeNode]) -> None:
    leader, follower, _ = trio
    await leader.stop()
    async with client.connect(follower.endpoint) as kv:
        await kv.put("k", "v")
        await leader.start()
        await eventually(lambda: leader.connections, what="moved to the leader")
        await eventually(lambda: not follower.connections)
        await kv.put("k", "w")
    assert len(leader.received("put")) == 1


async def test_lost_connection_moves_the_client_to_another_node(trio: list[FakeNode]) -> None:
    first, second, third = trio
    async with client.connect(endpoints(trio)) as kv:
        await kv.put("k1", "v")
        await first.stop()
        second.point_to(second)
        third.point_to(second)
        await kv.put("k2", "v")
    assert len(second.received("put")) == 1


async def test_node_that_comes_back_is_used_again(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k1", "v")
        await node.stop()
        put = asyncio.create_task(kv.put("k2", "v"))
        await asyncio.sleep(0)
        await node.start()
        await put
    assert len(node.store.applied) == 2


async def test_silent_node_is_left_for_another(trio: list[FakeNode]) -> None:
    """A paused node (SIGSTOP) keeps its connections and answers nothing."""
    silent, other, _ = trio
    async with client.connect(endpoints(trio), timeout_s=1.5) as kv:
        await kv.put("k1", "v")
        silent.always["put"] = hold
        silent.greeting = b""
        await kv.put("k2", "v")
    assert silent.received("put")[1] == other.received("put")[0]


async def test_node_that_answers_anything_is_not_silent(node: FakeNode) -> None:
    """One slow request among answered ones is waited for: asking elsewhere would only add load."""
    node.plan["get"].append(hold)
    async with client.connect(node.endpoint, timeout_s=0.6) as kv:
        slow = asyncio.create_task(kv.get("slow"))
        await eventually(lambda: node.held)
        until_s = asyncio.get_running_loop().time() + 0.45
        while asyncio.get_running_loop().time() < until_s:
            await kv.get("k")
        node.release()
        await slow
    assert node.accepted == 1


async def test_node_without_a_quorum_is_left_for_another(trio: list[FakeNode]) -> None:
    cut_off, other, _ = trio
    cut_off.always["put"] = cut_off.always["open"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(endpoints(trio)) as kv:
        other.point_to(other)
        await kv.put("k", "v")
    assert other.received("put")


async def test_node_without_a_quorum_is_left_even_for_nodes_that_were_down_before(trio: list[FakeNode]) -> None:
    """Found by the simulator: a node that was cut off, but reachable, kept its clients from all the others."""
    cut_off, *others = trio
    for other in others:
        await other.stop()
        cut_off.point_to(other)
    async with client.connect([*endpoints(others), cut_off.endpoint]) as kv:
        for other in others:
            await other.start()
            other.point_to(others[0])
        cut_off.point_to(cut_off)
        cut_off.always["put"] = cut_off.always["open"] = refuse(protocol.UNAVAILABLE)
        await kv.put("k", "v")
    assert others[0].received("put")


async def test_node_that_shuts_down_is_left_at_once(trio: list[FakeNode]) -> None:
    leaving, other, _ = trio
    async with client.connect(endpoints(trio)) as kv:
        await kv.put("k1", "v")
        other.point_to(other)
        leaving.always["put"] = refuse(protocol.SHUTTING_DOWN)
        await kv.put("k2", "v")
    assert (len(leaving.received("put")), len(other.received("put"))) == (2, 1)


async def test_goodbye_sends_the_client_elsewhere(trio: list[FakeNode]) -> None:
    leaving, other, _ = trio
    async with client.connect(endpoints(trio)) as kv:
        await kv.put("k1", "v")
        other.point_to(other)
        leaving.plan["put"].append(hold)
        put = asyncio.create_task(kv.put("k2", "v"))
        await eventually(lambda: leaving.held)
        leaving.tell(protocol.GOODBYE, "stopping")
        await put
    assert leaving.received("put")[1] == other.received("put")[0]


async def test_idle_client_hangs_up_on_goodbye(node: FakeNode) -> None:
    async with client.connect(node.endpoint):
        node.tell(protocol.GOODBYE, "stopping")
        await eventually(lambda: not node.connections)


async def test_reads_are_repeated_freely(node: FakeNode) -> None:
    node.plan["get"] += [drop, refuse(protocol.OUTCOME_UNKNOWN), refuse(protocol.UNAVAILABLE)]
    async with client.connect(node.endpoint) as kv:
        assert (await kv.get("k")).entry is None
    assert len(node.received("get")) == 4


async def test_read_without_an_answer_is_unavailable(node: FakeNode) -> None:
    node.always["get"] = hold
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(Unavailable):
            await kv.get("k")


async def test_node_of_another_cluster_is_never_used(trio: list[FakeNode]) -> None:
    """Sessions of one cluster mean nothing in another (P34)."""
    first, stranger, _ = trio
    stranger.cluster = "c2"
    async with client.connect([first.endpoint, stranger.endpoint], timeout_s=0.3) as kv:
        await kv.put("k1", "v")
        await first.stop()
        with pytest.raises(Unavailable):
            await kv.get("k1")
        with pytest.raises(Unavailable, match="belongs to cluster c2, not c1"):
            await kv.put("k2", "v")
    assert not stranger.payloads


async def test_idle_client_reconnects_only_when_it_is_used(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.get("k")
        node.cut()
        await eventually(lambda: not node.connections)
        for _ in range(20):
            await asyncio.sleep(0)
        assert node.accepted == 1
        await kv.get("k")
    assert node.accepted == 2


async def test_unknown_news_mean_nothing(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        node.tell(199, "something newer")
        node.tell(protocol.LEADER, 0, "")
        await kv.get("k")
    assert node.accepted == 1


@pytest.mark.parametrize("news", [(protocol.LEADER,), (protocol.LEADER, 2, "nowhere"), (protocol.LEADER, "2", "h:1")])
async def test_malformed_news_cost_the_connection(node: FakeNode, news: tuple[object, ...]) -> None:
    async with client.connect(node.endpoint) as kv:
        node.tell(*news)
        await eventually(lambda: not node.connections)
        await kv.get("k")
    assert node.accepted == 2


async def test_nodes_that_can_do_nothing_but_take_connections_do_not_hold_a_client_among_them(
    trio: list[FakeNode],
) -> None:
    """P20: two followers hear no leader; the third node, which failed when it was tried before the two, can serve."""
    able, *helpless = trio
    await able.stop()
    for node in helpless:
        node.leader = 0
        node.always["put"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(endpoints(trio)) as kv:
        put = asyncio.create_task(kv.put("k", "v"))
        await eventually(lambda: all(node.received("put") for node in helpless))
        await able.start()
        await put
    assert able.received("put")
