"""Both sides of a lease, by themselves (P24): from when it counts, how long, and who has to grant it."""

from __future__ import annotations

import pytest

from paxoskv.paxos.ballot import Ballot
from paxoskv.paxos.lease import NO_LEASES, Hold, LeaderLease, LeaseTerms
from paxoskv.paxos.messages import HeartbeatAck
from paxoskv.paxos.quorum import Quorums

MINE = Ballot(3, 1)
BARRIER = 5
TERMS = LeaseTerms(length_s=0.4, drift_max=0.25)
LEADER_S = 0.24
"""0.4 s of a clock that is 25 % fast take 0.32 s; in them one that is 25 % slow counts 0.24 s."""


def lease(nodes: int = 3, phase2: int | None = None) -> LeaderLease:
    return LeaderLease(MINE, Quorums.of(range(1, nodes + 1), phase2), TERMS, BARRIER)


def ack(ballot: Ballot = MINE, promised: Ballot = MINE) -> HeartbeatAck:
    return HeartbeatAck(ballot, 7, promised)


def test_the_leader_counts_less_than_the_acceptors_by_the_errors_of_both_clocks() -> None:
    assert TERMS.leader_s == pytest.approx(LEADER_S)


def test_a_lease_counts_from_the_beginning_of_the_round_that_was_acknowledged() -> None:
    """The answer may have been under way for long, and says nothing about the time since it was given."""
    one = lease()
    assert not one.holds(BARRIER, 10.0)
    one.on_ack(2, ack(), 10.0)
    assert one.holds(BARRIER, 10.0 + LEADER_S - 0.001)
    assert not one.holds(BARRIER, 10.0 + LEADER_S + 0.001)


def test_a_late_acknowledgement_of_an_earlier_round_takes_nothing_away() -> None:
    one = lease()
    one.on_ack(2, ack(), 10.0)
    one.on_ack(2, ack(), 9.9)
    assert one.holds(BARRIER, 10.0 + LEADER_S - 0.001)


@pytest.mark.parametrize(
    ("message", "began_s"),
    [
        (ack(ballot=Ballot(2, 1)), 10.0),
        (ack(ballot=Ballot(4, 1)), 10.0),
        (ack(promised=Ballot(3, 2)), 10.0),
        (ack(), None),
    ],
    ids=["earlier ballot", "later ballot", "promised another", "unknown round"],
)
def test_an_acknowledgement_that_holds_nothing_for_us_is_not_counted(message: HeartbeatAck, began_s: float) -> None:
    one = lease()
    one.on_ack(2, message, began_s)
    assert not one.holds(BARRIER, 10.0)


@pytest.mark.parametrize(("phase2", "needed"), [(2, 1), (3, 2), (4, 3), (5, 4)])
def test_those_who_acknowledge_meet_every_quorum_that_could_elect_another(phase2: int, needed: int) -> None:
    """Flexible quorums: the lease lasts as long as the one of them that acknowledged the oldest round allows."""
    one = lease(5, phase2)
    for count, peer in enumerate(range(2, 2 + needed), 1):
        assert not one.holds(BARRIER, 10.0), f"{count} acknowledgements are too few"
        one.on_ack(peer, ack(), 10.0 + count)
        one.on_ack(peer, ack(), 10.0 + count)
    assert one.holds(BARRIER, 11.0 + LEADER_S - 0.001)
    assert not one.holds(BARRIER, 11.0 + LEADER_S + 0.001)


def test_more_acknowledgements_than_needed_leave_the_oldest_out() -> None:
    one = lease(5)
    for peer, began_s in ((2, 10.0), (3, 10.2), (4, 10.3)):
        one.on_ack(peer, ack(), began_s)
    assert one.holds(BARRIER, 10.2 + LEADER_S - 0.001)
    assert not one.holds(BARRIER, 10.2 + LEADER_S + 0.001)


@pytest.mark.parametrize(("nodes", "phase2"), [(1, 1), (3, 1)])
def test_a_leader_whose_own_vote_chooses_has_to_ask_nobody(nodes: int, phase2: int) -> None:
    """Whoever elects another needs every acceptor, and with the promise of its own its leadership is over."""
    assert lease(nodes, phase2).holds(BARRIER, 1e9)


def test_no_lease_before_the_barrier_of_the_leadership() -> None:
    """P23 (1): everything phase 1 recovered, and the leader's own no-op, come first."""
    one = lease()
    one.on_ack(2, ack(), 10.0)
    assert not one.holds(BARRIER - 1, 10.0)
    assert one.holds(BARRIER, 10.0)
    assert one.holds(BARRIER + 1, 10.0)


def test_an_acceptor_holds_back_after_it_began_and_after_every_acknowledgement() -> None:
    hold = Hold(TERMS, 10.0)
    assert hold.is_on(10.39)
    assert not hold.is_on(10.41)
    hold.on_acknowledged(11.0)
    assert hold.is_on(11.39)
    assert not hold.is_on(11.41)


def test_without_leases_nothing_is_held_back() -> None:
    hold = Hold(NO_LEASES, 10.0)
    assert not hold.is_on(10.0)
    hold.on_acknowledged(11.0)
    assert not hold.is_on(11.0)
