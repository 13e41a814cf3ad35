"""What must survive a crash, and what happens if it does not (P1, P2, P3, P5)."""

from __future__ import annotations

import pytest

from paxoskv.paxos.ballot import NOOP
from paxoskv.paxos.messages import Accept, Accepted, Prepare, Promise
from paxoskv.paxos.replica import Role
from tests.paxos.world import Cluster


def promise_then_restart(c: Cluster) -> None:
    """Node 2 promises node 3, crashes, and gets a late Accept of the former leader."""
    c.elect(1)
    c.propose(1, b"late")
    c.campaign(3)
    c.deliver(Prepare, to=2)
    c.deliver(Promise)
    assert c.leaders() == [1, 3]
    c.restart(2)
    c.deliver(Accept, to=2, frm=1)
    c.settle()


def test_a_promise_survives_a_restart() -> None:
    """P1. If node 2 forgot, slot 2 would be chosen twice: "late" by nodes 1 and 2, a no-op by 3 and 2."""
    c = Cluster()
    promise_then_restart(c)
    assert c.leaders() == [3]
    assert c.chosen[2] == NOOP


def test_a_forgotten_promise_is_seen() -> None:
    """P3: the same story with an acceptor that lost its memory."""
    with pytest.raises(AssertionError, match="P2b: slot 2 is chosen"):
        promise_then_restart(Cluster(forgetful=True))


def vote_then_restart(c: Cluster) -> None:
    """A value is chosen by nodes 1 and 2; node 2 crashes, and elects node 3, which never heard of it."""
    c.elect(1)
    c.cut(1, 3)
    c.write(1, b"chosen")
    c.crash(1)
    c.restart(2)
    c.elect(3)


def test_a_vote_survives_a_restart() -> None:
    """P1. If node 2 forgot, node 3 would fill the chosen slot with a no-op."""
    c = Cluster()
    vote_then_restart(c)
    assert c.chosen[2] == b"chosen"
    assert c.commit_slots()[3] > 2


def test_a_forgotten_vote_is_seen() -> None:
    """P3: an acceptor that comes back empty must not vote; if it does, a chosen value is overwritten."""
    with pytest.raises(AssertionError, match=r"P2b|I1"):
        vote_then_restart(Cluster(forgetful=True))


def test_nothing_is_said_about_a_vote_that_is_not_durable() -> None:
    """P1: without the disk of node 2 there is no quorum, whatever it holds in memory."""
    c = Cluster()
    c.elect(1)
    c.crash(3)
    c.hold_disk(2)
    slot = c.propose(1, b"x")
    c.settle()
    assert slot not in c.chosen
    c.release_disk(2)
    c.settle()
    assert c.chosen[slot] == b"x"


def test_the_leaders_own_vote_counts_only_when_durable() -> None:
    """P1: one follower and a leader that could still forget are no quorum."""
    c = Cluster()
    c.elect(1)
    c.crash(3)
    c.hold_disk(1)
    slot = c.propose(1, b"x")
    c.settle()
    assert c.commit_slots()[1] == slot - 1
    c.release_disk(1)
    assert c.commit_slots()[1] == slot


def test_a_leader_may_commit_without_its_own_disk_and_recovers_what_it_lost() -> None:
    """Two followers are a quorum; the leader crashes without a record of a slot it had handed out as chosen."""
    c = Cluster()
    c.elect(1)
    c.hold_disk(1)
    slot = c.propose(1, b"x")
    c.settle()
    assert c.commit_slots()[1] == slot
    c.restart(1)
    assert c.commit_slots()[1] < slot
    c.elect(1)
    assert c.commit_slots()[1] > slot
    assert c.chosen[slot] == b"x"


def test_no_prepare_leaves_before_its_ballot_is_durable() -> None:
    """P2: a ballot lost in a crash may be used again, because nobody has ever heard of it."""
    c = Cluster()
    c.tick(0.02)
    c.hold_disk(3)
    c.campaign(3)
    assert not c.on_wire(Prepare)
    assert c.replica(3).promised.round == 1
    c.restart(3)
    assert c.replica(3).promised.round == 0
    c.elect(3)
    assert c.replica(3).ballot == (1, 3)


