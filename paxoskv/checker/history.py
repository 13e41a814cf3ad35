"""Histories: from events to operations, from files, and into files."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TextIO

from paxoskv.checker.events import (
    FAIL,
    FUNCTIONS,
    GET,
    INCR,
    INFO,
    INVOKE,
    OK,
    TXN,
    BadEvent,
    BadOrder,
    Event,
    Value,
    check_value,
    event_line,
    parse_event,
)
from paxoskv.checker.operations import Operation
from paxoskv.checker.txns import Told, Txn

STANDARD_INPUT = "-"


class _Seen(NamedTuple):
    """An event, where it stands in the history, from 0, and on which line of the file."""

    event: Event
    place: int
    line: int


class _Instant(NamedTuple):
    """How often a process completed at one time; keeps the order of what it did at that time."""

    time_ns: int
    completions: int


class Pairing:
    """Turns events, taken one by one in the order of their times, into operations.

    Two events at the same time have no known order, and operations that meet there count as concurrent; but one
    process does one thing after another, also within one tick of the clock.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[_Seen, _Seen | None]] = []
        self._open: dict[int, _Seen] = {}
        self._ended: set[int] = set()
        self._instants: dict[int, _Instant] = {}
        self._order: list[tuple[int, int]] = []
        self._last_ns = 0

    def take(self, event: Event, line: int = 0) -> None:
        """Take the next event. Raises: BadOrder if it cannot follow those before it."""
        if event.time_ns < self._last_ns:
            raise BadOrder(f"time goes back, from {self._last_ns} to {event.time_ns} ns: sort the events by time", line)
        if event.type == INVOKE:
            self._invoke(event, line)
        else:
            self._complete(event, line)

    def operations(self) -> list[Operation]:
        """Return the operations so far, in the order of their invocations; open ones have an unknown outcome."""
        places = sorted(range(len(self._order)), key=self._order.__getitem__)
        order = [0] * len(places)
        for position, place in enumerate(places):
            order[place] = position
        pairs = [*self._pairs, *((invoked, None) for invoked in self._open.values())]
        pairs.sort(key=lambda pair: pair[0].place)
        return [_operation(invoked, completed, order) for invoked, completed in pairs]

    def _invoke(self, event: Event, line: int) -> None:
        already = self._open.get(event.process)
        if already is not None:
            raise BadOrder(
                f"process {event.process} invokes {event.f} while its {already.event.f}{_at(already.line)} is open: "
                "a process has one operation at a time",
                line,
            )
        if event.process in self._ended:
            raise BadOrder(
                f"process {event.process} goes on after an unknown outcome: give the client a new number then, "
                "since the old operation may still be under way",
                line,
            )
        self._open[event.process] = self._place(event, line)

    def _complete(self, event: Event, line: int) -> None:
        invoked = self._open.get(event.process)
        if invoked is None:
            raise BadOrder(f"process {event.process} completes a {event.f} that it has not invoked", line)
        begun = invoked.event
        if (event.f, event.key) != (begun.f, begun.key):
            raise BadOrder(
                f"process {event.process} completes {event.f} of {event.key!r}, "
                f"but what it invoked{_at(invoked.line)} is {begun.f} of {begun.key!r}",
                line,
            )
        tells = event.f == GET or (event.type == OK and event.f in (INCR, TXN))
        if not tells and event.value not in (None, begun.value):
            raise BadOrder(f"the {event.f} of process {event.process} completes with another value than invoked", line)
        del self._open[event.process]
        if event.type == INFO:
            self._ended.add(event.process)
        self._pairs.append((invoked, self._place(event, line)))

    def _place(self, event: Event, line: int) -> _Seen:
        """Note the place of an event that was found in order."""
        instant = self._instants.get(event.process)
        completions = instant.completions if instant is not None and instant.time_ns == event.time_ns else 0
        is_completion = event.type != INVOKE
        self._instants[event.process] = _Instant(event.time_ns, completions + is_completion)
        self._order.append((event.time_ns, 2 * completions + is_completion))
        self._last_ns = event.time_ns
        return _Seen(event, len(self._order) - 1, line)


