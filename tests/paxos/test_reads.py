"""Linearizable reads without writing: the five rules of P23, at the leader and at a follower."""

from __future__ import annotations

import pytest

from paxoskv.paxos.ballot import Ballot
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.messages import Envelope, HeartbeatAck, ReadAnswer, ReadAsk
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.reads import FollowerReads, LeaderReads

MINE = Ballot(3, 1)
BARRIER = 5


def leader_reads(nodes: int = 3) -> LeaderReads:
    return LeaderReads(1, MINE, Quorums.of(range(1, nodes + 1)), BARRIER)


def ack(number: int, ballot: Ballot = MINE, promised: Ballot = MINE) -> HeartbeatAck:
    return HeartbeatAck(ballot, number, promised)


def confirmed(reads: LeaderReads, commit_slot: int = 9) -> Effects:
    """The effects of finishing the round and releasing at `commit_slot`."""
    out = Effects()
    reads.finish_round(commit_slot, out)
    reads.release(commit_slot, out)
    return out


def test_a_read_waits_for_a_quorum_of_a_round_begun_after_it() -> None:
    reads = leader_reads()
    reads.add(1)
    assert reads.wants_round()
    reads.on_round(7, commit_slot=9)
    assert confirmed(reads) == Effects()
    reads.on_ack(2, ack(7))
    assert confirmed(reads) == Effects(reads_ready=[1])


def test_reads_that_arrive_during_a_round_wait_for_the_next_one() -> None:
    """P23 (2)."""
    reads = leader_reads()
    reads.add(1)
    reads.on_round(7, 9)
    reads.add(2)
    assert not reads.wants_round()
    reads.on_ack(2, ack(7))
    assert confirmed(reads).reads_ready == [1]
    assert reads.wants_round()
    reads.on_round(8, 9)
    reads.on_ack(2, ack(7))
    assert confirmed(reads) == Effects()
    reads.on_ack(3, ack(8))
    assert confirmed(reads).reads_ready == [2]


@pytest.mark.parametrize(
    "message",
    [ack(6), ack(7, ballot=Ballot(2, 1)), ack(7, ballot=Ballot(4, 1)), ack(7, promised=Ballot(4, 2))],
    ids=["earlier round", "earlier ballot", "later ballot", "promised another"],
)
def test_an_ack_that_does_not_confirm_this_leadership_is_not_counted(message: HeartbeatAck) -> None:
    """P23 (3), (4)."""
    reads = leader_reads()
    reads.add(1)
    reads.on_round(7, 9)
    reads.on_ack(2, message)
    assert confirmed(reads) == Effects()


def test_an_ack_of_a_later_round_confirms_as_well() -> None:
    """The round's own heartbeats may be lost; those after it began later still."""
    reads = leader_reads()
    reads.add(1)
    reads.on_round(7, 9)
    reads.on_ack(2, ack(8))
    assert confirmed(reads).reads_ready == [1]


def test_one_peer_counts_once() -> None:
    reads = leader_reads(nodes=5)
    reads.add(1)
    reads.on_round(7, 9)
    reads.on_ack(2, ack(7))
    reads.on_ack(2, ack(7))
    assert confirmed(reads) == Effects()


def test_no_read_before_the_barrier_of_the_leadership() -> None:
    """P23 (1): everything phase 1 recovered, and the leader's own no-op, come first."""
    reads = leader_reads()
    reads.add(1)
    reads.on_round(7, commit_slot=2)
    reads.on_ack(2, ack(7))
    assert confirmed(reads, BARRIER - 1) == Effects()
    assert confirmed(reads, BARRIER).reads_ready == [1]


def test_a_read_waits_for_the_slot_noted_when_its_round_began() -> None:
    """P23 (5)."""
    reads = leader_reads()
    reads.add(1)
    reads.on_round(7, commit_slot=8)
    reads.on_ack(2, ack(7))
    assert confirmed(reads, 7) == Effects()
    assert confirmed(reads, 8).reads_ready == [1]


def test_a_follower_is_told_the_slot_and_may_be_answered_before_we_reached_it() -> None:
    reads = leader_reads()
    reads.add_ask(3, 77)
    assert reads.wants_round()
    reads.on_round(7, 2)
    reads.on_ack(2, ack(7))
    assert confirmed(reads, 3) == Effects(send_now=[Envelope(3, ReadAnswer(77, MINE, BARRIER, 3))])


