"""How a value may have been put together: from one written whole, and texts appended to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from paxoskv.checker.events import APPEND
from paxoskv.checker.operations import Operation
from paxoskv.checker.unknowns import product


class Counts(NamedTuple):
    """How often a text occurs as a piece, in the ways to put the value together that have it least and most often."""

    fewest: int
    most: int


class Pieces:
    """The ways to put `value` together. steps: for each length reached, the pieces that may come next."""

    def __init__(self, value: bytes, makers: Iterable[Operation]) -> None:
        wholes, texts = set(), set()
        for op in makers:
            made = product(op)
            if op.f == APPEND and made:
                texts.add(made)
            elif made is not None:
                wholes.add(made)
        self._length = len(value)
        self._starts = {len(whole) for whole in wholes if value.startswith(whole)}
        self._steps: dict[int, list[bytes]] = {}
        reached = self._starts | {0}
        for at in range(len(value)):
            if at in reached:
                self._steps[at] = [text for text in texts if value.startswith(text, at)]
                reached |= {at + len(text) for text in self._steps[at]}
        self.possible = len(value) in (reached if value else self._starts)

    def counts(self, text: bytes) -> Counts:
        """Return how often `text` occurs as a piece; only for a value that is possible."""
        counts = {start: Counts(0, 0) for start in self._starts | {0}}
        for at, following in self._steps.items():
            for piece in following:
                fewest, most = counts[at].fewest + (piece == text), counts[at].most + (piece == text)
                end = at + len(piece)
                known = counts.get(end, Counts(fewest, most))
                counts[end] = Counts(min(fewest, known.fewest), max(most, known.most))
        return counts[self._length]
