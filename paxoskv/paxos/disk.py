"""Does our own disk still make progress?"""

from __future__ import annotations

from collections import deque


class DiskProgress:
    """Watches the tickets given to the journal: a node whose oldest one does not return cannot lead (P18).

    is_full: the disk takes promises, but no more votes (P9).
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._last = 0
        self._pending: deque[tuple[int, float]] = deque()
        self._progress_s = 0.0
        self.is_full = False

    def issue(self, now: float) -> int:
        """Return a new ticket for records handed to the journal now."""
        self._last += 1
        self._pending.append((self._last, now))
        return self._last

    def on_written(self, ticket: int, now: float) -> None:
        """Everything up to `ticket` is durable."""
        self._progress_s = now
        while self._pending and self._pending[0][0] <= ticket:
            self._pending.popleft()

    def is_stalled(self, now: float) -> bool:
        """Whether the disk is full, or records wait and nothing has become durable for the timeout."""
        if self.is_full or not self._pending:
            return self.is_full
        return now - max(self._pending[0][1], self._progress_s) > self._timeout_s
