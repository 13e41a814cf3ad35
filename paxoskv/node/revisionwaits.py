"""Reads that wait until this node has applied a revision ("read my writes" through any node)."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple

from paxoskv.node.answers import Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.readgate import Serve

TIMEOUT_S = 2.0
"""A node that does not get there in time is cut off or far behind: another one serves better."""


class _Entry(NamedTuple):
    """A read, and when it began to wait."""

    least: int
    serve: Serve
    waiter: Waiter
    since_s: float


class RevisionWaits:
    """Holds reads back until the applied state is recent enough for them. clock: monotonic seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._number = 0
        self._open: dict[int, _Entry] = {}
        self._order: list[tuple[int, int]] = []
        """A heap of (revision, number); numbers that are not open any more were given up."""

    def submit(self, least: int, serve: Serve, waiter: Waiter) -> None:
        """Call `serve(waiter)` once revision `least` is applied, or fail the waiter."""
        if self._engine.machine.revision >= least:
            waiter.serve(serve)
            return
        self._number += 1
        self._open[self._number] = _Entry(least, serve, waiter, self._clock())
        heappush(self._order, (least, self._number))

    def on_applied(self) -> None:
        """Slots were applied."""
        while self._order and self._order[0][0] <= self._engine.machine.revision:
            entry = self._open.pop(heappop(self._order)[1], None)
            if entry is not None:
                entry.waiter.serve(entry.serve)

    def on_timer(self) -> None:
        """Give up what has waited for too long; the oldest come first."""
        before_s = self._clock() - TIMEOUT_S
        while self._open:
            number, oldest = next(iter(self._open.items()))
            if oldest.since_s > before_s:
                return
            del self._open[number]
            revision = self._engine.machine.revision
            oldest.waiter.unavailable(f"this node has applied revision {revision} and not yet {oldest.least}")
        self._order.clear()
