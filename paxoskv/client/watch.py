"""Watching keys: every change, once and in order, for as long as the program likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self

from paxoskv.client.events import Batch, Event
from paxoskv.client.keys import Interval
from paxoskv.client.stream import Stream
from paxoskv.client.wire import Wire


class Watch:
    """Made by `watch` of a client.

        async for event in kv.watch("cfg/"):            begins with the first step, ends when the loop is left
        async with kv.watch("cfg/") as events:          begins when entered, ends when left

    It goes on through lost connections, failovers and deaths of nodes: each change is told once, and in the order of
    revisions (P29). Reading waits as long as it takes. Raises: Compacted when the store has forgotten what comes
    next, because the reader was too slow or began too early; Unavailable if no node answers at the beginning, or
    when the client is closed.
    """

    def __init__(
        self, wire: Wire, interval: Interval, options: int, revision: int | None, timeout_s: float, cut: int
    ) -> None:
        self._wire = wire
        self._interval = interval
        self._options = options
        self._first_revision = revision
        self._timeout_s = timeout_s
        self._cut = cut
        self._stream: Stream | None = None
        self._is_closed = False
        self._is_entered = False
        self._batch = Batch(0, ())
        self._at = 0
        self._told = 0

    @property
    def revision(self) -> int:
        """Everything up to this revision was read: another watch goes on at the next one. 0 before the beginning."""
        return self._told

    async def __aenter__(self) -> Self:
        self._is_entered = True
        await self._begun()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        """Yield every change."""
        try:
            while True:
                yield await self.next()
        finally:
            self._leave()

    async def batches(self, *, progress: bool = False) -> AsyncGenerator[Batch, None]:
        """Yield every revision that has changes, with all of them.

        progress: now and then also one without changes, which says that none happened up to it.
        """
        try:
            while True:
                yield await self._next_batch(progress)
        finally:
            self._leave()

    async def next(self, timeout_s: float | None = None) -> Event:
        """Return the next change. Raises: TimeoutError if none comes within the time; it is not lost then."""
        if self._at == len(self._batch.events):
            batch = self._pop()
            if batch is None:
                async with asyncio.timeout(timeout_s):
                    batch = await self._popped(False)
            self._batch, self._at = batch, 0
        event = self._batch.events[self._at]
        self._at += 1
        if self._at == len(self._batch.events):
            self._told = event.revision
        return event

    def close(self) -> None:
        """End the watch. Nothing can be read from it any more."""
        self._is_closed = True
        if self._stream is not None:
            self._wire.vigil.close_stream(self._stream)
            self._stream = None

    async def _next_batch(self, progress: bool) -> Batch:
        """Return what is left of the revision being read, or the next one."""
        left, self._at = self._batch.events[self._at :], len(self._batch.events)
        batch = Batch(self._batch.revision, left) if left else self._pop() or await self._popped(progress)
        self._told = batch.revision
        return batch

    def _pop(self) -> Batch | None:
        """Return the next revision that was told, if any; most of them need not be waited for."""
        stream = self._stream
        batch = stream.pop() if stream is not None else None
        if batch is not None and stream is not None and not stream.number:
            self._wire.vigil.refill(stream)
        return batch

    async def _popped(self, progress: bool) -> Batch:
        """Return the next revision with changes, or with `progress` an empty one. Cancelling loses nothing."""
        stream = await self._begun()
        while True:
            batch = self._pop()
            if batch is not None:
                return batch
            if stream.error is not None:
                raise stream.error
            told, self._told = self._told, max(self._told, stream.next_revision - 1)
            if progress and self._told > told:
                return Batch(self._told, ())
            stream.news.clear()
            await stream.news.wait()

    async def _begun(self) -> Stream:
        if self._is_closed:
            raise RuntimeError("the watch is closed: make another one")
        if self._stream is None:
            first = self._first_revision
            if first is None:
                first = (await self._wire.vigil.sync(self._wire.now_s() + self._timeout_s)).revision + 1
            self._told = first - 1
            self._stream = Stream(self._interval, self._options, first, self._cut)
            self._wire.vigil.open(self._stream)
        return self._stream

    def _leave(self) -> None:
        """A loop over the watch was left: this is its end, unless a `with` block says where that is."""
        if not self._is_entered:
            self.close()
