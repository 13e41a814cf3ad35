"""What a follower may take for chosen, and how a laggard catches up (P14, P22, P33)."""

from __future__ import annotations

import pytest

from paxoskv.paxos import acceptor, learner, log
from paxoskv.paxos.ballot import NOOP
from paxoskv.paxos.messages import Accept, Accepted, CatchUp, Learn
from tests.paxos.world import Cluster


def stale_vote(c: Cluster) -> int:
    """Among five, node 2 alone votes for "stale" of leader 1; nodes 3, 4, 5 elect 3 and choose a no-op there."""
    c.elect(1)
    slot = c.propose(1, b"stale")
    c.deliver(Accept, to=2)
    c.wire.clear()
    c.crash(1)
    c.isolate(2)
    c.elect(3)
    assert c.nodes[2].journal.votes[slot].value == b"stale"
    return slot


def test_chosen_up_to_says_nothing_about_a_stale_vote() -> None:
    """P14. The leader's "chosen up to N" reaches node 2, whose vote in a slot below N is of another ballot."""
    c = Cluster(nodes=5)
    slot = stale_vote(c)
    c.heal()
    c.tick(0.5)
    assert c.chosen[slot] == NOOP
    assert c.commit_slots()[2] == c.commit_slots()[3]
    assert c.nodes[2].journal.votes[slot].value == NOOP


def test_a_stale_vote_waits_for_the_answer_that_names_the_value() -> None:
    """P14: as long as its questions are lost, node 2 stays below the slot."""
    c = Cluster(nodes=5)
    slot = stale_vote(c)
    c.heal()
    for _ in range(100):
        c.now += 0.01
        c.run_timers()
        while c.wire:
            packet = c.wire.pop(0)
            if not isinstance(packet.message, CatchUp):
                c.hand(packet)
    assert c.commit_slots()[2] == slot - 1
    c.tick(0.3)
    assert c.commit_slots()[2] == c.commit_slots()[3] >= slot


def test_a_laggard_catches_up_from_memory() -> None:
    c = Cluster()
    c.elect(1)
    c.isolate(3)
    c.write(1, *(f"v{n}".encode() for n in range(30)))
    c.heal()
    c.tick(0.5)
    assert c.commit_slots() == {1: 31, 2: 31, 3: 31}


def test_a_laggard_catches_up_from_the_journal_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """P22, P32: what left memory is read back, a bounded piece at a time."""
    monkeypatch.setattr(log, "TAIL_SLOTS", 4)
    monkeypatch.setattr(learner, "PART_BYTES_MAX", 8)
    c = Cluster()
    c.elect(1)
    c.isolate(3)
    c.write(1, *(f"v{n}".encode() for n in range(30)))
    assert len(c.replica(1).log.votes) == 4
    c.heal()
    c.tick(0.5)
    assert c.commit_slots() == {1: 31, 2: 31, 3: 31}


def test_a_laggard_is_taught_by_whoever_knows_when_there_is_no_leader() -> None:
    c = Cluster(nodes=5)
    c.elect(1)
    c.isolate(3)
    c.write(1, b"a", b"b")
    c.crash(1)
    c.keep_links((2, 3))
    c.tick(1.0)
    assert c.leaders() == []
    assert c.commit_slots()[3] == 3


def test_a_lost_answer_is_asked_for_again() -> None:
    c = Cluster()
    c.elect(1)
    c.isolate(3)
    c.write(1, b"a")
    c.heal()
    lost = 0
    for _ in range(100):
        c.now += 0.01
        c.run_timers()
        while c.wire:
            packet = c.wire.pop(0)
            if isinstance(packet.message, Learn) and lost < 2:
                lost += 1
            else:
                c.hand(packet)
    assert lost == 2
    assert c.commit_slots()[3] == 2


def test_late_accepts_change_no_slot_that_is_known_to_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """P14, P31. Node 5 learned from a follower that slot 2 holds a no-op, without ever promising the ballot it was
    chosen in. The slot has left its memory when an Accept of the deposed leader arrives, with another value: if that
    went to the journal, node 5 would teach it to laggards.
    """
    monkeypatch.setattr(log, "TAIL_SLOTS", 2)
    c = Cluster(nodes=5)
    c.elect(1)
    slot = c.propose(1, b"late")
    late = c.take(Accept, to=5)
    c.wire.clear()
    c.crash(1)
    c.keep_links((2, 3), (2, 4), (3, 4), (4, 5))
    c.elect(3)
    c.write(3, *(f"v{n}".encode() for n in range(8)))
    c.tick(0.5)
    assert c.commit_slots()[5] == c.commit_slots()[3]
    assert c.replica(5).promised < c.replica(3).ballot
    c.put(late)
    c.deliver(Accept, to=5)
    assert c.nodes[5].journal.votes[slot].value == NOOP
    c.start(1)
    c.keep_links((1, 5))
    c.tick(0.5)
    assert c.commit_slots()[1] == c.commit_slots()[5]


def test_a_leader_that_knows_less_gets_past_slots_that_others_know_to_be_chosen() -> None:
    """Node 3 knows slot 2 to be chosen and has nothing to write there; without its yes node 1 would wait for ever."""
    c = Cluster()
    c.elect(2)
    slot = c.propose(2, b"x")
    c.deliver(Accept)
    c.deliver(Accepted)
    c.settle()
    c.tick(0.1)
    c.hold_disk(1)
    c.restart(1)
    assert c.commit_slots()[1] < slot <= c.commit_slots()[3]
    c.crash(3)
    c.elect(1)
    c.crash(2)
    c.start(3)
    c.tick(0.5)
    c.tick_until("nodes 1 and 3 go on", leader_in=[1, 3])
    c.write(c.leaders()[0], b"y")
    assert list(c.chosen.values())[-1] == b"y"


def test_a_full_window_waits_and_lost_accepts_are_repeated() -> None:
    """P33: bounded in flight; and none is lost for good while a quorum is within reach."""
    c = Cluster(window=2)
    c.elect(1)
    c.propose(1, b"a")
    c.propose(1, b"b")
    c.drop(Accept)
    assert not c.replica(1).can_propose()
    c.tick(0.3)
    assert (c.chosen[2], c.chosen[3]) == (b"a", b"b")
    assert c.replica(1).can_propose()


def test_lost_votes_are_asked_for_again() -> None:
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"a")
    c.deliver(Accept)
    c.drop(Accepted)
    c.tick(0.3)
    assert c.commit_slots() == {1: slot, 2: slot, 3: slot}


def test_accepts_out_of_order_are_chosen_in_order() -> None:
    c = Cluster()
    c.elect(1)
    for value in (b"a", b"b", b"c"):
        c.propose(1, value)
    c.put(list(reversed(c.take(Accept))))
    c.settle()
    c.tick(0.1)
    assert [c.chosen[slot] for slot in (2, 3, 4)] == [b"a", b"b", b"c"]
    assert set(c.commit_slots().values()) == {4}


def test_a_peer_that_lost_unsynced_slots_does_not_hold_up_a_laggard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Node 2 once said it knew a slot, crashed, and knows it no more; node 1 does, and is the one to be asked."""
    monkeypatch.setattr(acceptor, "PART_VOTES_MAX", 1)
    c = Cluster()
    c.elect(1)
    c.isolate(3)
    c.hold_disk(2)
    c.write(1, b"a", b"b", b"c")
    c.sync(2)
    c.heal()
    c.cut_one_way(1, 3)
    c.cut_one_way(3, 2)
    c.tick(0.1)
    c.restart(2)
    c.heal()
    c.tick(0.6)
    assert len(set(c.commit_slots().values())) == 1
