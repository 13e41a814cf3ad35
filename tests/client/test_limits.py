"""Deadlines, the bound on requests in flight, and a tidy end."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

import paxoskv.client as client
from paxoskv.errors import OutcomeUnknown, Unavailable
from tests.client.fake import FakeNode, fake_cluster, hold, serve
from tests.support import eventually

pytestmark = pytest.mark.usefixtures("each_client")


async def test_no_more_than_max_in_flight_are_sent(node: FakeNode) -> None:
    async with client.connect(node.endpoint, max_in_flight=4) as kv:
        node.always["get"] = hold
        gets = [asyncio.create_task(kv.get(f"k{number}")) for number in range(10)]
        await eventually(lambda: len(node.held) == 4)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(node.held) == 4
        node.always["get"] = serve
        node.release()
        await asyncio.gather(*gets)
    assert len(node.received("get")) == 10


async def test_call_that_waits_for_its_turn_keeps_its_deadline(node: FakeNode) -> None:
    node.always["get"] = node.always["put"] = hold
    async with client.connect(node.endpoint, timeout_s=0.3, max_in_flight=1) as kv:
        node.always["open"] = hold
        outcomes = await asyncio.gather(kv.get("k"), kv.get("k"), kv.put("k", "v"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3


async def test_deadline_holds_when_the_node_stays_silent_everywhere(node: FakeNode) -> None:
    node.always["get"] = hold
    loop = asyncio.get_running_loop()
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        started_s = loop.time()
        with pytest.raises(Unavailable):
            await kv.get("k")
        assert loop.time() - started_s >= 0.295, "not before its time"


async def keep_talking(node: FakeNode) -> None:
    """Send news again and again, so that nobody takes the node for silent."""
    while True:
        node.tell(199, "nothing that matters")
        await asyncio.sleep(0.02)


async def test_slot_of_an_overdue_request_is_free_again(node: FakeNode) -> None:
    talking = asyncio.create_task(keep_talking(node))
    async with client.connect(node.endpoint, timeout_s=0.3, max_in_flight=1) as kv:
        node.plan["get"].append(hold)
        with pytest.raises(Unavailable):
            await kv.get("k1")
        assert (await kv.get("k2")).entry is None
    talking.cancel()
    assert node.accepted == 1


async def test_late_answer_to_an_overdue_request_finds_nobody(node: FakeNode) -> None:
    talking = asyncio.create_task(keep_talking(node))
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        node.plan["get"].append(hold)
        with pytest.raises(Unavailable):
            await kv.get("k1")
        node.release()
        assert (await kv.get("k2")).entry is None
    talking.cancel()
    assert node.accepted == 1


async def test_requests_beyond_the_transports_buffer_wait_and_arrive(node: FakeNode) -> None:
    """A node that reads slowly pauses the client instead of filling its memory (P33)."""
    value = bytes(900_000)
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        results = await asyncio.gather(*(kv.put(f"k{number}", value) for number in range(20)))
    assert len({result.revision for result in results}) == 20


async def test_node_that_does_not_read_is_not_sent_more_than_fits(node: FakeNode) -> None:
    """P33. What never left is surely not applied; were everything sent, all outcomes would be unknown."""
    async with client.connect(node.endpoint, timeout_s=0.9) as kv:
        await kv.put("k", "v")
        node.greeting = b""
        node.connections[0].transport.pause_reading()
        puts = (kv.put(f"k{number}", bytes(900_000)) for number in range(60))
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {OutcomeUnknown, Unavailable}


@pytest.mark.asyncio_client
async def test_closing_ends_open_calls_with_the_truth(node: FakeNode) -> None:
    async with client.connect(node.endpoint, max_in_flight=2) as kv:
        await kv.put("k", "v")
        node.always["put"] = node.always["get"] = hold
        calls = [asyncio.create_task(call) for call in (kv.put("k", "sent"), kv.get("k"), kv.put("k", "waits"))]
        await eventually(lambda: len(node.held) == 2)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, Unavailable, Unavailable]
    assert "closed" in str(outcomes[2])


async def test_leaving_the_block_does_not_wait_for_a_dead_cluster(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        await node.stop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await kv.get("k")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_error_inside_the_block_passes_through(node: FakeNode) -> None:
    async def story() -> None:
        async with client.connect(node.endpoint) as kv:
            await kv.put("k", "v")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await story()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio_client
async def test_dead_navigator_fails_calls_instead_of_hanging_them(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P38: a task that dies is noticed."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    async with client.connect(node.endpoint) as kv:
        monkeypatch.setattr("paxoskv.client.navigator.dial", None)
        await kv.get("k")
        node.cut()
        await eventually(lambda: not node.connections)
        with pytest.raises(Unavailable, match="navigator"):
            await kv.get("k")
        with pytest.raises(RuntimeError, match="navigator"):
            await kv.get("k")
    assert "navigator" in str(complaints[0]["task"])


@pytest.mark.asyncio_client
@pytest.mark.parametrize(
    "part", ["keeper.Keeper._next_s", "keeper.Keeper._renew", "vigil.Vigil._keep"], ids=["keeper", "renewal", "vigil"]
)
async def test_whatever_dies_in_the_background_ends_calls_watches_and_leases(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """P38: who relies on a lease that nobody renews any more, or on a watch that nobody looks after, has to know."""

    async def bug(*_: object) -> None:
        raise ZeroDivisionError

    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    broken = bug if part != "keeper.Keeper._next_s" else None
    monkeypatch.setattr(f"paxoskv.client.{part}", broken)
    async with client.connect(node.endpoint) as kv:
        lease = kv.lease(0.6)
        await lease.__aenter__()
        with pytest.raises((Unavailable, RuntimeError), match="died"):
            async with kv.watch("") as watch:
                await watch.next(30)
        assert lease.lost.is_set()
        with pytest.raises(RuntimeError, match="died"):
            await kv.get("k")
    assert complaints


@pytest.mark.asyncio_client
def test_client_runs_on_uvloop() -> None:
    async def story() -> int:
        async with fake_cluster(3) as nodes, client.connect([node.endpoint for node in nodes]) as kv:
            await kv.put("k", "v")
            await nodes[0].stop()
            nodes[1].point_to(nodes[1])
            return (await kv.put("k", "w")).revision

    assert uvloop.run(story()) == 2
