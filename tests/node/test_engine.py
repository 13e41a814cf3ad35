"""The engine: effects are carried out in the order of their fields, and what speaks of the disk waits for it (P1)."""

from __future__ import annotations

from typing import Any

from paxoskv.kv.commands import encode_batch
from paxoskv.node.engine import BACKLOG_BYTES_MAX
from paxoskv.paxos.ballot import NO_BALLOT, Ballot
from paxoskv.paxos.messages import Accept, Accepted, CatchUp, Heartbeat, HeartbeatAck, Prepare, Promise
from tests.node.kit import OPEN, Event, Lab

VALUE = encode_batch(0, [OPEN])


def kinds(events: list[Event]) -> list[str]:
    """Return the names of events; for what was sent, of the message."""
    return [type(event[2]).__name__ if event[0] == "send" else event[0] for event in events]


def sent(events: list[Event], kind: type) -> list[tuple[int, Any]]:
    """Return (to, message) of what was sent of a kind."""
    return [(event[1], event[2]) for event in events if event[0] == "send" and isinstance(event[2], kind)]


def led(count: int) -> Lab:
    """A lab whose node 1 leads, with nothing under way."""
    lab = Lab(count)
    lab.elect()
    lab.seat.take()
    return lab


def test_a_proposal_leaves_before_the_leaders_own_disk_write() -> None:
    lab = led(3)
    lab.disk.is_quick = False
    lab.engine.propose(VALUE)
    assert kinds(lab.seat.take()) == ["Accept", "Accept", "submit"]


def test_the_leaders_own_vote_counts_when_it_is_durable() -> None:
    """With one other vote it makes a quorum; before it is on the disk, that vote is alone (P1)."""
    lab = led(3)
    lab.disk.is_quick = False
    lab.cut.add(3)
    lab.engine.propose(VALUE)
    lab.settle()
    assert "applied" not in kinds(lab.seat.take())
    lab.disk.sync()
    assert kinds(lab.seat.take()) == ["chosen", "applied"]


def test_a_quorum_of_others_need_not_wait_for_the_leaders_disk() -> None:
    lab = led(3)
    lab.disk.is_quick = False
    lab.engine.propose(VALUE)
    lab.settle()
    assert "applied" in kinds(lab.seat.take())
    assert lab.disk.waiting


def test_a_vote_is_spoken_of_when_it_is_durable_and_not_before() -> None:
    lab = Lab(3)
    lab.disk.is_quick = False
    for slot in (1, 2):
        lab.engine.on_message(2, Accept(Ballot(1, 2), slot, VALUE, 0))
    events = lab.seat.take()
    assert kinds(events).count("submit") == 2
    assert not sent(events, Accepted)
    lab.disk.sync(units=1)
    assert sent(lab.seat.take(), Accepted) == [(2, Accepted(Ballot(1, 2), 1))]
    lab.disk.sync()
    assert sent(lab.seat.take(), Accepted) == [(2, Accepted(Ballot(1, 2), 2))]


def test_one_sync_releases_everything_that_it_covers_in_its_order() -> None:
    lab = Lab(3)
    lab.disk.is_quick = False
    lab.engine.on_message(2, Prepare(Ballot(1, 2), 1))
    for slot in (1, 2, 3):
        lab.engine.on_message(2, Accept(Ballot(1, 2), slot, VALUE, 0))
    lab.seat.take()
    lab.disk.sync()
    assert kinds(lab.seat.take()) == ["Promise", "Accepted", "Accepted", "Accepted"]


def test_what_repeats_a_durable_word_leaves_at_once() -> None:
    lab = Lab(3)
    lab.disk.is_quick = False
    lab.engine.on_message(2, Prepare(Ballot(1, 2), 1))
    lab.disk.sync()
    lab.seat.take()
    lab.engine.on_message(2, Prepare(Ballot(1, 2), 1))
    assert kinds(lab.seat.take()) == ["Promise"]


def test_what_repeats_a_word_that_is_not_durable_yet_waits_with_it() -> None:
    """The second Prepare changes nothing, and still its Promise speaks of a record that waits for the disk."""
    lab = Lab(3)
    lab.disk.is_quick = False
    for _ in range(2):
        lab.engine.on_message(2, Prepare(Ballot(1, 2), 1))
    assert not sent(lab.seat.take(), Promise)
    lab.disk.sync()
    assert len(sent(lab.seat.take(), Promise)) == 2


