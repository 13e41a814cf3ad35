"""Who hears whom: heartbeat round trips with every other node.

A round trip, not a message received, proves a link: a node that can send but not hear counts for nothing (P21).
"""

from __future__ import annotations

from collections.abc import Sequence

from paxoskv.paxos.ballot import Ballot, NodeId, Slot
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.messages import Envelope, Heartbeat, HeartbeatAck
from paxoskv.paxos.timing import Timing

_ROUNDS_KEPT = 256


class Connectivity:
    """Numbers heartbeat rounds, and remembers when the last completed one with each peer began.

    round: number of the latest round; only grows, so none is used twice in the life of a process (P23).
    """

    def __init__(self, peers: Sequence[NodeId], timing: Timing, first_round: int) -> None:
        """first_round: random, so that an ack meant for an earlier life of this node proves nothing (P31)."""
        self._peers = peers
        self._timing = timing
        self.round = first_round
        self._began_s: dict[int, float] = {}
        self._heard_s: dict[NodeId, float] = {}
        self._next_s = 0.0

    def is_due(self, now: float) -> bool:
        """Whether the next regular heartbeat has to leave."""
        return now >= self._next_s

    def hurry(self) -> None:
        """Let the next heartbeat leave at the next occasion."""
        self._next_s = 0.0

    def begin_round(self, ballot: Ballot, commit_slot: Slot, quorum_peers: int, now: float, out: Effects) -> int:
        """Send a heartbeat to every peer; return the number of the round."""
        self.round += 1
        self._began_s[self.round] = now
        self._began_s.pop(self.round - _ROUNDS_KEPT, None)
        self._next_s = now + self._timing.heartbeat_s
        beat = Heartbeat(ballot, commit_slot, self.round, self.reaches(quorum_peers, now))
        out.send_now += [Envelope(peer, beat) for peer in self._peers]
        return self.round

    def began_s(self, number: int) -> float | None:
        """When a round began, None if it is none of the latest ones."""
        return self._began_s.get(number)

    def on_ack(self, sender: NodeId, msg: HeartbeatAck) -> None:
        """Note a completed round trip, dated from its beginning."""
        began_s = self._began_s.get(msg.round)
        if began_s is not None and began_s > self._heard_s.get(sender, 0.0):
            self._heard_s[sender] = began_s

    def on_down(self, peer: NodeId) -> None:
        """The peer's process is gone: forget its round trips."""
        self._heard_s.pop(peer, None)

    def reaches(self, quorum_peers: int, now: float) -> bool:
        """Whether round trips with at least `quorum_peers` others began within the last election timeout."""
        since_s = now - self._timing.election_timeout_s
        return sum(heard_s >= since_s for heard_s in self._heard_s.values()) >= quorum_peers

    def reached_s(self, quorum_peers: int, now: float) -> float | None:
        """Return when the last round trips with `quorum_peers` others began: at each of them, then or later.

        None if so many were never heard, or are gone since.
        """
        heard_s = sorted(self._heard_s.values(), reverse=True)
        if not quorum_peers:
            return now
        return heard_s[quorum_peers - 1] if len(heard_s) >= quorum_peers else None

    def hears(self, peer: NodeId, now: float) -> bool:
        """Whether a round trip with `peer` began within the last election timeout."""
        return self._heard_s.get(peer, float("-inf")) >= now - self._timing.election_timeout_s
