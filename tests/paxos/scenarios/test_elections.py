"""Who leads when links, disks or processes fail, and how soon (P18 to P21). Times in election timeouts."""

from __future__ import annotations

import pytest

from paxoskv.paxos.ballot import Ballot
from paxoskv.paxos.log import SLOT_AHEAD_MAX
from paxoskv.paxos.messages import Accept, Ask, Prepare, Promise
from paxoskv.paxos.plausibility import Implausible
from paxoskv.paxos.replica import Role
from tests.paxos.world import TIMEOUT_S, Cluster, Packet

SEEDS = range(1, 9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("nodes", [1, 3, 5])
def test_a_fresh_cluster_finds_a_leader_and_keeps_it(nodes: int, seed: int) -> None:
    """P19: everybody starts at once."""
    c = Cluster(nodes, seed=seed)
    c.tick_until("a first leader", leader_in=list(c.nodes))
    leaders, ballots = c.leaders(), c.oracle.ballots_used
    assert ballots <= 3
    c.tick(5.0)
    assert c.leaders() == leaders
    assert c.oracle.ballots_used == ballots


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dead_leader_is_replaced(seed: int) -> None:
    c = Cluster(seed=seed)
    c.elect(1)
    c.crash(1)
    c.tick_until("a successor", leader_in=[2, 3])
    assert c.oracle.ballots_used <= 4


def test_duelling_candidates_come_to_an_end() -> None:
    """P19: both hold consent, and each outbids the other once; random waits let one of them win."""
    c = Cluster()
    c.campaign(1)
    first = c.take(Prepare, frm=1)
    c.campaign(3)
    c.put(first)
    c.deliver(Prepare, to=2)
    c.tick_until("one of them leads", leader_in=[1, 2, 3])
    ballots = c.oracle.ballots_used
    c.tick(2.0)
    assert len(c.leaders()) == 1
    assert c.oracle.ballots_used == ballots


def test_without_a_quorum_nobody_raises_a_ballot() -> None:
    """P19, P21: a minority asks, is not granted, and disturbs nobody when it comes back."""
    c = Cluster(nodes=5)
    c.elect(1)
    c.keep_links((1, 2), (1, 3), (2, 3), (4, 5))
    ballots = c.oracle.ballots_used
    c.tick(5.0)
    c.heal()
    c.tick(2.0)
    assert c.leaders() == [1]
    assert c.oracle.ballots_used == ballots


def test_quorum_loss() -> None:
    """P20 (a). Leader 3 is cut from all but node 1, which is the only one that still reaches a quorum.

    Node 1 hears the leader, so it must not wait for it: a leader that says it reaches no quorum is none.
    """
    c = Cluster(nodes=5)
    c.elect(3)
    c.write(3, b"before")
    c.keep_links((1, 2), (1, 3), (1, 4), (1, 5))
    c.tick_until("node 1 leads", leader=1)
    c.write(1, b"after")
    assert c.leaders() == [1]
    assert list(c.chosen.values())[-1] == b"after"


def test_constrained_election() -> None:
    """P20 (b). Only node 1 reaches a quorum, and it has missed everything: it must be able to lead all the same."""
    c = Cluster(nodes=5)
    c.elect(3)
    c.isolate(1)
    c.write(3, *(f"v{n}".encode() for n in range(20)))
    c.keep_links((1, 2), (1, 4), (1, 5))
    c.tick_until("node 1 leads", leader=1, within_s=4 * TIMEOUT_S + 0.1)
    assert c.commit_slots()[1] >= 21


def test_chained() -> None:
    """P20 (c). Nodes 2 and 3 are cut, both see node 1: no endless exchange of ballots, and the leader stays."""
    c = Cluster()
    c.elect(2)
    ballots = c.oracle.ballots_used
    c.cut(2, 3)
    c.tick(10.0)
    assert c.leaders() == [2]
    assert c.oracle.ballots_used == ballots


@pytest.mark.parametrize("leader", [1, 2, 3])
def test_a_chain_of_three_serves_whoever_leads(leader: int) -> None:
    c = Cluster()
    c.elect(leader)
    c.cut(2, 3)
    c.tick(4 * TIMEOUT_S)
    [leader_now] = c.leaders()
    c.write(leader_now, b"x")
    assert b"x" in c.chosen.values()


@pytest.mark.parametrize(("frm", "to"), [(1, 3), (3, 1), (2, 3), (3, 2)])
def test_one_link_that_works_one_way_deposes_nobody(frm: int, to: int) -> None:
    """P21: round trips count, so node 3 neither stands without consent nor gets it from those who hear the leader."""
    c = Cluster()
    c.elect(1)
    ballots = c.oracle.ballots_used
    c.cut_one_way(frm, to)
    c.tick(10.0)
    assert c.leaders() == [1]
    assert c.oracle.ballots_used == ballots
    c.write(1, b"x")
    assert b"x" in c.chosen.values()


@pytest.mark.parametrize("deaf", [True, False])
def test_a_node_that_only_sends_or_only_hears_deposes_nobody(deaf: bool) -> None:
    """P21: all links of node 3 work one way."""
    c = Cluster()
    c.elect(1)
    ballots = c.oracle.ballots_used
    for other in (1, 2):
        c.cut_one_way(*((other, 3) if deaf else (3, other)))
    c.tick(10.0)
    assert c.leaders() == [1]
    assert c.oracle.ballots_used == ballots


@pytest.mark.parametrize("deaf", [True, False])
def test_a_leader_that_only_sends_or_only_hears_is_replaced(deaf: bool) -> None:
    """P21: its heartbeats may still arrive, but they say that no round trip completes."""
    c = Cluster()
    c.elect(1)
    for other in (2, 3):
        c.cut_one_way(*((other, 1) if deaf else (1, other)))
    c.tick_until("a successor", leader_in=[2, 3])
    assert 1 not in c.leaders()


def test_with_a_large_phase_2_quorum_a_node_on_the_edge_wins_nothing_it_could_not_keep() -> None:
    """Five nodes, two to elect, four to choose. Node 5 reaches node 4 alone: it must not outbid the rest."""
    c = Cluster(nodes=5, phase2=4)
    for other in (1, 2, 3):
        c.cut(other, 5)
    c.tick_until("a leader of four", leader_in=[1, 2, 3, 4], within_s=4.0)
    c.crash(4)
    c.tick(2.0)
    assert c.leaders() == [], "three cannot choose"
    used = c.oracle.ballots_used
    c.tick(5.0)
    assert c.oracle.ballots_used == used


def test_a_leader_with_a_stuck_disk_gives_up() -> None:
    """P18: it answers heartbeats, so the others would follow it for ever, each write waiting for nothing."""
    c = Cluster()
    c.elect(1)
    c.hold_disk(1)
    c.propose(1, b"x")
    c.tick_until("a leader with a disk", leader_in=[2, 3])
    assert 1 not in c.leaders()
    assert b"x" in c.chosen.values()
    c.tick(3.0)
    ballots = c.oracle.ballots_used
    c.release_disk(1)
    c.tick(2.0)
    assert c.oracle.ballots_used == ballots, "its disk is back, and it disturbs nobody"
    c.write(c.leaders()[0], b"y")
    assert len(set(c.commit_slots().values())) == 1


def test_a_follower_with_a_stuck_disk_hinders_nobody() -> None:
    c = Cluster()
    c.elect(1)
    c.hold_disk(2)
    c.write(1, b"x")
    c.tick(2.0)
    assert c.leaders() == [1]
    assert c.chosen[2] == b"x"


def test_a_paused_leader_wakes_up_deposed() -> None:
    """R6: while it stood still another was elected; nothing it still believes may reach the log."""
    c = Cluster()
    c.elect(1)
    c.pause(1)
    c.tick_until("a successor", leader_in=[2, 3])
    [successor] = [leader for leader in c.leaders() if leader != 1]
    c.write(successor, b"new")
    c.now += 30.0
    c.resume(1)
    assert c.replica(1).role is Role.LEADER
    slot = c.propose(1, b"old")
    c.settle()
    assert c.chosen[slot] != b"old"
    assert c.replica(1).role is Role.FOLLOWER
    c.tick(2.0)
    assert len(c.leaders()) == 1
    assert b"old" not in c.chosen.values()


def test_a_leader_that_steps_down_is_replaced_without_waiting_for_its_silence() -> None:
    c = Cluster()
    c.elect(1)
    c.carry_out(c.nodes[1], c.replica(1).step_down(c.now))
    c.tick_until("a successor", leader_in=[1, 2, 3], within_s=TIMEOUT_S)


def test_a_leader_whose_process_is_gone_is_replaced_without_waiting_for_its_silence() -> None:
    c = Cluster()
    c.elect(1)
    c.crash(1)
    for node in (2, 3):
        c.carry_out(c.nodes[node], c.replica(node).on_peer_down(1, c.now))
    c.tick_until("a successor", leader_in=[2, 3], within_s=TIMEOUT_S)


def test_a_lost_question_for_consent_is_asked_again() -> None:
    c = Cluster()
    c.tick(0.04)
    lost = 0
    while lost < 6:
        c.now += 0.01
        c.run_timers()
        while c.wire:
            packet = c.wire.pop(0)
            if isinstance(packet.message, Ask):
                lost += 1
            else:
                c.hand(packet)
    c.tick_until("a leader", leader_in=[1, 2, 3])


@pytest.mark.parametrize("kind", [Prepare, Promise])
def test_a_lost_phase_1_is_begun_again(kind: type[Prepare] | type[Promise]) -> None:
    c = Cluster()
    c.campaign(3)
    if kind is Promise:
        c.deliver(Prepare)
    c.drop(kind)
    c.tick_until("a leader", leader_in=[1, 2, 3])


def test_a_failed_candidate_with_a_high_promise_is_taken_along() -> None:
    """Node 3 promised itself a ballot nobody else heard of; the leader must learn of it, or 3 could not follow."""
    c = Cluster()
    c.elect(1)
    c.campaign(3)
    c.drop(Prepare)
    c.tick_until("a leader above node 3's ballot", leader_in=[1, 2, 3])
    c.tick(1.0)
    [leader] = c.leaders()
    c.write(leader, b"x")
    assert len(set(c.commit_slots().values())) == 1


def test_flexible_quorums_go_on_with_two_and_elect_with_four() -> None:
    """The first seed's remark: only phase 1 and phase 2 have to meet."""
    c = Cluster(nodes=5, phase2=2)
    c.elect(1)
    for node in (3, 4, 5):
        c.crash(node)
    c.write(1, b"by two")
    assert c.chosen[2] == b"by two"
    c.crash(1)
    c.start(3)
    c.start(4)
    c.tick(3.0)
    assert c.leaders() == [], "three might miss what two have chosen"
    c.start(5)
    c.tick_until("four elect", leader_in=[2, 3, 4, 5], within_s=3.0)
    c.tick(0.5)
    assert c.chosen[2] == b"by two"
    assert c.commit_slots()[5] >= 2


@pytest.mark.parametrize(
    "message", [Prepare(Ballot(1 << 63, 2), 1), Accept(Ballot(1 << 63, 2), 1, b"x", 0), Prepare(Ballot(9, 3), 1)]
)
def test_an_absurd_ballot_bricks_nothing(message: Prepare | Accept) -> None:
    """H14: a promise of the highest number of all could never be outbid."""
    c = Cluster()
    c.elect(1)
    with pytest.raises(Implausible):
        c.hand(Packet(2, 3, message))
    c.elect(3)
    c.write(3, b"x")
    assert len(set(c.commit_slots().values())) == 1


@pytest.mark.parametrize("slot", [3 + SLOT_AHEAD_MAX, (1 << 63) - 1])
def test_an_absurd_slot_leaves_no_gap_to_fill(slot: int) -> None:
    """H14: the next leader would have to fill every slot up to it."""
    c = Cluster()
    c.elect(1)
    c.hand(Packet(1, 2, Accept(c.replica(1).ballot, slot, b"x", 1)))
    c.settle()
    c.elect(2)
    assert c.replica(2).next_slot == 3
