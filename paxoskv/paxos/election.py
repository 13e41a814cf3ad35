"""Who may try: standing only when connected to a quorum, hearing no leader, and with the consent of a quorum.

Source: pitfalls P19 to P21; Paxos Made Simple 2.4 (one distinguished proposer makes progress).
"""

from __future__ import annotations

from random import Random

from paxoskv.paxos.ballot import NO_BALLOT, Ballot, NodeId
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.timing import Timing

_BACKOFF_DOUBLINGS_MAX = 4
_NEVER_S = float("-inf")


class Election:
    """What a node that does not lead knows of leaders, and when it may try to become one.

    leader:  the quorum-connected leader heard last, None once it has been silent for too long.
    attempt: number of the current round of asking, 0 if none is under way; random, so that a late grant of
             another attempt, or of an earlier life of this node, counts for nothing (P31).
    """

    def __init__(self, node: NodeId, quorums: Quorums, timing: Timing, rng: Random, now: float) -> None:
        self._node = node
        self._quorums = quorums
        self._timing = timing
        self._rng = rng
        self.leader: NodeId | None = None
        self.leader_ballot: Ballot = NO_BALLOT
        self.attempt = 0
        self._grants: set[NodeId] = set()
        self._heard_s = _NEVER_S
        self._patience_s = 0.0
        self._not_before_s = now + rng.uniform(1, 2) * timing.heartbeat_s
        self._asked_s = _NEVER_S
        self._losses = 0
        self._deferred = False

    def hear_leader(self, leader: NodeId, ballot: Ballot, now: float) -> bool:
        """A quorum-connected leader spoke; return whether it is news. One of a lower ballot is outdated."""
        if ballot < self.leader_ballot:
            return False
        news = self.leader != leader or self.leader_ballot != ballot
        self._heard_s = now
        if news:
            self.leader, self.leader_ballot = leader, ballot
            self._patience_s = self._timing.election_timeout_s + self._rng.uniform(0, self._timing.election_jitter_s)
            self._losses = 0
            self._deferred = False
            self.attempt = 0
        return news

    def hears_leader(self, now: float) -> bool:
        """Whether a quorum-connected leader spoke within the election timeout: then nobody is granted anything."""
        return now - self._heard_s <= self._timing.election_timeout_s

    def lost_leader(self, now: float) -> bool:
        """Whether the known leader has been silent for longer than our patience; it is then forgotten."""
        if self.leader is None or now - self._heard_s <= self._patience_s:
            return False
        self.leader = None
        return True

    def on_gone(self, peer: NodeId, now: float) -> bool:
        """`peer` died, or says that it leads no more; return whether it led. No need to sit out the silence."""
        if peer != self.leader:
            return False
        self.leader, self._heard_s = None, _NEVER_S
        self._not_before_s = now + self._rng.uniform(0, self._timing.heartbeat_s)
        return True

    def may_ask(self, now: float) -> bool:
        """Whether it is time to ask the others for consent, again if an attempt got no answer."""
        if self.leader is not None or self.hears_leader(now) or now < self._not_before_s:
            return False
        return not self.attempt or now - self._asked_s > self._timing.repeat_s

    def ask(self, now: float) -> int:
        """Begin an attempt, our own consent given; return its number."""
        if self.attempt:
            self.back_off(now)
        self.attempt = self._rng.getrandbits(62) | 1
        self._asked_s = now
        self._grants = {self._node}
        return self.attempt

    def on_grant(self, sender: NodeId, attempt: int) -> None:
        """Count a grant of the current attempt."""
        if attempt == self.attempt:
            self._grants.add(sender)

    def is_granted(self) -> bool:
        """Whether a phase-1 quorum consents to the current attempt."""
        return bool(self.attempt) and self._quorums.is_phase1(self._grants)

    def defer(self, now: float) -> bool:
        """Let a better informed peer go first, once: its phase 1 has less to fetch. A courtesy, not a rule (P20b)."""
        if self._deferred:
            return False
        self._deferred = True
        self._not_before_s = now + self._timing.election_jitter_s
        return True

    def yield_to(self, now: float) -> None:
        """Another candidate has our promise: leave it the time to win, and do not outbid it (P19)."""
        self.attempt = 0
        self._not_before_s = max(self._not_before_s, now + self._timing.election_timeout_s)

    def back_off(self, now: float) -> None:
        """An attempt or a leadership came to nothing: wait a random time, longer after each loss (P19)."""
        self.attempt = 0
        scale_s = self._timing.heartbeat_s * (1 << min(self._losses, _BACKOFF_DOUBLINGS_MAX))
        self._losses += 1
        self._not_before_s = now + self._rng.uniform(0, 1) * scale_s
