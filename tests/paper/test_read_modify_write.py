"""One test for every claim of the text that reads Paxos as a read-modify-write, quoted on top."""

from __future__ import annotations

from itertools import pairwise

import pytest

from paxoskv.paxos.ballot import NO_BALLOT, NOOP, Ballot
from paxoskv.paxos.messages import Accept, Accepted, Prepare, Promise, Rejected
from paxoskv.paxos.quorum import QuorumError, Quorums
from paxoskv.paxos.replica import Role
from tests.paxos.world import Cluster


def test_terms_are_totally_ordered() -> None:
    """ "Their own proposals are totally ordered locally ... If we impose a "hard-coded" ordering between Proposers, we
    get a total ordering of all proposals." """
    order = [NO_BALLOT, Ballot(1, 1), Ballot(1, 2), Ballot(1, 3), Ballot(2, 1), Ballot(10, 1)]
    assert sorted(set(order)) == order
    assert all(low < high for low, high in pairwise(order))


def test_whoever_proposes_with_a_term_is_the_leader_of_that_term() -> None:
    """ "Whenever a Proposer proposes with a term number ... it is the leader for that term." """
    c = Cluster()
    seen = set()
    for node in (1, 2, 3, 2):
        c.elect(node)
        assert c.replica(node).ballot.node == node
        seen.add(c.replica(node).ballot)
    assert len(seen) == 4


def test_a_stable_leader_needs_one_round_trip() -> None:
    """ "The benefit of a stable leader is that you only need one round-trip to get consensus." """
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"x")
    assert {type(packet.message) for packet in c.wire} == {Accept}
    c.deliver(Accept)
    assert {type(packet.message) for packet in c.wire} == {Accepted}
    c.deliver(Accepted)
    assert c.commit_slots()[1] == slot


@pytest.mark.parametrize("down", [(), (1,), (2, 4)])
def test_f_of_2f_plus_1_hosts_may_fail(down: tuple[int, ...]) -> None:
    """ "consensus among 2F+1 hosts, that can tolerate at most F failures" """
    c = Cluster(nodes=5)
    for node in down:
        c.crash(node)
    c.tick_until("a leader", leader_in=list(c.nodes))
    c.write(c.leaders()[0], b"x")
    assert b"x" in c.chosen.values()


def test_one_failure_more_stops_and_loses_nothing() -> None:
    """ "Liveness - some value will eventually be chosen as long as majority of the hosts are available." """
    c = Cluster()
    c.elect(1)
    c.write(1, b"before")
    c.crash(2)
    c.crash(3)
    c.tick(2.0)
    assert c.leaders() == []
    c.start(2)
    c.tick_until("a majority is back", leader_in=[1, 2])
    c.write(c.leaders()[0], b"after")
    assert [value for value in c.chosen.values() if value] == [b"before", b"after"]


def test_invariant_1_an_acceptor_accepts_from_the_latest_leader_only() -> None:
    """ "Invariant(1): The Acceptor should only accept value from the latest leader." """
    c = Cluster()
    c.elect(1)
    c.campaign(3)
    c.deliver(Prepare, to=2)
    slot = c.propose(1, b"previous leader's")
    c.deliver(Accept, to=2)
    assert slot not in c.replica(2).log.votes
    assert [packet.to for packet in c.on_wire(Rejected)] == [1]


def test_invariant_2_a_later_term_proposes_the_chosen_value() -> None:
    """ "Invariant(2): if a value X is chosen at term N, any proposal with term >= N must be with value X." """
    c = Cluster(nodes=5)
    c.elect(1)
    slot = c.propose(1, b"X")
    for node in (2, 3):
        c.deliver(Accept, to=node)
    c.wire.clear()
    assert c.chosen[slot] == b"X"
    for leader, absent in ((4, 2), (5, 3), (2, 4)):
        c.crash(absent)
        c.elect(leader)
        c.start(absent)
        c.tick(0.2)
        vote = c.nodes[leader].journal.votes[slot]
        assert vote.value == b"X"
    assert c.chosen[slot] == b"X"


