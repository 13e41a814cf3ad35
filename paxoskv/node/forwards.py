"""Writes that arrived at a follower, on their way to the leader and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paxoskv.net import protocol
from paxoskv.node.answers import Waiter

Send = Callable[[int, int, bytes], bool]


class Forwards:
    """Sends each command to the leader once, never twice: repeating is the client's right, under its own number.

    send: (leader, number, command) -> whether the link took it.
    """

    def __init__(self, send: Send, bytes_max: int) -> None:
        self._send = send
        self._bytes_max = bytes_max
        self.bytes_in_flight = 0
        self._number = 0
        self._open: dict[int, tuple[int, int, Waiter]] = {}

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
        self._open[self._number] = (leader, len(command), waiter)

    def on_answer(self, leader: int, number: int, fields: tuple[Any, ...]) -> None:
        """The leader answered; a late or repeated answer finds nobody (P31)."""
        entry = self._open.get(number)
        if entry is None or entry[0] != leader:
            return
        del self._open[number]
        self.bytes_in_flight -= entry[1]
        sink, client_number = entry[2]
        sink.answer(client_number, *fields)

    def fail_others(self, leader: int | None) -> None:
        """`leader` leads now: nobody else will answer any more."""
        self._fail([number for number, entry in self._open.items() if entry[0] != leader])

    def fail_peer(self, peer: int) -> None:
        """A connection with `peer` broke: what it was sent, or its answer, may not have arrived."""
        self._fail([number for number, entry in self._open.items() if entry[0] == peer])

    def _fail(self, numbers: list[int]) -> None:
        for number in numbers:
            _, size, waiter = self._open.pop(number)
            self.bytes_in_flight -= size
            waiter.unknown("the leader was lost before it answered: retry with the same number")
