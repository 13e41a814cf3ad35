"""All watches of a client, on the connection that it has now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from paxoskv.client import answers, events
from paxoskv.client.answers import Refusal
from paxoskv.client.backoff import backoff_s
from paxoskv.client.connection import Connection
from paxoskv.client.events import Told
from paxoskv.client.stream import Stream
from paxoskv.errors import BadRequest, Compacted, Overloaded, PaxoskvError, Unavailable
from paxoskv.net import protocol
from paxoskv.net.frames import frame

_REFUSALS_BEFORE_LEAVING = 3


class Streams:
    """Asks for every watch on every new connection, from where it stands, and hands it what comes (P29).

    take_number: gives numbers to requests. leave: gives up the connection, for a reason.
    confirmed_s: loop time at which it was last known that the watches are up to date, or at least fed.
    """

    def __init__(self, take_number: Callable[[], int], leave: Callable[[str], None], random: Random) -> None:
        self.confirmed_s = 0.0
        self._take_number = take_number
        self._leave = leave
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._open: dict[Stream, None] = {}
        self._by_number: dict[int, Stream] = {}
        self._asking: dict[Stream, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    # For watches

    def open(self, stream: Stream) -> None:
        """Begin a watch."""
        self._open[stream] = None
        self._ask(stream)

    def close(self, stream: Stream) -> None:
        """End a watch; nothing more comes for it."""
        self._open.pop(stream, None)
        self._cancel(stream)

    def refill(self, stream: Stream) -> None:
        """Something was read: go on with a watch that was stopped because too much waited."""
        if not stream.number and stream.timer is None and stream.has_room and stream in self._open:
            self._ask(stream)

    def close_all(self, reason: str) -> None:
        """The client is closed."""
        for stream in list(self._open):
            stream.fail(Unavailable(reason))
        self._open.clear()
        self._by_number.clear()
        self._asking.clear()

    # For the channel

    def adopt(self, connection: Connection) -> None:
        """Go on with every watch on this connection."""
        self.lose()
        self._connection = connection
        self._asking = {stream: None for stream in self._open if stream.error is None and not stream.is_full}
        self.pump()

    def lose(self) -> None:
        """The connection is gone."""
        self._connection = None
        self._by_number.clear()
        for stream in self._open:
            stream.interrupt()

    def pump(self) -> None:
        """Ask for what was not asked for yet, as far as the connection takes it."""
        connection = self._connection
        while self._asking and connection is not None and connection.can_send:
            stream = next(iter(self._asking))
            del self._asking[stream]
            if stream in self._open and not stream.number and stream.error is None:
                self._request(stream, connection)

    def on_answer(self, connection: Connection, request: int, status: int, answer: tuple[Any, ...]) -> None:
        """Take what belongs to a watch; what comes for one that has ended finds nobody. Raises: ProtocolError."""
        stream = self._by_number.get(request)
        if stream is None:
            return
        if status == protocol.OK:
            answers.sync_answer(answer)
            connection.proven = stream.stands = stream.has_stood = True
            stream.retries = 0
        else:
            self._on_ended(stream, answers.refusal(answer))

    def on_events(self, answer: tuple[Any, ...]) -> None:
        """Take what watches of the same keys are told. Raises: ProtocolError."""
        told: dict[int, Told] = {}
        for watch in events.addressees(answer):
            stream = self._by_number.get(watch)
            if stream is not None:
                if stream.cut not in told:
                    told[stream.cut] = events.told(answer, stream.cut)
                stream.take(told[stream.cut])
                if stream.is_full:
                    self._cancel(stream)
        self.confirmed_s = self._loop.time()

    def on_progress(self, revision: int, is_fresh: bool) -> None:
        """Every watch that stands has been told all up to a revision. is_fresh: by a node in touch with the others."""
        if is_fresh:
            self.confirmed_s = self._loop.time()
        nothing = Told(revision)
        for stream in self._by_number.values():
            if stream.stands and revision >= stream.next_revision:
                stream.take(nothing)

    # Inside

    def _ask(self, stream: Stream) -> None:
        self._asking[stream] = None
        self.pump()

    def _request(self, stream: Stream, connection: Connection) -> None:
        stream.number = self._take_number()
        self._by_number[stream.number] = stream
        fields = (*stream.interval, stream.next_revision, stream.options)
        connection.send_frame(frame(protocol.encode(protocol.WATCH, stream.number, *fields)))

    def _cancel(self, stream: Stream) -> None:
        """Ask the node to tell no more. Where that cannot be sent, what still comes finds nobody."""
        number = stream.number
        stream.interrupt()
        if self._by_number.pop(number, None) is not None and self._connection is not None:
            self._connection.send_frame(frame(protocol.encode(protocol.CANCEL, self._take_number(), number)))

    def _on_ended(self, stream: Stream, refusal: Refusal) -> None:
        """A node tells a watch no more: go on with it after a pause, elsewhere if this node cannot, or let it fail."""
        self._by_number.pop(stream.number, None)
        final = _final(refusal, stream.has_stood)
        if final is not None:
            stream.fail(final)
            return
        stream.interrupt()
        stream.retries += 1
        pause_s = max(backoff_s(stream.retries, self._random), refusal.retry_after_s)
        stream.timer = self._loop.call_later(pause_s, self._retry, stream)
        helpless = stream.retries % _REFUSALS_BEFORE_LEAVING == 0
        if helpless or refusal.status == protocol.SHUTTING_DOWN:
            self._leave(refusal.message)

    def _retry(self, stream: Stream) -> None:
        stream.timer = None
        self._ask(stream)


def _final(refusal: Refusal, has_stood: bool) -> PaxoskvError | None:
    """Return the error of a watch that no node can go on with, None if another attempt makes sense."""
    if refusal.status == protocol.COMPACTED:
        return Compacted(refusal.message, refusal.detail)
    if refusal.status in (protocol.BAD_REQUEST, protocol.TOO_LARGE):
        return BadRequest(refusal.message)
    if refusal.status == protocol.TOO_MANY_WATCHES and not has_stood:
        return Overloaded(f"the watch was not begun: {refusal.message}", refusal.retry_after_s)
    return None