def test_read_modify_write() -> None:
    """ "Read potential chosen value from Acceptors. Modify the proposal to be the same value ... Write/Propose" """
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"potential")
    c.deliver(Accept, to=2)
    c.wire.clear()
    c.crash(1)
    c.campaign(3)
    c.deliver(Prepare, to=2)
    [read] = c.on_wire(Promise, to=3)
    assert isinstance(read.message, Promise)
    assert dict(read.message.votes)[slot].value == b"potential"
    c.deliver(Promise, to=3)
    written = [packet.message for packet in c.on_wire(Accept, to=2)]
    assert Accept(c.replica(3).ballot, slot, b"potential", slot - 1) in written


def test_the_read_modify_write_race_is_detected_at_write_time() -> None:
    """ "p0 read ... p1 read ... p0 propose v0 and got accepted by majority; p1 propose v1 and got accepted by majority
    (This violates the Safety guarantee!)": p1's read raised the term, so p0's write fails.
    """
    c = Cluster()
    c.campaign(1)
    c.deliver(Prepare, to=2)
    c.deliver(Promise, to=1)
    assert c.replica(1).role is Role.LEADER
    lost = c.replica(1).ballot
    p0 = c.take(Accept, to=2)
    c.wire.clear()
    c.campaign(3)
    c.deliver(Prepare, to=2)
    c.deliver(Promise, to=3)
    assert c.replica(3).role is Role.LEADER
    c.put(p0)
    c.deliver(Accept, to=2, frm=1)
    assert not c.on_wire(Accepted, to=1)
    won = c.replica(3).ballot
    assert [packet.message for packet in c.on_wire(Rejected, to=1)] == [Rejected(lost, won)]
    c.settle()
    assert c.chosen == {1: NOOP}
    assert c.oracle.first_ballot[1] == won


def test_the_write_before_the_other_read_is_found_by_it() -> None:
    """The other order of the race: p0's write came first, so p1 reads it and proposes nothing else."""
    c = Cluster()
    c.elect(1)
    slot = c.propose(1, b"v0")
    c.deliver(Accept, to=2)
    c.wire.clear()
    c.campaign(3)
    c.settle()
    assert c.chosen[slot] == b"v0"


def test_one_number_finds_values_in_phase_1_and_detects_races_in_phase_2() -> None:
    """ "A single term/ballot number is used for dual purposes" """
    c = Cluster()
    c.elect(1)
    c.campaign(3)
    c.deliver(Prepare, to=2)
    ballot = c.replica(3).promised
    assert c.replica(2).promised == ballot
    [packet] = c.on_wire(Promise, to=3)
    assert isinstance(packet.message, Promise)
    assert packet.message.ballot == ballot


def test_a_term_may_have_no_value() -> None:
    """ "for some term, there might not be an accepted value associated" """
    c = Cluster()
    for node in (1, 2, 3):
        c.campaign(node)
        c.drop(Prepare)
    c.tick_until("a later term has one", leader_in=[1, 2, 3])
    assert c.chosen == {1: NOOP}
    assert c.oracle.first_ballot[1].round > 1


def test_flexible_paxos_only_phase_1_and_phase_2_have_to_intersect() -> None:
    """ "we only need quorum of phase 1 and quorum of phase 2 to intersect for Paxos correctness" """
    assert Quorums((1, 2, 3, 4), 3, 2).phase2 == 2
    with pytest.raises(QuorumError):
        Quorums((1, 2, 3, 4), 2, 2)
    c = Cluster(nodes=4, phase2=2)
    c.elect(1)
    slot = c.propose(1, b"by two of four")
    c.deliver(Accept, to=2)
    c.deliver(Accepted)
    assert c.chosen[slot] == b"by two of four"
    c.crash(1)
    c.elect(4)
    assert c.chosen[slot] == b"by two of four"


@pytest.mark.parametrize("seed", range(10))
def test_two_proposers_do_not_contend_for_ever(seed: int) -> None:
    """ "two Proposers, each talking to F disjoint hosts ... and contending on the single overlapping host": random
    waits end it."""
    c = Cluster(nodes=5, seed=seed)
    c.keep_links((1, 2), (1, 3), (2, 3), (3, 4), (3, 5), (4, 5))
    c.tick_until("one of them wins", leader_in=list(c.nodes), within_s=4.0)
    ballots = c.oracle.ballots_used
    assert ballots <= 6
    c.tick(5.0)
    assert c.oracle.ballots_used == ballots
