"""What may be done to the frames of one direction, and the fate of a single frame."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

CLIENTS = "c"
"""The name of all clients together as an end of links."""

LATE_S_MAX = 0.05
"""How much later than its turn an overtaken frame, or the second copy of one, may come."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Chances are per frame, from 0 to 1.

    cut: nothing passes, neither frames nor the end of a connection, and nobody is told.
    refuse: connections are reset, new ones refused.
    delay_ms, jitter_ms: every frame waits the one and a random part of the other; the order stays.
    reset: the connection is reset. bytes_per_s: what passes at most; 0 for no limit.
    """

    cut: bool = False
    refuse: bool = False
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    reset: float = 0.0
    bytes_per_s: int = 0


HEALTHY = Disturbance()


class Delivery(NamedTuple):
    """A frame to be passed on at `due_s`, a time of the loop; `in_turn` if what follows must not overtake it."""

    due_s: float
    in_turn: bool
    data: bytes


class Direction:
    """One directed link: what is done to its frames now, and counts of what was done.

    is_stream: whether who listens relies on TCP for what comes in order and without a hole. Then a connection that has
    lost a frame is of no more use: nothing passes it any more, and it is reset as soon as the link is not cut. Nodes
    promise more to one another: what is lost between them may be any frame (R21).
    """

    def __init__(self, name: str, random: Random, is_stream: bool = False) -> None:
        self.name = name
        self.is_stream = is_stream
        self.disturbance = HEALTHY
        self.counts: Counter[str] = Counter()
        self._random = random

    def fate(self, frame: bytes, now_s: float, turn_s: float) -> list[Delivery] | None:
        """Return the deliveries of `frame`, none if it is lost; None if its connection is to be reset.

        turn_s: when the frame before it is due.
        """
        wish = self.disturbance
        self.counts["frames"] += 1
        if wish.cut or self._happens(wish.drop, "dropped"):
            self.counts["dropped"] += wish.cut
            return []
        if self._happens(wish.reset, "resets"):
            return None
        if self._happens(wish.corrupt, "corrupted"):
            frame = self._damaged(frame)
        due_s = max(turn_s, now_s + (wish.delay_ms + wish.jitter_ms * self._random.random()) / 1000)
        if wish.delay_ms or wish.jitter_ms:
            self.counts["delayed"] += 1
        if wish.bytes_per_s:
            due_s += len(frame) / wish.bytes_per_s
        overtaken = self._happens(wish.reorder, "reordered")
        deliveries = [Delivery(due_s + self._late_s() * overtaken, not overtaken, frame)]
        if self._happens(wish.duplicate, "duplicated"):
            deliveries.append(Delivery(due_s + self._late_s(), False, frame))
        return deliveries

    def _happens(self, chance: float, what: str) -> bool:
        if not chance or self._random.random() >= chance:
            return False
        self.counts[what] += 1
        return True

    def _late_s(self) -> float:
        return self._random.uniform(LATE_S_MAX / 50, LATE_S_MAX)

    def _damaged(self, frame: bytes) -> bytes:
        """Flip one bit, of the header or of the payload."""
        bit = self._random.randrange(len(frame) * 8)
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)
