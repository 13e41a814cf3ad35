"""Leases: for a while nobody else can be chosen leader, so the leader answers reads without asking (P24).

An acceptor that acknowledges a heartbeat of a leader promises no higher ballot for `length_s` by its own clock, and
after a start for as long, since it has forgotten what it acknowledged. The leader counts from the moment it sent what a
phase-2 quorum acknowledged, and counts less, since its clock may be slow and an acceptor's fast.

Why that is enough. A read could be stale only if a value was chosen under a ballot above the leader's. Before that, a
phase-1 quorum promised that ballot, and one of them is in the quorum that acknowledged. It promised after its
acknowledgement, which otherwise would have told of the promise, hence after its hold, hence after the lease: the hold
began no earlier than the round. The leader's own acceptor needs no hold: its promise ends the leadership at once.
Values of lower ballots are behind the barrier of the leadership (P23). An Accept needs no hold, since its ballot has
the promises of a quorum already.

All of this holds as long as no clock runs faster or slower than `drift_max` allows, stands still or jumps ahead.
"""

from __future__ import annotations

from dataclasses import dataclass

from paxoskv.paxos.ballot import Ballot, NodeId, Slot
from paxoskv.paxos.messages import HeartbeatAck
from paxoskv.paxos.quorum import Quorums

_NEVER_S = float("-inf")


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """What all members of a cluster have agreed on.

    length_s:  how long an acceptor holds back its promise, by its own clock; 0 if there are no leases.
    drift_max: the rate of every clock is between 1 - drift_max and 1 + drift_max.
    """

    length_s: float
    drift_max: float

    @property
    def are_granted(self) -> bool:
        """Whether there are leases in this cluster at all."""
        return self.length_s > 0

    @property
    def leader_s(self) -> float:
        """How long a leader may count on it, by a clock that may be slow, when that of an acceptor may be fast."""
        return self.length_s * (1 - self.drift_max) / (1 + self.drift_max)


NO_LEASES = LeaseTerms(0.0, 0.0)


class Hold:
    """An acceptor's side: until when it promises nobody anything new, whoever asks."""

    def __init__(self, terms: LeaseTerms, now: float) -> None:
        """now: the process has begun; what it acknowledged in an earlier life it has forgotten (P24)."""
        self._length_s = terms.length_s
        self._until_s = now + self._length_s

    def on_acknowledged(self, now: float) -> None:
        """A leader whose ballot is not below our promise has our acknowledgement."""
        self._until_s = now + self._length_s

    def is_on(self, now: float) -> bool:
        """Whether a leader may count on us."""
        return now < self._until_s


class LeaderLease:
    """A leader's side, for one leadership: it dies with it."""

    def __init__(self, ballot: Ballot, quorums: Quorums, terms: LeaseTerms, barrier_slot: Slot) -> None:
        self._ballot = ballot
        self._barrier_slot = barrier_slot
        self._peers = quorums.phase2 - 1
        self._leader_s = terms.leader_s
        self._began_s: dict[NodeId, float] = {}
        self._until_s = _NEVER_S if self._peers else float("inf")

    def on_ack(self, sender: NodeId, msg: HeartbeatAck, began_s: float | None) -> None:
        """Take the acknowledgement of a round that began at began_s, None if that is too long ago to be known.

        Every phase-2 quorum meets every phase-1 quorum, and we are one of its members.
        """
        if began_s is None or msg.ballot != self._ballot or msg.promised > self._ballot:
            return
        self._began_s[sender] = max(began_s, self._began_s.get(sender, _NEVER_S))
        if len(self._began_s) >= self._peers > 0:
            latest_s = sorted(self._began_s.values(), reverse=True)
            self._until_s = latest_s[self._peers - 1] + self._leader_s

    def holds(self, commit_slot: Slot, now: float) -> bool:
        """Whether we know what lower ballots have chosen (P23), and nobody else can have been chosen leader yet."""
        return commit_slot >= self._barrier_slot and now < self._until_s