def test_a_ballot_whose_prepare_left_is_never_used_again() -> None:
    """P2: late promises of the earlier life would elect a leader that has not asked this time."""
    c = Cluster()
    c.campaign(3)
    first = c.replica(3).promised
    c.deliver(Prepare)
    late = c.take(Promise)
    c.restart(3)
    c.campaign(3)
    assert c.replica(3).promised > first
    c.put(late)
    c.deliver(Promise)
    assert c.replica(3).role is Role.CANDIDATE


def test_a_ballot_of_which_nobody_told_us_is_not_used_again_either() -> None:
    """P2. The Prepares of the former life are still under way: nobody but our own journal knows that they left."""
    c = Cluster()
    c.campaign(3)
    first = c.replica(3).promised
    late = c.take(Prepare, frm=3)
    c.restart(3)
    c.campaign(3)
    assert c.replica(3).promised > first
    c.drop(Prepare)
    c.put(late)
    c.settle()
    assert c.replica(3).role is not Role.LEADER, "by promises to its former life"


def test_every_try_has_a_ballot_of_its_own() -> None:
    """P2: also in one life, and if nobody answered the try before."""
    c = Cluster()
    ballots = []
    for _ in range(3):
        c.campaign(3)
        c.drop(Prepare)
        ballots.append(c.replica(3).promised)
    assert ballots == sorted(set(ballots))


@pytest.mark.parametrize("victim", [1, 2, 3])
@pytest.mark.parametrize("synced", range(4))
def test_a_crash_at_every_point_around_the_disk(victim: int, synced: int) -> None:
    """P1: `synced` of the victim's transactions are durable when it dies; no acknowledged write may be lost."""
    c = Cluster()
    c.elect(1)
    c.hold_disk(victim)
    for value in (b"a", b"b", b"c"):
        c.propose(1, value)
        c.settle()
    c.sync(victim, synced)
    c.settle()
    acknowledged = dict(c.chosen)
    c.restart(victim)
    c.elect(2)
    c.write(2, b"d")
    assert acknowledged.items() <= c.chosen.items()
    assert list(c.chosen.values())[-1] == b"d"
    assert len(set(c.commit_slots().values())) == 1


def test_everybody_crashes_at_once() -> None:
    c = Cluster()
    c.elect(1)
    c.write(1, b"a", b"b")
    c.propose(1, b"open")
    for node in c.nodes:
        c.crash(node)
    for node in c.nodes:
        c.start(node)
    c.tick_until("somebody leads", leader_in=[1, 2, 3])
    assert [c.chosen[slot] for slot in (2, 3, 4)] == [b"a", b"b", b"open"]


def damage(c: Cluster, node: int, slot: int) -> None:
    """The record of a vote turns out to be damaged at the node's next start."""
    c.crash(node)
    c.nodes[node].journal.damaged.add(slot)
    c.start(node)


def test_a_damaged_vote_is_not_an_absent_one() -> None:
    """P5. "x" is chosen by nodes 1 and 2. If node 2's damaged record passed for "no vote", 3 would write over it."""
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"x")
    c.deliver(Accept, to=2)
    c.take(Accept, to=3)
    c.deliver(Accepted)
    assert c.chosen[slot] == b"x"
    c.crash(1)
    damage(c, 2, slot)
    c.tick(2.0)
    assert c.leaders() == [], "nodes 2 and 3 together cannot know the slot"
    c.start(1)
    c.tick_until("with node 1 they can", leader_in=[1, 2, 3])
    c.tick(0.3)
    assert c.chosen[slot] == b"x"
    assert c.replica(2).log.faulty == []


def test_a_damaged_vote_takes_no_promise_with_it() -> None:
    """P5, P1a. Node 2 voted for node 3's value without having seen its Prepare; the record of that vote is damaged.

    If the promise stood in that record alone, a late Accept of node 1 would get node 2's vote in the same slot.
    """
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"late")
    late = c.take(Accept, to=2)
    c.wire.clear()
    c.crash(1)
    c.start(1)
    c.campaign(3)
    c.drop(Prepare, to=2)
    c.settle()
    voted_in = c.replica(3).ballot
    assert c.nodes[2].journal.votes[slot].ballot == voted_in, "by an Accept alone"
    damage(c, 2, slot)
    c.put(late)
    c.deliver(Accept, to=2, frm=1)
    assert c.replica(2).promised == voted_in
    assert slot not in c.replica(2).log.votes
