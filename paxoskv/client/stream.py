"""One watch: what it was told and has not been asked for yet, and where it goes on when a node is lost."""

from __future__ import annotations

import asyncio
from collections import deque

from paxoskv.client.events import Batch, Told
from paxoskv.client.keys import Interval
from paxoskv.errors import PaxoskvError
from paxoskv.net.protocol import ProtocolError

EVENTS_HELD_MAX = 10_000
"""Events that wait for a slow reader; beyond, the node is asked to stop, and again when half of them are read."""


class Stream:
    """The revisions of a watch, in order, each once (P29).

    next_revision: the first one not told yet: on whatever node, the watch goes on there.
    number: of the request under which a node tells it now, 0 if none does. stands: whether that node said so.
    has_stood: whether any node ever did.
    error: why it can never go on. news: set when there is something to look at.
    cut: how much of each key is the prefix of the view.
    """

    __slots__ = (
        "_batches",
        "_held",
        "_part",
        "cut",
        "error",
        "has_stood",
        "interval",
        "news",
        "next_revision",
        "number",
        "options",
        "retries",
        "stands",
        "timer",
    )

    def __init__(self, interval: Interval, options: int, next_revision: int, cut: int) -> None:
        self.interval = interval
        self.options = options
        self.next_revision = next_revision
        self.number = 0
        self.stands = self.has_stood = False
        self.error: PaxoskvError | None = None
        self.news = asyncio.Event()
        self.retries = 0
        self.timer: asyncio.TimerHandle | None = None
        self.cut = cut
        self._batches: deque[Batch] = deque()
        self._held = 0
        self._part: Batch | None = None

    @property
    def is_full(self) -> bool:
        """Whether so much waits to be read that no more should be asked for."""
        return self._held > EVENTS_HELD_MAX

    @property
    def has_room(self) -> bool:
        """Whether so little waits to be read that more should be asked for."""
        return self._held <= EVENTS_HELD_MAX // 2

    def take(self, told: Told) -> None:
        """Take what a node tells. Raises: ProtocolError if it is not what comes next."""
        if 0 < told.first < self.next_revision:
            raise ProtocolError(f"a watch was told revision {told.first} where {self.next_revision} is next (P29)")
        if self._part is not None:
            told = told.after(self._part)
        self._part = told.part
        self._batches.extend(told.batches)
        self._held += told.event_count
        self.next_revision = max(self.next_revision, told.last + 1)
        self.news.set()

    def pop(self) -> Batch | None:
        """Return the next revision to be read, None if there is none yet."""
        if not self._batches:
            return None
        first = self._batches.popleft()
        self._held -= len(first.events)
        return first

    def interrupt(self) -> None:
        """No node tells it any more; what was told in part will be told again."""
        self.number = 0
        self.stands = False
        self._part = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def fail(self, error: PaxoskvError) -> None:
        """Let the reader know, after what was told, that there will never be more."""
        self.interrupt()
        self.error = error
        self.news.set()