class HistoryWriter:
    """Records what clients do, as it happens: in memory, and as JSON Lines on `stream` if one is given.

    Record an invocation before the request leaves, a completion after the answer came, both with the time of one
    clock. It refuses what no history may hold, with BadEvent or BadOrder: the recorder is wrong then.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._pairing = Pairing()
        self._open: dict[int, Event] = {}
        self._next_process = 0

    def new_process(self) -> int:
        """Return a number that no process has had: for every client, and for its life after an unknown outcome."""
        self._next_process += 1
        return self._next_process - 1

    def invoke(self, process: int, f: str, key: bytes, value: Value = None, *, time_ns: int) -> None:
        """Record that `process` calls `f`. value: as in `paxoskv.checker.events`."""
        event = Event(process, INVOKE, f, key, value, time_ns)
        self._record(event)
        self._open[process] = event
        self._next_process = max(self._next_process, process + 1)

    def ok(
        self,
        process: int,
        value: bytes | Told | None = None,
        *,
        time_ns: int,
        revision: int | None = None,
        slot: int | None = None,
    ) -> None:
        """Record success. value: what a get has read, the number after an incr, what a txn was answered."""
        self._complete(process, OK, value, time_ns, revision, slot, None)

    def fail(
        self,
        process: int,
        *,
        time_ns: int,
        error: str | None = None,
        revision: int | None = None,
        slot: int | None = None,
    ) -> None:
        """Record that it surely did not happen. error: why; none for a cas whose comparison failed."""
        self._complete(process, FAIL, None, time_ns, revision, slot, error)

    def info(self, process: int, *, time_ns: int, error: str | None = None) -> None:
        """Record that the outcome is unknown; the client goes on under a new number."""
        self._complete(process, INFO, None, time_ns, None, None, error)

    def operations(self) -> list[Operation]:
        """Return what was recorded so far, for `judge`."""
        return self._pairing.operations()

    def _complete(
        self,
        process: int,
        kind: str,
        value: Value,
        time_ns: int,
        revision: int | None,
        slot: int | None,
        error: str | None,
    ) -> None:
        begun = self._open.get(process)
        if begun is None:
            raise BadOrder(f"process {process} completes an operation that it has not invoked", 0)
        self._record(Event(process, kind, begun.f, begun.key, value, time_ns, revision, slot, error))
        del self._open[process]

    def _record(self, event: Event) -> None:
        if event.f not in FUNCTIONS:
            raise BadEvent(f"f is one of {', '.join(FUNCTIONS)}, not {event.f!r}", 0)
        try:
            check_value(event.f, event.type, event.value)
        except ValueError as error:
            raise BadEvent(str(error), 0) from None
        self._pairing.take(event)
        if self._stream is not None:
            self._stream.write(event_line(event))


def read_history(path: str | Path) -> list[Operation]:
    """Return the operations of a file of JSON Lines; the path "-" is standard input.

    Raises: OSError; BadEvent or BadOrder, with the number of the line.
    """
    if str(path) == STANDARD_INPUT:
        return parse_history(sys.stdin.buffer)
    with Path(path).open("rb") as lines:
        return parse_history(lines)


def parse_history(lines: Iterable[bytes]) -> list[Operation]:
    """Return the operations of lines of JSON; empty lines are skipped. Raises: BadEvent, BadOrder."""
    pairing = Pairing()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            pairing.take(parse_event(line, number), number)
    return pairing.operations()


def _operation(invoked: _Seen, completed: _Seen | None, order: list[int]) -> Operation:
    begun = invoked.event
    done = completed.event if completed is not None else None
    outcome = done.type if done is not None else INFO
    told = done.value if done is not None and outcome == OK else None
    txn = begun.value if isinstance(begun.value, Txn) else None
    return Operation(
        process=begun.process,
        f=begun.f,
        key=begun.key if txn is None else txn.keys[0],
        value=None if isinstance(begun.value, Txn | Told) else begun.value,
        outcome=outcome,
        result=told if begun.f in (GET, INCR) and isinstance(told, bytes) else None,
        invoked_ns=begun.time_ns,
        completed_ns=done.time_ns if done is not None else None,
        began=order[invoked.place],
        ended=order[completed.place] if completed is not None and outcome != INFO else None,
        revision=done.revision if done is not None else None,
        slot=done.slot if done is not None else None,
        error=done.error if done is not None else None,
        line=invoked.line or invoked.place + 1,
        txn=txn,
        told=told if isinstance(told, Told) else None,
    )


def _at(line: int) -> str:
    return f" of line {line}" if line else ""