def test_a_lost_leadership_fails_every_read_whatever_it_waits_for() -> None:
    """P23 (4)."""
    reads = leader_reads()
    reads.add(1)
    reads.on_round(7, 9)
    reads.on_ack(2, ack(7))
    confirmed(reads, 1)
    reads.add(2)
    reads.on_round(8, 9)
    reads.add(3)
    out = Effects()
    reads.fail(out)
    assert sorted(out.reads_failed) == [1, 2, 3]


def test_a_follower_asks_once_for_all_that_waits() -> None:
    reads, out = FollowerReads(first_ask=40), Effects()
    reads.add(1)
    reads.add(2)
    reads.ask(3, 10.0, out)
    reads.add(4)
    reads.ask(3, 10.1, out)
    assert out == Effects(send_now=[Envelope(3, ReadAsk(41))])


def answered(reads: FollowerReads, ask: int, read_slot: int, commit_slot: int) -> Effects:
    out = Effects()
    reads.on_answer(ReadAnswer(ask, MINE, read_slot, read_slot))
    reads.release(commit_slot, out)
    return out


def test_a_follower_waits_until_it_has_the_slot() -> None:
    reads = FollowerReads(40)
    reads.add(1)
    reads.ask(3, 10.0, Effects())
    assert answered(reads, 41, read_slot=6, commit_slot=5) == Effects()
    out = Effects()
    reads.release(6, out)
    assert out == Effects(reads_ready=[1])


@pytest.mark.parametrize("ask", [40, 42, 0])
def test_an_answer_to_another_question_is_no_answer(ask: int) -> None:
    """P31: an answer from before a restart, or to a question given up, must not release a later read."""
    reads = FollowerReads(40)
    reads.add(1)
    reads.ask(3, 10.0, Effects())
    assert answered(reads, ask, 1, 9) == Effects()


def test_a_late_answer_does_not_release_reads_that_came_after_the_question() -> None:
    reads = FollowerReads(40)
    reads.add(1)
    reads.ask(3, 10.0, Effects())
    failed = Effects()
    reads.fail_overdue(10.0, failed)
    assert failed == Effects(reads_failed=[1])
    reads.add(2)
    assert answered(reads, 41, 1, 9) == Effects()
    reads.ask(3, 10.5, Effects())
    assert answered(reads, 41, 1, 9) == Effects()
    assert answered(reads, 42, 1, 9).reads_ready == [2]


def test_only_an_overdue_question_is_given_up_and_what_waits_may_be_asked_next() -> None:
    reads, out = FollowerReads(40), Effects()
    reads.add(1)
    reads.ask(3, 10.0, out)
    reads.add(2)
    reads.fail_overdue(9.9, out)
    assert out.reads_failed == []
    reads.fail_overdue(10.0, out)
    reads.ask(3, 10.5, out)
    assert out == Effects(send_now=[Envelope(3, ReadAsk(41)), Envelope(3, ReadAsk(42))], reads_failed=[1])


def test_a_read_is_given_up_by_a_node_that_does_not_catch_up() -> None:
    """P33: it would be held for as long as the node is behind, whoever has asked in the meantime."""
    reads, out = FollowerReads(40), Effects()
    reads.add(1)
    reads.ask(3, 10.0, Effects())
    assert answered(reads, 41, read_slot=6, commit_slot=5) == Effects()
    reads.fail_overdue(9.9, out)
    assert out.reads_failed == []
    reads.fail_overdue(10.0, out)
    reads.release(6, out)
    assert out == Effects(reads_failed=[1])


def test_a_change_of_leader_fails_everything_unanswered() -> None:
    reads, out = FollowerReads(40), Effects()
    reads.add(1)
    reads.ask(3, 10.0, Effects())
    answered(reads, 41, 9, 1)
    reads.add(2)
    reads.ask(3, 10.0, Effects())
    reads.add(3)
    reads.fail(out)
    assert sorted(out.reads_failed) == [1, 2, 3]
    assert answered(reads, 42, 1, 9) == Effects()