def test_heartbeats_and_refusals_never_wait_for_the_disk() -> None:
    lab = Lab(3)
    lab.disk.is_quick = False
    lab.engine.on_message(2, Prepare(Ballot(5, 2), 1))
    lab.seat.take()
    lab.engine.on_message(3, Heartbeat(NO_BALLOT, 0, 1, False))
    lab.engine.on_message(3, Prepare(Ballot(4, 3), 1))
    assert kinds(lab.seat.take()) == ["HeartbeatAck", "Rejected"]


def test_a_promise_told_in_an_ack_is_only_a_hint_and_needs_no_disk() -> None:
    """HeartbeatAck carries the promise as it stands in memory: nobody counts it as one."""
    lab = Lab(3)
    lab.disk.is_quick = False
    lab.engine.on_message(2, Prepare(Ballot(5, 2), 1))
    lab.engine.on_message(3, Heartbeat(NO_BALLOT, 0, 1, False))
    ((to, ack),) = sent(lab.seat.take(), HeartbeatAck)
    assert (to, ack.promised) == (3, Ballot(5, 2))


def test_the_role_is_told_before_anything_is_applied_in_the_same_step() -> None:
    """Who waits under a lost leadership is told so before a slot of the new one can be taken for an answer."""
    lab = Lab(3)
    accept = Accept(Ballot(1, 2), 1, VALUE, 0)
    lab.engine.on_message(2, accept)
    lab.settle()
    lab.now_s += 10
    lab.engine.on_timer()  # the leader is forgotten
    lab.wire.clear()
    lab.seat.take()
    lab.engine.on_message(2, Heartbeat(Ballot(1, 2), 1, 7, True))
    events = kinds(lab.seat.take())
    assert events.index("role") < events.index("applied")


def test_a_cluster_of_one_talks_to_itself_only() -> None:
    """Its promise and its vote travel like anybody's, each after the step before it was carried out whole."""
    lab = led(1)
    lab.disk.is_quick = False
    lab.engine.propose(VALUE)
    assert kinds(lab.seat.take()) == ["submit"]
    lab.disk.sync()
    _, (_, slot, replies) = lab.seat.take()
    assert (slot, replies[0][0]) == (lab.engine.machine.applied_slot, 0)


def test_replies_come_from_the_state_machine_slot_by_slot() -> None:
    lab = led(1)
    for _ in range(3):
        lab.engine.propose(encode_batch(0, [OPEN, OPEN]))
    lab.settle()
    applied = [event for event in lab.seat.take() if event[0] == "applied"]
    assert [slot for _, slot, _ in applied] == sorted(slot for _, slot, _ in applied)
    assert [[reply[3] for reply in replies] for _, _, replies in applied] == [[1, 2], [3, 4], [5, 6]]


def test_reads_are_answered_after_a_round_that_began_after_they_came() -> None:
    lab = led(3)
    lab.engine.read(77)
    assert "reads" not in kinds(lab.seat.take())
    lab.settle()
    assert ("reads", [77], []) in lab.seat.take()


def test_a_follower_behind_a_full_backlog_drops_accepts_and_still_answers_heartbeats() -> None:
    """P33: a stuck disk must not fill the memory; the leader repeats what was lost."""
    lab = Lab(3)
    lab.disk.backlog_bytes = BACKLOG_BYTES_MAX + 1
    lab.engine.on_message(2, Accept(Ballot(1, 2), 1, VALUE, 0))
    lab.engine.on_message(2, Heartbeat(Ballot(1, 2), 0, 1, True))
    events = kinds(lab.seat.take())
    assert "submit" not in events
    assert "HeartbeatAck" in events
    lab.disk.backlog_bytes = 0
    lab.engine.on_message(2, Accept(Ballot(1, 2), 1, VALUE, 0))
    assert "submit" in kinds(lab.seat.take())


def test_stepping_down_is_told_to_the_others_at_once() -> None:
    """A successor need not wait for our silence (P37)."""
    lab = led(3)
    lab.engine.step_down()
    beats = sent(lab.seat.take(), Heartbeat)
    assert {to for to, _ in beats} == {2, 3}
    assert {beat.ballot for _, beat in beats} == {NO_BALLOT}
    assert not lab.engine.leads


def test_slots_that_left_memory_are_asked_of_the_journal() -> None:
    lab = led(1)
    for _ in range(1100):
        lab.engine.propose(VALUE)
        lab.settle()
    lab.seat.take()
    lab.engine.on_message(1, CatchUp(1, 2000))
    ((_, load),) = [event for event in lab.seat.take() if event[0] == "load"]
    assert (load.to, load.from_slot, load.to_slot) == (1, 1, lab.engine.replica.log.commit_slot)
