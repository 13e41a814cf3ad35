"""All open operations of one client on one connection at a time.

It numbers, sends, matches answers, retries what may be retried, and ends what is overdue. Which node it talks to is
the navigator's choice. Costs nothing per operation but a dict entry and a future: one timer serves all deadlines.
"""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random
from typing import Any

from paxoskv.client import answers
from paxoskv.client.backoff import backoff_s
from paxoskv.client.connection import Connection
from paxoskv.client.operation import Operation, Parse
from paxoskv.client.streams import Streams
from paxoskv.errors import PaxoskvError, TooLarge
from paxoskv.net import protocol
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX, frame

_REFUSALS_BEFORE_LEAVING = 3
"""Attempts of one operation that a node may call unavailable before another node is asked."""

_HELPLESS = (protocol.UNAVAILABLE, protocol.DISK_FULL)

_TIMER_RESOLUTION_S = 0.001

_FRESH_S = 1.0
"""A node whose progress is no older counts as in touch with the others."""


class Channel:
    """The operations of a client, and the connection they use now.

    silence_s: a connection that owes answers and brings nothing for so long is given up (a paused node, R22).
    in_flight_max: operations sent and unanswered; further ones wait here, their deadlines running.
    attention: set when the navigator has something to do. trouble: why there is no connection.
    streams: the watches, which go on where operations go on.
    closed_because: why it takes no more operations and watches, "" while it does.
    """

    def __init__(self, silence_s: float, in_flight_max: int, random: Random) -> None:
        self.connection: Connection | None = None
        self.attention = asyncio.Event()
        self.trouble = "no connection was made yet"
        self._silence_s = silence_s
        self._in_flight_max = in_flight_max
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._open: dict[int, Operation] = {}
        self._waiting: deque[Operation] = deque()
        self._in_flight = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self.closed_because = ""
        self.streams = Streams(self.take_number, self.leave, random)

    @property
    def is_busy(self) -> bool:
        """Whether any operation or watch is open."""
        return bool(self._open) or len(self.streams) > 0

    def take_number(self) -> int:
        """Return the number of a new request."""
        self._number += 1
        return self._number

    # For callers

    def operation(self, parse: Parse, deadline_s: float, is_write: bool, kind: int, *fields: Any) -> Operation:
        """Make an operation out of a request `[kind, number, *fields]`.

        Raises: TooLarge if no frame can hold it.
        """
        self._number += 1
        framed = _framed(kind, self._number, fields)
        return Operation(self._number, framed, parse, deadline_s, is_write)

    def reword(self, operation: Operation, kind: int, *fields: Any) -> None:
        """Have the next attempts of an operation, which is not open, say the same in other words. Raises: TooLarge."""
        operation.framed = _framed(kind, operation.number, fields)

    async def perform(self, operation: Operation) -> Any:
        """Return the operation's result. Not for an operation that is still open; a finished one may come again.

        Raises: PaxoskvError. A cancelled caller leaves nothing behind that would be sent again (P39).
        """
        if self.closed_because:
            raise RuntimeError(self.closed_because)
        if operation.deadline_s <= self._loop.time():
            raise operation.give_up(self._why_overdue())
        operation.outcome = self._loop.create_future()
        self._open[operation.number] = operation
        self._send_or_wait(operation)
        if self._timer is None or operation.deadline_s < self._timer_s:
            self._set_timer()
        try:
            outcome = await operation.outcome
        except asyncio.CancelledError:
            self._abandon(operation)
            raise
        if isinstance(outcome, PaxoskvError):
            raise outcome
        return outcome

    def close(self, reason: str) -> None:
        """End every operation and watch, and take no more."""
        self.closed_because = self.closed_because or reason
        for operation in list(self._open.values()):
            self._finish(operation, operation.give_up(reason))
        self._waiting.clear()
        self.streams.close_all(reason)
        if self._timer is not None:
            self._timer.cancel()

    # For the navigator

    def adopt(self, connection: Connection) -> None:
        """Go on with `connection`; what the one before still owes is asked again here."""
        before, self.connection = self.connection, connection
        self._take_back()
        if before is not None:
            before.abort("the client moved to another node")
        self._pump()
        self.streams.adopt(connection)
        self._set_timer()

    def leave(self, reason: str) -> None:
        """Give up the present connection, if any."""
        if self.connection is not None:
            self.connection.abort(reason)
            self.on_lost(self.connection, reason)

    # Listener of connections

    def on_answer(self, connection: Connection, request: int, status: int, answer: tuple[Any, ...]) -> None:
        """Take an answer; a late one finds nobody (P31)."""
        operation = self._open.get(request)
        if operation is None and connection is self.connection:
            self.streams.on_answer(connection, request, status, answer)
            return
        if connection is not self.connection or operation is None or not operation.in_flight:
            return
        if status == protocol.OK:
            outcome = operation.parse(answer)
            connection.proven = True
            self._in_flight -= 1
            operation.in_flight = False
            self._finish(operation, outcome)
        else:
            self._on_refusal(operation, answers.refusal(answer))
        if self._waiting:
            self._pump()

    def on_news(self, connection: Connection) -> None:
        """Perhaps another node leads now."""
        if connection is self.connection:
            self.attention.set()

    def on_events(self, connection: Connection, answer: tuple[Any, ...]) -> None:
        """Watches were told changes; those of a connection that was left are told elsewhere."""
        if connection is self.connection:
            self.streams.on_events(answer)

    def on_progress(self, connection: Connection, revision: int, age_s: float | None) -> None:
        """Nothing that the watches should know happened up to `revision`, beyond what they were told."""
        if connection is self.connection:
            self.streams.on_progress(revision, age_s is not None and age_s <= _FRESH_S)

    def on_writable(self, connection: Connection) -> None:
        """Send what had to wait."""
        if connection is self.connection:
            self._pump()
            self.streams.pump()

    def on_lost(self, connection: Connection, reason: str) -> None:
        """Ask again elsewhere what this connection still owes; nothing to do for one that was left before."""
        if connection is not self.connection:
            return
        self.connection = None
        self.trouble = f"{connection.endpoint}: {reason}"
        self._take_back()
        self.streams.lose()
        self.attention.set()

    # Sending

    def _send_or_wait(self, operation: Operation) -> None:
        connection = self.connection
        if connection is not None and self._has_room(connection):
            self._send(operation, connection)
            return
        self._waiting.append(operation)
        if connection is None:
            self.attention.set()

    def _has_room(self, connection: Connection) -> bool:
        return self._in_flight < self._in_flight_max and connection.can_send

    def _send(self, operation: Operation, connection: Connection) -> None:
        if not self._in_flight:
            connection.heard_s = self._loop.time()
        self._in_flight += 1
        operation.in_flight = True
        connection.send_frame(operation.framed)

    def _pump(self) -> None:
        """Send what waits, as far as the connection and the limit allow."""
        connection = self.connection
        while self._waiting and connection is not None and self._has_room(connection):
            operation = self._waiting.popleft()
            if not operation.outcome.done():
                self._send(operation, connection)

    def _take_back(self) -> None:
        """Queue again, first, whatever is in flight; what nobody waits for any more is dropped."""
        lost = [operation for operation in self._open.values() if operation.in_flight]
        self._in_flight = 0
        for operation in reversed(lost):
            operation.lose_attempt()
            if operation.outcome.done():
                del self._open[operation.number]
            else:
                self._waiting.appendleft(operation)

    # Ending and retrying

    def _finish(self, operation: Operation, outcome: Any) -> None:
        del self._open[operation.number]
        if operation.timer is not None:
            operation.timer.cancel()
            operation.timer = None
        if not operation.outcome.done():
            operation.outcome.set_result(outcome)

    def _abandon(self, operation: Operation) -> None:
        """The caller is gone. An attempt in flight keeps its place until its answer, but is not repeated."""
        if not operation.in_flight and operation.number in self._open:
            self._finish(operation, None)

    def _on_refusal(self, operation: Operation, refusal: answers.Refusal) -> None:
        """End the operation, or try again after a pause; leave a node that cannot serve."""
        self._in_flight -= 1
        operation.in_flight = False
        final = operation.turn_down(refusal)
        if final is not None or operation.outcome.done():
            self._finish(operation, final)
            return
        pause_s = max(backoff_s(operation.retries, self._random), refusal.retry_after_s)
        operation.timer = self._loop.call_later(pause_s, self._retry, operation)
        helpless = refusal.status in _HELPLESS and operation.retries % _REFUSALS_BEFORE_LEAVING == 0
        if helpless or refusal.status == protocol.SHUTTING_DOWN:
            self.leave(refusal.message)

    def _retry(self, operation: Operation) -> None:
        operation.timer = None
        self._send_or_wait(operation)

    # The one timer

    def _set_timer(self) -> None:
        """Wake up for the nearest deadline, or when the connection has been silent for too long."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._open:
            return
        connection = self.connection
        since_s = connection.heard_s if connection is not None and self._in_flight else self._loop.time()
        nearest_s = min(operation.deadline_s for operation in self._open.values())
        self._timer_s = min(nearest_s, since_s + self._silence_s)
        self._timer = self._loop.call_at(self._timer_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now_s = self._loop.time() + _TIMER_RESOLUTION_S
        connection = self.connection
        if connection is not None and self._in_flight and now_s - connection.heard_s >= self._silence_s:
            self.leave(f"silent for {self._silence_s:g} s while requests waited")
        for operation in [one for one in self._open.values() if one.deadline_s <= now_s]:
            self._in_flight -= operation.in_flight
            self._finish(operation, operation.give_up(self._why_overdue()))
        self._waiting = deque(operation for operation in self._waiting if not operation.outcome.done())
        self._pump()
        self._set_timer()

    def _why_overdue(self) -> str:
        connection = self.connection
        return self.trouble if connection is None else f"{connection.endpoint} did not answer in time"


def _framed(kind: int, number: int, fields: tuple[Any, ...]) -> bytes:
    payload = protocol.encode(kind, number, *fields)
    if len(payload) > CLIENT_FRAME_BYTES_MAX:
        raise TooLarge(f"the request has {len(payload)} bytes, of at most {CLIENT_FRAME_BYTES_MAX} in one frame")
    return frame(payload)
