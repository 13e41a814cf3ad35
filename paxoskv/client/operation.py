"""One request of a caller, through all its attempts, until its result or its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from paxoskv.client.answers import Refusal
from paxoskv.errors import (
    BadRequest,
    Compacted,
    DiskFull,
    FutureRevision,
    OutcomeUnknown,
    Overloaded,
    PaxoskvError,
    TooLarge,
    Unavailable,
)
from paxoskv.net import protocol

Parse = Callable[[tuple[Any, ...]], Any]

_SURELY_NOT_APPLIED = {
    protocol.BAD_REQUEST,
    protocol.TOO_LARGE,
    protocol.UNAVAILABLE,
    protocol.OVERLOADED,
    protocol.SHUTTING_DOWN,
    protocol.DISK_FULL,
    protocol.COMPACTED,
    protocol.FUTURE_REVISION,
}
_FINAL: dict[int, Callable[[str], PaxoskvError]] = {
    protocol.BAD_REQUEST: BadRequest,
    protocol.TOO_LARGE: TooLarge,
    protocol.FUTURE_REVISION: FutureRevision,
}


class Operation:
    """A request and what became of its attempts. Every attempt asks for the same, under the same numbers (P25).

    number: of the request, on every connection. framed: the request as it travels. parse: makes the result of an OK
    answer. deadline_s: loop time. is_write: whether a lost attempt may have changed the store; reads and the opening
    of a session may be repeated freely.
    outcome: resolves to the result or to a PaxoskvError as a value, which nobody must fetch; cancelled or resolved
    means that nobody waits any more, and so that it is never sent again.
    in_flight: sent on the present connection, unanswered. uncertain: an earlier attempt may have been applied.
    retries: attempts that a node turned down. last_refusal: its words. timer: ends the pause before the next attempt.
    """

    __slots__ = (
        "deadline_s",
        "framed",
        "in_flight",
        "is_write",
        "last_refusal",
        "number",
        "outcome",
        "parse",
        "retries",
        "timer",
        "uncertain",
    )

    def __init__(self, number: int, framed: bytes, parse: Parse, deadline_s: float, is_write: bool) -> None:
        self.number = number
        self.framed = framed
        self.parse = parse
        self.deadline_s = deadline_s
        self.is_write = is_write
        self.outcome: asyncio.Future[Any]
        self.in_flight = False
        self.uncertain = False
        self.retries = 0
        self.last_refusal: Refusal | None = None
        self.timer: asyncio.TimerHandle | None = None

    def lose_attempt(self) -> None:
        """The attempt in flight, if any, will never be answered."""
        self.uncertain |= self.in_flight and self.is_write
        self.in_flight = False

    def turn_down(self, refusal: Refusal) -> PaxoskvError | None:
        """Note an answer other than OK; return the error if it is final, None if another attempt makes sense.

        A status that only a newer node knows leaves the outcome open.
        """
        self.last_refusal = refusal
        self.retries += 1
        if refusal.status not in _SURELY_NOT_APPLIED:
            self.uncertain |= self.is_write
        if refusal.status == protocol.COMPACTED:
            return Compacted(refusal.message, refusal.detail)
        final = _FINAL.get(refusal.status)
        if final is None:
            return None
        return OutcomeUnknown(self._in_doubt(refusal.message)) if self.uncertain else final(refusal.message)

    def give_up(self, why: str) -> PaxoskvError:
        """Return the error for an operation that ends without a result; `why` unless a node gave a reason."""
        self.lose_attempt()
        refusal = self.last_refusal
        reason = refusal.message if refusal else why
        if self.uncertain:
            return OutcomeUnknown(self._in_doubt(reason))
        if refusal and refusal.status == protocol.OVERLOADED:
            return Overloaded(f"not applied, the cluster is overloaded: {reason}", refusal.retry_after_s)
        if refusal and refusal.status == protocol.DISK_FULL:
            return DiskFull(f"not applied: {reason}")
        return Unavailable(f"not applied: {reason}")

    def _in_doubt(self, reason: str) -> str:
        return f"it may have been applied, or not ({reason}): read before you try again"
