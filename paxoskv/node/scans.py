"""Reads of many keys: one after the other, so many in a turn of the loop, so that nothing else waits for them (P42)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from paxoskv.node.answers import Waiter
from paxoskv.node.turns import CallSoon

Scan = Callable[[Waiter], int]
"""Answers the waiter, and returns how many keys it looked at."""

TURN_KEYS_MAX = 2_000


class Scans:
    """Carries out scans that are allowed to read by now, TURN_KEYS_MAX keys' worth in one turn, and the one beyond.

    call_soon: runs a function at the end of this turn of the event loop.
    """

    def __init__(self, call_soon: CallSoon) -> None:
        self._call_soon = call_soon
        self._queue: deque[tuple[Scan, Waiter]] = deque()

    def submit(self, scan: Scan, waiter: Waiter) -> None:
        """Call `scan(waiter)` when it is its turn, and there is room for its answer (H5)."""
        if not self._queue:
            self._call_soon(self._run)
        self._queue.append((scan, waiter))

    def _run(self) -> None:
        left = TURN_KEYS_MAX
        while self._queue and left > 0:
            scan, waiter = self._queue.popleft()
            if waiter.sink.is_writable:
                left -= 1 + scan(waiter)
            else:
                waiter.sink.hold(partial(self.submit, scan, waiter))
        if self._queue:
            self._call_soon(self._run)
