"""One direction of one connection through a proxy: bytes in, frames cut, treated, and out when they are due."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Protocol

from paxoskv.net.frames import HEADER, HEADER_BYTES
from paxoskv.testbed.links.disturbance import Direction

FRAME_BYTES_MAX = 64 << 20
"""A longer frame is none of ours; then bytes pass as they come."""

QUEUE_BYTES_MAX = 16 << 20
"""While more waits to be due, nothing more is read."""


class Source(Protocol):
    """The end that is read."""

    def pause_reading(self) -> None:
        """Read nothing for now."""

    def resume_reading(self) -> None:
        """Go on reading."""


class Sink(Protocol):
    """The end that is written. is_there: whether it can be; what is due waits until then."""

    @property
    def is_there(self) -> bool:
        """Whether it is connected."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Send what is written, then the end."""


class FrameCutter:
    """Cuts a stream into whole frames, their headers included; looks at nothing but their lengths."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_strange = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that `data` completes."""
        if self._is_strange:
            return [data]
        self._rest += data
        frames, at = [], 0
        while len(self._rest) - at >= HEADER_BYTES:
            length, _checksum = HEADER.unpack_from(self._rest, at)
            if length > FRAME_BYTES_MAX:
                self._is_strange = True
                length = len(self._rest) - at - HEADER_BYTES
            stop = at + HEADER_BYTES + length
            if stop > len(self._rest):
                break
            frames.append(bytes(self._rest[at:stop]))
            at = stop
        del self._rest[:at]
        return frames


class Wire:
    """Carries what `source` says to `sink`. on_reset: the connection has to be reset."""

    def __init__(self, direction: Direction, source: Source, sink: Sink, on_reset: Callable[[], None]) -> None:
        self._direction = direction
        self._source = source
        self._sink = sink
        self._on_reset = on_reset
        self._loop = asyncio.get_running_loop()
        self._cutter = FrameCutter()
        self._queue: list[tuple[float, int, bytes]] = []
        self._queued_bytes = 0
        self._number = 0
        self._turn_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._has_hole = False
        self._is_ending = False
        self._is_full = False
        self._sink_is_full = False

    def feed(self, data: bytes) -> None:
        """Take what the source has said."""
        now_s = self._loop.time()
        for frame in self._cutter.feed(data):
            deliveries = self._direction.fate(frame, now_s, self._turn_s)
            if deliveries is None:
                self._on_reset()
                return
            if self._has_hole:
                continue
            if not deliveries:
                self._has_hole = self._direction.is_stream
            for due_s, in_turn, treated in deliveries:
                if in_turn:
                    self._turn_s = due_s
                self._number += 1
                self._queued_bytes += len(treated)
                heapq.heappush(self._queue, (due_s, self._number, treated))
        self.pump()

    def pump(self) -> None:
        """Pass on what is due. Called again whenever the direction is treated differently."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._sink.is_there:
            self._throttle()
            return
        if self._has_hole and not self._direction.disturbance.cut:
            self._on_reset()
            return
        due = self._take_due()
        if due:
            self._sink.write(b"".join(due))
        if self._queue:
            self._timer = self._loop.call_at(self._queue[0][0], self.pump)
        elif self._is_ending and not self._direction.disturbance.cut:
            self._sink.close()
        self._throttle()

    def end(self) -> None:
        """The source has ended; so will the sink, after what is under way, and not through a cut."""
        self._is_ending = True
        self.pump()

    def stop(self) -> None:
        """Nobody listens any more."""
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_sink_full(self, is_full: bool) -> None:
        """The sink takes nothing for now, or again."""
        self._sink_is_full = is_full
        self._throttle()

    def _take_due(self) -> list[bytes]:
        now_s, due = self._loop.time(), []
        while self._queue and self._queue[0][0] <= now_s:
            frame = heapq.heappop(self._queue)[2]
            self._queued_bytes -= len(frame)
            if self._direction.disturbance.cut:
                self._direction.counts["dropped"] += 1
                self._has_hole = self._direction.is_stream
            else:
                due.append(frame)
        return due

    def _throttle(self) -> None:
        is_full = self._sink_is_full or self._queued_bytes > QUEUE_BYTES_MAX
        if is_full != self._is_full:
            self._is_full = is_full
            if is_full:
                self._source.pause_reading()
            else:
                self._source.resume_reading()
