"""Does our own disk still make progress?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from paxoskv.paxos.ballot import Slot
from paxoskv.paxos.effects import SaveVote, Write


class DiskProgress:
    """Watches the tickets given to the journal: a node whose oldest one does not return cannot lead (P18).

    is_full: the disk takes promises, but no more votes (P9).
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._last = 0
        self._pending: deque[tuple[int, float, Slot]] = deque()
        self._progress_s = 0.0
        self.is_full = False

    def issue(self, now: float, writes: Iterable[Write] = ()) -> int:
        """Return a new ticket for records handed to the journal now."""
        self._last += 1
        told_slot = max((write.commit_slot for write in writes if isinstance(write, SaveVote)), default=0)
        self._pending.append((self._last, now, told_slot))
        return self._last

    def on_written(self, ticket: int, now: float) -> Slot:
        """Everything up to `ticket` is durable; return up to where the journal knows by it that slots are chosen."""
        self._progress_s = now
        told_slot = 0
        while self._pending and self._pending[0][0] <= ticket:
            told_slot = max(told_slot, self._pending.popleft()[2])
        return told_slot

    def is_stalled(self, now: float) -> bool:
        """Whether the disk is full, or records wait and nothing has become durable for the timeout."""
        if self.is_full or not self._pending:
            return self.is_full
        return now - max(self._pending[0][1], self._progress_s) > self._timeout_s
