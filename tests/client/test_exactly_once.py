"""Writes through failures: the same bytes on every retry, and the truth about the outcome (P25)."""

from __future__ import annotations

import asyncio

import pytest

import paxoskv.client as client
from paxoskv.client import channel, session
from paxoskv.errors import BadRequest, InternalError, OutcomeUnknown, Overloaded, Unavailable
from paxoskv.kv import replies
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from tests.client.fake import FakeNode, FakeStore, apply_and_drop, drop, hold, raw, refuse, reply
from tests.support import eventually

pytestmark = pytest.mark.usefixtures("each_client")


async def test_retry_after_a_lost_request_sends_the_same_bytes(node: FakeNode) -> None:
    node.plan["put"] += [drop, drop]
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
    first, second, third = node.received("put")
    assert first == second == third
    assert len(node.store.applied) == 1


async def test_retry_after_a_lost_answer_is_applied_once(node: FakeNode) -> None:
    node.plan["put"].append(apply_and_drop)
    async with client.connect(node.endpoint) as kv:
        result = await kv.put("k", "v")
    assert len(set(node.received("put"))) == 1
    assert (len(node.store.applied), result.revision) == (1, 1)


async def test_retry_on_another_node_keeps_session_and_number(trio: list[FakeNode]) -> None:
    first, second, _ = trio
    first.plan["cas"].append(apply_and_drop)
    async with client.connect([one.endpoint for one in trio]) as kv:
        await kv.put("other", "v")
        first.greeting = b"not again"
        result = await kv.cas("k", "v", absent=True)
    assert result.succeeded, "a second execution would have found the key"
    assert first.received("cas") == second.received("cas")


