"""Operations: an invocation and its completion together, with their places in the one order of all events."""

from __future__ import annotations

from typing import NamedTuple

from paxoskv.checker.events import CAS, FAIL, GET, INFO, OK, Value


class Operation(NamedTuple):
    """One call of a client and what is known of its outcome.

    value: what the call was given, as at its invocation. result: what a get read, else None.
    outcome: ok, fail or info; info if it never completed.
    began, ended: places of its two events in the order of all events; ended is None if the outcome is unknown, since
        it may still happen at any later time.
    completed_ns: when its client was told, or gave up; None if it never completed.
    line: of its invocation in the file, else its number in the history.
    """

    process: int
    f: str
    key: bytes
    value: Value
    outcome: str
    result: bytes | None
    invoked_ns: int
    completed_ns: int | None
    began: int
    ended: int | None
    revision: int | None = None
    slot: int | None = None
    error: str | None = None
    line: int = 0

    @property
    def is_observer(self) -> bool:
        """Whether it changes nothing, but says something about the key: a get, or a cas whose comparison failed."""
        return self.f == GET or (self.f == CAS and self.outcome == FAIL)

    @property
    def counts(self) -> bool:
        """Whether it says anything: not a get of unknown result, nor what surely did not happen."""
        if self.outcome == OK:
            return True
        if self.outcome == INFO:
            return self.f != GET
        return self.f == CAS and self.error is None
