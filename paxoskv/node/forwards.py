"""Writes that arrived at a follower, on their way to the leader and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from paxoskv.net import protocol
from paxoskv.node.answers import Waiter

Send = Callable[[int, int, bytes], bool]

TIMEOUT_S = 5.0
"""A write that the leader has not answered for so long is lost, or its answer is: what loses single frames without
breaking a connection must not make us wait for ever (P31, P33)."""


class _Entry(NamedTuple):
    """A write on its way. since_s: when it left."""

    leader: int
    size_bytes: int
    waiter: Waiter
    since_s: float


class Forwards:
    """Sends each command to the leader once, never twice: repeating is the client's right, under its own number.

    send: (leader, number, command) -> whether the link took it. clock: monotonic seconds.
    """

    def __init__(self, send: Send, bytes_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._bytes_max = bytes_max
        self._clock = clock
        self.bytes_in_flight = 0
        self._number = 0
        self._open: dict[int, _Entry] = {}

    def submit(self, leader: int, command: bytes, waiter: Waiter) -> None:
        """Forward a valid command."""
        if self.bytes_in_flight + len(command) > self._bytes_max:
            waiter.fail(protocol.OVERLOADED, f"more than {self._bytes_max} bytes are in flight on this node")
            return
        self._number += 1
        if not self._send(leader, self._number, command):
            waiter.unavailable(f"no connection to the leader, node {leader}, from here")
            return
        self.bytes_in_flight += len(command)
        self._open[self._number] = _Entry(leader, len(command), waiter, self._clock())

    def on_answer(self, leader: int, number: int, fields: tuple[Any, ...]) -> None:
        """The leader answered; a late or repeated answer finds nobody (P31)."""
        entry = self._open.get(number)
        if entry is None or entry.leader != leader:
            return
        del self._open[number]
        self.bytes_in_flight -= entry.size_bytes
        sink, client_number = entry.waiter
        sink.answer(client_number, *fields)

    def on_timer(self) -> None:
        """Give up what has been on its way for too long; the oldest come first."""
        before_s = self._clock() - TIMEOUT_S
        while self._open:
            number, oldest = next(iter(self._open.items()))
            if oldest.since_s > before_s:
                return
            self._fail([number])

    def fail_others(self, leader: int | None) -> None:
        """`leader` leads now: nobody else will answer any more."""
        self._fail([number for number, entry in self._open.items() if entry.leader != leader])

    def fail_peer(self, peer: int) -> None:
        """A connection with `peer` broke: what it was sent, or its answer, may not have arrived."""
        self._fail([number for number, entry in self._open.items() if entry.leader == peer])

    def _fail(self, numbers: list[int]) -> None:
        for number in numbers:
            entry = self._open.pop(number)
            self.bytes_in_flight -= entry.size_bytes
            entry.waiter.unknown("the leader was lost before it answered: retry with the same number")
