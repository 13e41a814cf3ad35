"""What one key does when operations come one after another: the specification that histories are judged by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from enum import Enum
from typing import Final, Literal

from paxoskv.checker.events import APPEND, CAS, DELETE, FAIL, GET, INCR, OK, PUT
from paxoskv.checker.operations import Operation
from paxoskv.checker.txns import number_of


class Mark(Enum):
    """What stands in the place of a state."""

    REFUSED = "the operation cannot have answered as it did"
    HIDDEN = "some value that nobody has seen"


REFUSED: Final = Mark.REFUSED
HIDDEN: Final = Mark.HIDDEN

Held = bytes | None
"""What a key holds, None while it is absent."""
State = Held | Literal[Mark.HIDDEN]
"""What a search has to know of it."""
Outcome = State | Literal[Mark.REFUSED]

INITIAL: Final[Held] = None


def step(operation: Operation, held: Held) -> Held | Literal[Mark.REFUSED]:
    """Return what the key holds after `operation`; REFUSED if its outcome does not agree with what it held before.

    An unknown outcome is taken as "it happened": a cas of unknown outcome has then found what it expected.
    """
    f, value = operation.f, operation.value
    if f == GET:
        return held if operation.result == held else REFUSED
    if f == PUT:
        assert isinstance(value, bytes), f"put of {value!r}: the reader of histories checks the shape"
        return value
    if f == CAS:
        assert isinstance(value, tuple), f"cas of {value!r}: the reader of histories checks the shape"
        expected, new = value
        if operation.outcome == FAIL:
            return held if held != expected else REFUSED
        return new if held == expected else REFUSED
    if f == DELETE:
        return None
    if f == INCR:
        return _count(operation, held)
    assert f == APPEND, f"{f} is no operation of this model"
    assert isinstance(value, bytes), f"append of {value!r}: the reader of histories checks the shape"
    return (held or b"") + value


def _count(operation: Operation, held: Held) -> Held | Literal[Mark.REFUSED]:
    """Return what a counter holds after an incr."""
    assert isinstance(operation.value, bytes), f"incr of {operation.value!r}: the reader of histories checks the shape"
    number, delta = number_of(held), number_of(operation.value)
    if number is None or delta is None:
        return REFUSED
    after = str(number + delta).encode()
    return after if operation.outcome != OK or operation.result == after else REFUSED


class Model:
    """The same, with all values that make no difference taken as one, HIDDEN.

    A value that no operation saw, and that no seen value begins with, can only be overwritten. Which one it is, and
    what was appended to it, does not matter to anybody; so searches need not tell such states apart.
    exact: tell them apart nevertheless, for those who want to know what the key held. Counters always are.
    initial: the state before everything. is_one_key: what is put or deleted has no other effect than that.
    """

    initial: State = INITIAL
    is_one_key = True

    def __init__(self, operations: Iterable[Operation], exact: bool = False) -> None:
        looks: set[Held] = set()
        self._exact = exact
        self._grows = False
        self._refuses = False
        for op in operations:
            self._grows |= op.f == APPEND
            self._exact |= op.f == INCR
            self._refuses |= op.f == CAS and op.outcome == FAIL
            if op.f == GET:
                looks.add(op.result)
            elif isinstance(op.value, tuple):
                looks.add(op.value[0])
        self._seen = looks
        self._sorted = sorted(value for value in looks if value is not None)

    def step(self, operation: Operation, state: State) -> Outcome:
        """Return the state after `operation`, or REFUSED."""
        if state is HIDDEN:
            return self._step_hidden(operation)
        after = step(operation, state)
        return after if after is state or after is None or after is REFUSED or self._matters(after) else HIDDEN

    def spend(self, operation: Operation, state: State) -> Outcome:
        """Return the state after an operation that need not have happened; REFUSED also if it serves no purpose.

        Nobody sees a hidden value, so to hide one only explains why a cas did not find what it expected.
        """
        after = self.step(operation, state)
        return REFUSED if after == state or (after is HIDDEN and not self._refuses) else after

    def _step_hidden(self, operation: Operation) -> Outcome:
        """Go on from a value that equals none that any operation looked for."""
        if operation.f == APPEND:
            return HIDDEN
        if operation.f in (PUT, DELETE):
            return self.step(operation, None)
        return HIDDEN if operation.f == CAS and operation.outcome == FAIL else REFUSED

    def _matters(self, value: bytes) -> bool:
        if self._exact or not self._grows:
            return self._exact or value in self._seen
        place = bisect_left(self._sorted, value)
        return place < len(self._sorted) and self._sorted[place].startswith(value)