async def test_unanswered_requests_of_a_lost_connection_go_again_in_their_order(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("first", "v")
        node.plan["put"] += [hold] * 10
        puts = [asyncio.create_task(kv.put(f"k{number}", "v")) for number in range(10)]
        await eventually(lambda: len(node.held) == 10)
        node.cut()
        await asyncio.gather(*puts)
    sent = node.received("put")
    assert sent[1:11] == sent[11:21]
    assert [seq for _, _, seq, *_ in node.store.applied] == list(range(1, 12))


async def test_acked_follows_the_replies_and_stops_at_a_gap(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k1", "v")
        node.plan["put"].append(hold)
        slow = asyncio.create_task(kv.put("k2", "v"))
        await eventually(lambda: node.held)
        await kv.put("k3", "v")
        await kv.put("k4", "v")
        node.release()
        await slow
        await kv.put("k5", "v")
    assert [command[2:4] for command in node.commands("put")] == [(1, 0), (2, 1), (3, 1), (4, 1), (5, 4)]


@pytest.mark.asyncio_client
async def test_replies_out_of_order_reach_their_callers(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        node.plan["put"] += [hold] * 3
        puts = [asyncio.create_task(kv.put(f"k{number}", "v")) for number in range(3)]
        await eventually(lambda: len(node.held) == 3)
        node.release(newest_first=True)
        results = await asyncio.gather(*puts)
    assert [result.revision for result in results] == [4, 3, 2]


@pytest.mark.asyncio_client
async def test_cancelled_write_is_not_sent_again_and_does_not_hold_acked_back(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k1", "v")
        node.plan["put"].append(hold)
        abandoned = asyncio.create_task(kv.put("k2", "v"))
        await eventually(lambda: node.held)
        abandoned.cancel()
        with pytest.raises(asyncio.CancelledError):
            await abandoned
        node.cut()
        await kv.put("k3", "v")
    assert [command[2:4] for command in node.commands("put")] == [(1, 0), (2, 1), (3, 2)]


@pytest.mark.asyncio_client
async def test_late_answer_to_a_cancelled_write_finds_nobody(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k1", "v")
        node.plan["put"].append(hold)
        abandoned = asyncio.create_task(kv.put("k2", "v"))
        await eventually(lambda: node.held)
        abandoned.cancel()
        await asyncio.wait([abandoned])
        node.release()
        assert (await kv.get("k2")).value == b"v"
    assert node.accepted == 1


@pytest.mark.asyncio_client
async def test_write_cancelled_before_it_was_sent_never_is(node: FakeNode) -> None:
    async with client.connect(node.endpoint, max_in_flight=1) as kv:
        await kv.put("k1", "v")
        node.plan["put"].append(hold)
        first = asyncio.create_task(kv.put("k2", "v"))
        await eventually(lambda: node.held)
        waiting = asyncio.create_task(kv.put("k3", "v"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        node.release()
        await first
        await kv.put("k4", "v")
    assert [command[2:5] for command in node.commands("put")] == [(1, 0, b"k1"), (2, 1, b"k2"), (4, 3, b"k4")]


@pytest.mark.asyncio_client
async def test_write_cancelled_between_two_attempts_is_not_sent_again(node: FakeNode) -> None:
    node.plan["put"].append(refuse(protocol.OVERLOADED, retry_after_ms=50))
    loop = asyncio.get_running_loop()
    async with client.connect(node.endpoint) as kv:
        put = asyncio.create_task(kv.put("k", "v"))
        await eventually(lambda: node.received("put"))
        await kv.get("k")
        put.cancel()
        await asyncio.wait([put])
        until_s = loop.time() + 0.1
        while loop.time() < until_s:
            await kv.get("k")
    assert len(node.received("put")) == 1


async def test_write_without_an_answer_ends_as_outcome_unknown(node: FakeNode) -> None:
    node.always["put"] = hold
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(OutcomeUnknown, match="may have been applied"):
            await kv.put("k", "v")
    assert len(set(node.received("put"))) == 1


async def test_write_that_no_node_took_ends_as_unavailable(node: FakeNode) -> None:
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        await kv.put("k1", "v")
        await node.stop()
        with pytest.raises(Unavailable):
            await kv.get("k1")
        with pytest.raises(Unavailable, match=r"not applied.*connection refused"):
            await kv.put("k2", "v")


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few attempts follow each other at once and then none: time is up in a pause, when nothing is under way."""
    monkeypatch.setattr(channel, "backoff_s", lambda attempts, random: 0.001 if attempts < 3 else 60.0)


@pytest.mark.usefixtures("long_pauses")
async def test_write_turned_down_by_every_attempt_ends_as_unavailable(node: FakeNode) -> None:
    node.always["put"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(node.endpoint, timeout_s=1) as kv:
        with pytest.raises(Unavailable, match="scripted refusal"):
            await kv.put("k", "v")
    assert len(node.received("put")) == 3
    assert len(set(node.received("put"))) == 1


async def test_one_lost_attempt_among_refusals_makes_the_outcome_unknown(node: FakeNode) -> None:
    node.plan["put"].append(apply_and_drop)
    node.always["put"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(OutcomeUnknown):
            await kv.put("k", "v")


async def test_node_that_does_not_know_the_outcome_is_asked_again(node: FakeNode) -> None:
    node.plan["put"].append(refuse(protocol.OUTCOME_UNKNOWN))
    async with client.connect(node.endpoint) as kv:
        assert (await kv.put("k", "v")).revision == 1
    assert len(set(node.received("put"))) == 1


@pytest.mark.parametrize("status", [protocol.OUTCOME_UNKNOWN, 77])
async def test_status_that_leaves_the_outcome_open_is_told_as_such(node: FakeNode, status: int) -> None:
    """77 is one that only a newer node knows."""
    node.always["put"] = refuse(status)
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(OutcomeUnknown):
            await kv.put("k", "v")


async def test_bad_request_after_a_lost_attempt_leaves_the_outcome_open(node: FakeNode) -> None:
    """Another node's limits may have been wider: the first copy may stand."""
    node.plan["put"] += [drop, refuse(protocol.BAD_REQUEST)]
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(OutcomeUnknown):
            await kv.put("k", "v")
        node.plan["put"].append(refuse(protocol.BAD_REQUEST))
        with pytest.raises(BadRequest):
            await kv.put("k", "v")


async def test_overload_is_waited_out(node: FakeNode) -> None:
    node.plan["put"].append(refuse(protocol.OVERLOADED, retry_after_ms=100))
    async with client.connect(node.endpoint) as kv:
        started_s = asyncio.get_running_loop().time()
        await kv.put("k", "v")
        assert asyncio.get_running_loop().time() - started_s >= 0.095, "a pause of 100 ms was asked for"


@pytest.mark.usefixtures("long_pauses")
async def test_lasting_overload_is_told_with_the_nodes_advice(node: FakeNode) -> None:
    node.always["put"] = refuse(protocol.OVERLOADED, retry_after_ms=40)
    async with client.connect(node.endpoint, timeout_s=1) as kv:
        with pytest.raises(Overloaded, match="scripted refusal") as told:
            await kv.put("k", "v")
    assert told.value.retry_after_s == 0.04


async def test_expired_session_of_a_write_sent_once_is_replaced(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k1", "v")
        node.store.expire_sessions()
        assert (await kv.put("k2", "v")).revision == 2
    assert [command[1:4] for command in node.commands("put")] == [(1, 1, 0), (1, 2, 1), (2, 1, 0)]


async def test_expired_session_after_a_lost_attempt_leaves_the_outcome_open(node: FakeNode) -> None:
    """P25: the first copy may have run before the session expired; it is never executed again."""
    async with client.connect(node.endpoint) as kv:
        await kv.put("k1", "v")
        node.plan["put"] += [drop, reply(replies.SESSION_EXPIRED)]
        with pytest.raises(OutcomeUnknown, match="session expired"):
            await kv.put("k2", "v")
        await kv.put("k3", "v")
    assert [command[5] for command in node.store.applied] == [b"v", b"v"]
    assert [command[1] for command in node.commands("put")] == [1, 1, 1, 2]


async def test_concurrent_writes_of_an_expired_session_share_the_next_one(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        node.store.expire_sessions()
        await asyncio.gather(*(kv.put(f"k{number}", "v") for number in range(10)))
    assert node.store.session_count == 2
    assert len(node.store.applied) == 11


async def test_late_word_of_an_expired_session_does_not_end_the_next_one(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        node.plan["put"] += [hold, hold]
        puts = [asyncio.create_task(kv.put(key, "v")) for key in ("k1", "k2")]
        await eventually(lambda: len(node.held) == 2)
        node.store.expire_sessions()
        late = node.held.pop()
        node.release()
        await puts[0]
        node.held.append(late)
        node.release()
        await puts[1]
    assert node.store.session_count == 2


async def test_opening_a_session_is_repeated_freely(node: FakeNode) -> None:
    """An orphan expires by itself; the caller's write was never sent."""
    node.plan["open"] += [apply_and_drop, drop, refuse(protocol.OUTCOME_UNKNOWN)]
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
    assert node.store.session_count == 2
    assert [command[1] for command in node.store.applied] == [2]


async def test_write_whose_session_could_not_be_opened_is_unavailable(node: FakeNode) -> None:
    node.always["open"] = hold
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(Unavailable):
            await kv.put("k", "v")
    assert not node.received("put")


@pytest.mark.asyncio_client
async def test_next_write_opens_the_session_if_the_first_was_cancelled(node: FakeNode) -> None:
    node.plan["open"].append(hold)
    async with client.connect(node.endpoint) as kv:
        first = asyncio.create_task(kv.put("k1", "v"))
        await eventually(lambda: node.held)
        second = asyncio.create_task(kv.put("k2", "v"))
        await asyncio.sleep(0)
        first.cancel()
        await second
    assert [command[4] for command in node.store.applied] == [b"k2"]


@pytest.mark.parametrize(("name", "code"), [("put", replies.TOO_MANY_REPLIES), ("open", replies.TOO_MANY_SESSIONS)])
async def test_state_machine_without_room_is_waited_out(node: FakeNode, name: str, code: int) -> None:
    node.plan[name] += [reply(code), reply(code)]
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
    assert len(node.received(name)) == 3
    assert len(set(node.received(name))) == 1


@pytest.mark.asyncio_client
async def test_writes_beyond_those_that_go_on_wait_for_their_turn(
    node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So none of them is refused for want of room, and what has no turn in time was surely not applied."""
    monkeypatch.setattr(session, "UNFINISHED_MAX", 4)
    node.store = FakeStore(KvLimits(session_replies_max=4))
    async with client.connect(node.endpoint) as kv:
        await asyncio.gather(*(kv.put(f"k{number}", "v") for number in range(50)))
        assert len(node.received("put")) == node.store.machine.revision == 50
        node.plan["put"] += [hold] * 4
        stuck = [asyncio.ensure_future(kv.put("stuck", "v")) for _ in range(4)]
        await eventually(lambda: len(node.received("put")) == 54)
        with pytest.raises(Unavailable, match="4 earlier writes"):
            await kv.with_timeout(0.05).put("late", "v")
        for each in stuck:
            each.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await kv.put("free", "v")
    assert len(node.received("put")) == 55


async def test_more_writes_at_once_than_a_session_keeps_replies_for(node: FakeNode) -> None:
    """All of them are encoded before anything is acknowledged: those without room have to say later what is by then."""
    node.store = FakeStore(KvLimits(session_replies_max=4))
    async with client.connect(node.endpoint) as kv:
        results = await asyncio.gather(*(kv.put(f"k{number}", "v") for number in range(50)))
    assert len({result.revision for result in results}) == 50
    assert node.store.machine.revision == 50, "each once"


@pytest.mark.parametrize(("name", "code"), [("put", replies.TOO_MANY_REPLIES), ("open", replies.TOO_MANY_SESSIONS)])
async def test_state_machine_that_stays_without_room_is_overloaded(node: FakeNode, name: str, code: int) -> None:
    node.always[name] = reply(code)
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(Overloaded, match="too many"):
            await kv.put("k", "v")


@pytest.mark.parametrize("code", [replies.SEQ_ACKNOWLEDGED, 99])
async def test_reply_that_cannot_be_is_an_internal_error(node: FakeNode, code: int) -> None:
    node.plan["put"].append(reply(code))
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(InternalError, match=f"code {code}"):
            await kv.put("k", "v")


@pytest.mark.parametrize("ballot", [(7,), 7, (7, -1), ("a", 1)])
async def test_malformed_answer_costs_the_connection_and_the_write_is_retried(node: FakeNode, ballot: object) -> None:
    """H1. The write may have been applied, so the retry has the same bytes."""
    node.plan["put"].append(raw(protocol.OK, ballot, (0, 1, 1)))
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
    assert (node.accepted, len(set(node.received("put")))) == (2, 1)


@pytest.mark.parametrize(
    "fields", [(), (1, 1), (-1, 1, 1), (0, 1 << 63, 1), (0, 1, "a"), ("0", 1, 1), 5, None, (0, 1, 1), (0, 1, 1, b"")]
)
async def test_malformed_reply_to_a_delete_is_never_a_result(node: FakeNode, fields: object) -> None:
    node.plan["delete"].append(raw(protocol.OK, (7, 1), fields))
    async with client.connect(node.endpoint) as kv:
        assert not (await kv.delete("k")).deleted
    assert node.accepted == 2
