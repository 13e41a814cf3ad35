"""Leases for reads: whatever would let a leader answer from the past (P24), told in stories.

The world itself watches that nobody leads while a leader of a lower ballot has a lease.
"""

from __future__ import annotations

from random import Random

import pytest

from paxoskv.paxos.effects import Effects
from paxoskv.paxos.lease import LeaseTerms
from paxoskv.paxos.messages import Accept, Accepted, Ask, Grant, Heartbeat, HeartbeatAck, Prepare, Promise
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.replica import Role
from paxoskv.paxos.timing import Timing
from tests.paxos.world import Cluster, Packet

TERMS = LeaseTerms(length_s=0.3, drift_max=0.0)


def led(lease: LeaseTerms = TERMS, **more: object) -> Cluster:
    """A cluster that node 1 leads with a lease."""
    c = Cluster(lease=lease, **more)  # type: ignore[arg-type]
    c.elect(1)
    assert c.has_lease(1)
    return c


def lose_touch(c: Cluster, node: int) -> None:
    """Let `node` not hear the leader for so long that the leader counts on it no more."""
    c.cut(1, node)
    c.tick(TERMS.length_s + 0.02)


def stand(c: Cluster, node: int) -> None:
    """Let `node` become a candidate, as if all had consented; its Prepare lies on the wire, and nothing else."""
    c.wire.clear()
    now, replica, out = c.local_s(node), c.replica(node), Effects()
    assert not replica._hold.is_on(now), f"node {node} must not promise itself anything"
    replica._become_candidate(now, out)
    c.carry_out(c.nodes[node], replica._finish(now, out))


def test_a_lease_lasts_as_long_as_heartbeats_come_back_and_no_longer() -> None:
    c = led()
    c.tick(5.0)
    assert c.has_lease(1)
    c.isolate(1)
    c.tick(TERMS.length_s + 0.01)
    assert not c.has_lease(1)


def test_a_lease_counts_from_when_its_round_was_sent_however_late_the_answer() -> None:
    """P24. The acknowledgements are under way for longer than the lease lasts; others could have been elected."""
    c = led()
    c.now += 0.06
    c.run_timers(late={2, 3})
    c.deliver(Heartbeat, frm=1)
    acks = c.take(HeartbeatAck, to=1)
    c.wire.clear()
    c.now += TERMS.length_s - 0.01
    late, later = acks
    c.hand(late)
    assert c.has_lease(1), "0.01 s are left of it"
    c.now += 0.02
    c.hand(later)
    assert not c.has_lease(1)


def test_who_acknowledged_a_leader_promises_nobody_else_until_the_lease_is_over() -> None:
    """P24. Node 3 does not hear the leader, and asks nobody for consent."""
    c = led()
    lose_touch(c, 3)
    c.isolate(1)
    stand(c, 3)
    again = c.on_wire(Prepare, to=2)
    c.deliver(Prepare, to=2)
    assert c.on_wire(Promise) == []
    assert c.has_lease(1)
    c.now += TERMS.length_s + 0.01
    c.put(again)
    c.deliver(Prepare, to=2)
    c.deliver(Promise, to=3)
    assert c.replica(3).role is Role.LEADER
    assert not c.has_lease(1)


def test_who_asked_for_what_was_promised_before_is_answered_again() -> None:
    """The first answer may be lost, and the promise is made: a hold takes nothing back."""
    c = Cluster(lease=TERMS)
    c.now += TERMS.length_s + 0.01
    stand(c, 3)
    c.duplicate(Prepare, to=2)
    first, second = c.take(Prepare, to=2)
    c.hand(first)
    assert len(c.take(Promise, to=3)) == 1
    c.restart(2)
    c.hand(second)
    assert len(c.take(Promise, to=3)) == 1


