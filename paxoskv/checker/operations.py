"""Operations: an invocation and its completion together, with their places in the one order of all events."""

from __future__ import annotations

from typing import NamedTuple

from paxoskv.checker.events import CAS, DELETE, FAIL, GET, INFO, OK
from paxoskv.checker.txns import Step, Told, Txn

Given = bytes | tuple[bytes | None, bytes] | None
"""What a call of a single key is given; the pair belongs to cas."""


class Operation(NamedTuple):
    """One call of a client and what is known of its outcome.

    value: what the call was given, as at its invocation. result: what a get read, or the number after an incr.
    txn, told: the same of a transaction, whose key is the first one of its keys.
    outcome: ok, fail or info; info if it never completed.
    began, ended: places of its two events in the order of all events; ended is None if the outcome is unknown, since
        it may still happen at any later time.
    completed_ns: when its client was told, or gave up; None if it never completed.
    line: of its invocation in the file, else its number in the history.
    """

    process: int
    f: str
    key: bytes
    value: Given
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
    txn: Txn | None = None
    told: Told | None = None

    @property
    def is_observer(self) -> bool:
        """Whether it changes nothing, but says something: a get, a cas that failed to compare, a txn that only reads.

        A transaction of unknown outcome counts as one that writes if it has any step that does.
        """
        if self.txn is not None:
            return all(step.f == GET for step in self.steps)
        return self.f == GET or (self.f == CAS and self.outcome == FAIL)

    @property
    def surely_changes(self) -> bool:
        """Whether it has changed something if it happened at all: not so of what only deletes."""
        if self.txn is not None:
            return any(step.f not in (GET, DELETE) for step in self.steps)
        return not self.is_observer and self.f != DELETE

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of a transaction that were carried out; of one without an answer, all that may have been."""
        if self.txn is None:
            return ()
        if self.told is None:
            return (*self.txn.then, *self.txn.otherwise)
        return self.txn.then if self.told.succeeded else self.txn.otherwise

    @property
    def keys(self) -> list[bytes]:
        """The keys that it is about."""
        return [self.key] if self.txn is None else self.txn.keys

    @property
    def counts(self) -> bool:
        """Whether it says anything: not a get of unknown result, nor what surely did not happen."""
        if self.outcome == OK:
            return True
        if self.outcome == INFO:
            return not self.is_observer
        return self.f == CAS and self.error is None
