"""The leader: phase 2 over a window of slots; who counts, and what is repeated."""

from __future__ import annotations

import pytest

from paxoskv.paxos import log as log_module
from paxoskv.paxos.ballot import NOOP, Ballot, Vote
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.leader import Leader
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Accept, Accepted, Envelope
from paxoskv.paxos.quorum import Quorums

MINE, OTHER = Ballot(5, 1), Ballot(4, 2)


class Stage:
    """A leader with its log; own votes are recorded at once, as the acceptor does."""

    def __init__(self, recovered: list[bytes] | None = None, *, window: int = 3, commit_slot: int = 0) -> None:
        self.log = Log(commit_slot)
        self.leader = Leader(MINE, (2, 3), Quorums.of([1, 2, 3]), window, self.log, recovered or [])
        self.out = Effects()
        self.now = 10.0

    def vote(self, accept: Accept) -> None:
        self.log.record(accept.slot, Vote(accept.ballot, accept.value))

    def pump(self) -> list[int]:
        """Propose what phase 1 found; return the slots."""
        accepts = []
        for accept in self.leader.propose_recovered(self.now, self.out):
            self.vote(accept)
            accepts.append(accept.slot)
        return accepts

    def propose(self, value: bytes) -> int:
        accept = self.leader.propose(value, self.now, self.out)
        self.vote(accept)
        return accept.slot

    def accepted(self, *voters: int, slot: int, ballot: Ballot = MINE) -> bool:
        return [self.leader.on_accepted(voter, Accepted(ballot, slot)) for voter in voters][-1]

    def choose(self) -> list[int]:
        slots = []
        while self.leader.take_chosen():
            slots.append(self.log.choose()[0])
        return slots


def test_recovered_values_come_first_and_a_noop_opens_the_leadership() -> None:
    stage = Stage([b"a", b"b"], commit_slot=6)
    assert stage.pump() == [7, 8, 9]
    accepts = [envelope.message for envelope in stage.out.send_now if envelope.to == 2]
    assert accepts == [Accept(MINE, 7, b"a", 6), Accept(MINE, 8, b"b", 6), Accept(MINE, 9, NOOP, 6)]
    assert stage.leader.barrier_slot == 9
    assert stage.leader.next_slot == 10


def test_recovery_respects_the_window_and_blocks_new_values_until_it_is_through() -> None:
    stage = Stage([b"a", b"b", b"c"], window=2)
    assert stage.pump() == [1, 2]
    assert not stage.leader.has_room()
    stage.accepted(1, 2, slot=1)
    stage.choose()
    assert stage.pump() == [3]
    assert not stage.leader.has_room()


def test_the_window_bounds_the_slots_in_flight() -> None:
    """P33; slots chosen out of order still occupy it."""
    stage = Stage(window=3)
    stage.pump()
    stage.propose(b"x")
    stage.propose(b"y")
    assert not stage.leader.has_room()
    stage.accepted(1, 2, slot=2)
    assert stage.choose() == []
    assert not stage.leader.has_room()
    stage.accepted(1, 2, slot=1)
    assert stage.choose() == [1, 2]
    assert stage.leader.has_room()


def test_no_proposal_that_our_own_acceptor_could_not_vote_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "OPEN_BYTES_MAX", 2)
    stage = Stage()
    stage.pump()
    stage.propose(b"large")
    assert not stage.leader.has_room()


def test_a_fresh_leader_never_rewrites_a_slot_it_voted_in() -> None:
    """Phase 1 must have reported at least our own votes: without that, chosen slots would be written over."""
    log = Log(0, {1: Vote(OTHER, b"a"), 2: Vote(OTHER, b"b")})
    with pytest.raises(AssertionError, match="would rewrite slot 2"):
        Leader(MINE, (2, 3), Quorums.of([1, 2, 3]), 3, log, [b"a"])


def test_a_quorum_of_distinct_voters_chooses() -> None:
    """P11."""
    stage = Stage()
    stage.pump()
    assert not stage.accepted(2, slot=1)
    assert not stage.accepted(2, 2, slot=1)
    assert stage.accepted(3, slot=1)
    assert stage.choose() == [1]


def test_our_own_vote_counts_like_any_other_when_it_is_durable() -> None:
    """P1: not at the time of the proposal, only when our own Accepted comes back."""
    stage = Stage()
    stage.pump()
    assert not stage.accepted(2, slot=1)
    assert stage.accepted(1, slot=1)


@pytest.mark.parametrize("ballot", [OTHER, Ballot(6, 1), Ballot(5, 2)])
def test_a_vote_of_another_ballot_does_not_count(ballot: Ballot) -> None:
    """P11."""
    stage = Stage()
    stage.pump()
    stage.accepted(1, slot=1)
    assert not stage.accepted(2, slot=1, ballot=ballot)
    assert stage.choose() == []


def test_votes_in_slots_that_are_not_in_flight_mean_nothing() -> None:
    """P31: a duplicate of a slot long chosen, or a number from nowhere."""
    stage = Stage()
    stage.pump()
    stage.accepted(1, 2, slot=1)
    stage.choose()
    assert not stage.accepted(2, 3, slot=1)
    assert not stage.accepted(2, 3, slot=99)
    assert stage.choose() == []


def test_slots_are_chosen_in_order() -> None:
    stage = Stage()
    stage.pump()
    stage.propose(b"x")
    assert not stage.accepted(1, 2, slot=2)
    assert stage.choose() == []
    assert stage.accepted(1, 3, slot=1)
    assert stage.choose() == [1, 2]


def test_only_what_is_overdue_is_repeated_and_only_to_those_who_did_not_vote() -> None:
    stage = Stage()
    stage.pump()
    stage.now = 10.5
    stage.propose(b"late")
    stage.accepted(2, slot=1)
    out = Effects()
    stage.leader.repeat([2, 3], before_s=10.3, now=10.6, out=out)
    assert out == Effects(send_now=[Envelope(3, Accept(MINE, 1, NOOP, 0))])
    again = Effects()
    stage.leader.repeat([2, 3], before_s=10.4, now=10.7, out=again)
    assert again == Effects()


def test_nothing_is_repeated_to_a_peer_out_of_reach() -> None:
    stage = Stage()
    stage.pump()
    out = Effects()
    stage.leader.repeat([3], before_s=11.0, now=11.0, out=out)
    assert [envelope.to for envelope in out.send_now] == [3]