def test_a_restart_forgets_what_was_acknowledged_and_waits_as_long() -> None:
    """P24. Node 2 acknowledged, died and came back at once: the leader still counts on it."""
    c = led()
    lose_touch(c, 3)
    c.isolate(1)
    c.restart(2)
    stand(c, 3)
    again = c.on_wire(Prepare, to=2)
    c.deliver(Prepare, to=2)
    assert c.on_wire(Promise) == []
    assert c.has_lease(1)
    c.now += TERMS.length_s + 0.01
    c.put(again)
    c.deliver(Prepare, to=2)
    assert len(c.on_wire(Promise, to=3)) == 1


def test_nobody_consents_or_stands_while_a_leader_may_count_on_it() -> None:
    """Consent that cannot be followed by a promise only costs the candidate its time."""
    c = led()
    c.isolate(1)
    for node in (2, 3):  # the port of its process refuses: no need to wait for its silence, but for its lease
        c.carry_out(c.nodes[node], c.replica(node).on_peer_down(1, c.local_s(node)))
    c.tick(TERMS.length_s - 0.1)
    assert c.leaders() == [1]
    assert c.replica(2).role is c.replica(3).role is Role.FOLLOWER
    c.carry_out(c.nodes[2], c.replica(2).on_message(3, Ask(77), c.local_s(2)))
    assert c.on_wire(Grant) == []
    c.tick_until("the lease is over, and nobody waits for more", within_s=0.3, leader_in=[2, 3])


def test_who_hears_a_leader_after_all_does_not_stand_with_the_consent_it_has() -> None:
    """The heartbeat says that the leader is not connected: no reason to follow it, but it was acknowledged."""
    c = led()
    ballot = c.replica(1).ballot
    c.isolate(1)
    while not (grants := c.on_wire(Grant, to=3)):
        c.now += 0.01
        c.run_timers(late={2})
        for packet in list(c.wire):
            if packet.to in (2, 3) and isinstance(packet.message, Heartbeat | HeartbeatAck | Ask):
                c.wire.remove(packet)
                c.hand(packet)
    c.hand(Packet(1, 3, Heartbeat(ballot, 0, 99, connected=False)))
    for grant in grants:
        c.hand(grant)
    assert c.replica(3).role is Role.FOLLOWER


@pytest.mark.parametrize("how", ["steps down", "promised another", "hears its successor"])
def test_a_leadership_takes_its_lease_along(how: str) -> None:
    c = led()
    if how == "steps down":
        c.carry_out(c.nodes[1], c.replica(1).step_down(c.local_s(1)))
    elif how == "promised another":
        lose_touch(c, 3)
        c.heal()
        stand(c, 3)
        c.deliver(Prepare, to=1)
    else:
        c.isolate(1)
        c.tick_until("another leader", leader_in=[2, 3])
        c.heal()
        c.tick(0.2)
    assert not c.has_lease(1)


def test_an_acceptor_that_promised_another_grants_nothing() -> None:
    """Its acknowledgement tells of the promise, and deposes."""
    c = led()
    c.now += TERMS.length_s + 0.01
    stand(c, 3)
    c.deliver(Prepare, to=2)
    c.run_timers(late={2, 3})
    c.deliver(Heartbeat, frm=1, to=2)
    c.deliver(HeartbeatAck, to=1)
    assert not c.has_lease(1)


def test_no_lease_before_the_new_leader_has_finished_what_it_recovered() -> None:
    """P23 (1). Slot 2 was acknowledged by the dead leader; its successor has the value, and does not know yet."""
    c = led()
    slot = c.propose(1, b"acknowledged")
    c.deliver(Accept, to=2)
    c.deliver(Accepted, to=1)
    assert c.commit_slots()[1] == slot
    c.crash(1)
    c.now += TERMS.length_s + 0.01
    stand(c, 2)
    c.deliver(Prepare, to=3)
    c.deliver(Promise, to=2)
    c.deliver(Heartbeat, to=3)
    c.deliver(HeartbeatAck, to=2)
    assert c.replica(2).role is Role.LEADER
    assert not c.has_lease(2)
    c.settle()
    assert c.has_lease(2)


