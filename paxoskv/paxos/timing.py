"""The times that rule elections and repetition, in seconds of a monotonic clock (P30)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """heartbeat_s: interval between heartbeats to every peer.

    election_timeout_s: silence after which a leader, a peer or a disk counts as gone.
    election_jitter_s:  random extra patience, so that two nodes seldom stand at once (P19).
    """

    heartbeat_s: float = 0.05
    election_timeout_s: float = 0.4
    election_jitter_s: float = 0.2

    @property
    def repeat_s(self) -> float:
        """After this long without an answer a message is sent again."""
        return self.election_timeout_s / 2