@pytest.mark.parametrize("phase2", [2, 3, 4])
def test_flexible_quorums_lose_a_lease_when_too_few_acknowledge(phase2: int) -> None:
    c = led(nodes=5, phase2=phase2)
    for node in range(2, 5 - phase2 + 2):
        c.cut(1, node)
    c.tick(TERMS.length_s)
    assert c.has_lease(1), f"{phase2} of 5 with itself are enough"
    c.cut(1, 5 - phase2 + 2)
    c.tick(TERMS.length_s + 0.01)
    assert not c.has_lease(1)


@pytest.mark.parametrize("rates", [{1: 0.8, 2: 1.2, 3: 1.2}, {1: 1.2, 2: 0.8, 3: 0.8}], ids=["slow", "fast"])
def test_clocks_at_their_bounds_let_nobody_lead_within_a_lease(rates: dict[int, float]) -> None:
    """P24. The leader's clock is as slow, and those of the others as fast, as has been agreed on."""
    c = led(LeaseTerms(0.4, 0.2), rates=rates)
    c.isolate(1)
    for node in (2, 3):
        c.carry_out(c.nodes[node], c.replica(node).on_peer_down(1, c.local_s(node)))
    c.tick_until("another leader", leader_in=[2, 3])


def test_a_clock_beyond_its_bound_is_seen() -> None:
    """What is promised is promised within the bound only; and the world that watches does see it broken."""
    c = led(LeaseTerms(0.4, 0.01), rates={1: 0.5, 2: 1.5, 3: 1.5})
    c.isolate(1)
    for node in (2, 3):
        c.carry_out(c.nodes[node], c.replica(node).on_peer_down(1, c.local_s(node)))
    with pytest.raises(AssertionError, match="leads while node 1 has a lease"):
        c.tick_until("another leader", leader_in=[2, 3])


@pytest.mark.parametrize("seed", range(10))
def test_a_dead_leader_is_followed_no_later_than_without_leases(seed: int) -> None:
    """A lease as long as the election timeout is over when the silence has become too long."""
    timing = Timing()
    c = led(LeaseTerms(timing.election_timeout_s, 0.01), seed=seed)
    c.crash(1)
    within_s = timing.election_timeout_s + timing.election_jitter_s + timing.heartbeat_s
    c.tick_until("a successor, after the patience that it has anyway", within_s=within_s, leader_in=[2, 3])


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_nobody_leads_within_a_lease_of_another(seed: int) -> None:
    """Cuts, deaths and restarts at random, with clocks at their bounds, some of them with hasty news of deaths."""
    rng = Random(seed)
    nodes = rng.choice((3, 5))
    drift = rng.choice((0.0, 0.1, 0.3))
    rates = {node: rng.choice((1 - drift, 1.0, 1 + drift)) for node in range(1, nodes + 1)}
    phase2 = rng.choice((None, Quorums.of(range(nodes)).phase2 + 1))
    c = Cluster(nodes, phase2=phase2, seed=seed, lease=LeaseTerms(rng.choice((0.2, 0.4)), drift), rates=rates)
    leased = 0
    for _ in range(100):
        node = rng.randrange(1, nodes + 1)
        match rng.randrange(6):
            case 0:
                c.isolate(node)
            case 1:
                c.heal()
            case 2:
                c.restart(node)
            case 3:
                c.cut_one_way(node, rng.randrange(1, nodes + 1))
            case 4:
                for other in c.nodes:
                    c.carry_out(c.nodes[other], c.replica(other).on_peer_down(node, c.local_s(other)))
            case _:
                c.heal()
        c.tick(rng.uniform(0.0, 0.5))
        leased += any(c.has_lease(one) for one in c.nodes)
    assert leased > 20
