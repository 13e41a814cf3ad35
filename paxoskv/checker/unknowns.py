"""Operations of unknown outcome: which need no thought, and by when the others must have happened.

Each operation that may happen at any later time, or never, can double the work of a search. Two facts spare most of
it (pitfalls D, unknown outcomes): what nobody can have seen may as well not have happened, and what somebody saw,
and nobody else can have written, happened before it was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from paxoskv.checker.events import APPEND, CAS, DELETE, FAIL, GET, OK, PUT, Value
from paxoskv.checker.model import Held
from paxoskv.checker.operations import Operation


class KeyHistory(NamedTuple):
    """What the searches work on: operations of one key, each group in the order of their invocations.

    required: each must be placed between its two events. optional: may be placed after its invocation, or not at all;
        its number is its bit in a set of them.
    twins: for each optional one the bit of the one before it that does the same, 0 if there is none. An optional
        operation need not be tried while its twin is unused, which was invoked earlier and would do as well.
    """

    required: tuple[Operation, ...]
    optional: tuple[Operation, ...]
    twins: tuple[int, ...]


class _Sight(NamedTuple):
    """A value that an operation saw. by: when at the latest, None if its own outcome is unknown."""

    value: Held
    by: int | None


def settle(operations: Iterable[Operation]) -> KeyHistory:
    """Return the operations of one key as the searches need them, without those that say nothing."""
    counting = sorted((op for op in operations if op.counts), key=lambda op: op.began)
    required = [op for op in counting if op.ended is not None]
    unknown = [op for op in counting if op.ended is None]
    if unknown:
        unknown = noticeable(unknown, counting)
        unknown, settled = _seen_for_sure(unknown, counting)
        required = sorted(required + settled, key=lambda op: op.began)
    return KeyHistory(tuple(required), tuple(unknown), twins_of(unknown))


def product(operation: Operation) -> Held:
    """Return what a put, a delete or a cas that happened leaves in the key."""
    value = operation.value
    return value[1] if isinstance(value, tuple) else value


def sights(operations: Iterable[Operation]) -> list[_Sight]:
    """Return the values that gets read and cas found as expected, also a cas that may have happened."""
    seen = []
    for op in operations:
        if op.f == GET and op.outcome == OK:
            seen.append(_Sight(op.result, op.ended))
        elif op.f == CAS and op.outcome != FAIL and isinstance(op.value, tuple):
            seen.append(_Sight(op.value[0], op.ended))
    return seen


def noticeable(unknown: Sequence[Operation], counting: Sequence[Operation]) -> list[Operation]:
    """Return those of `unknown` whose effect somebody may have noticed; to leave out the rest changes no verdict.

    A failed cas notices any value, by not finding its own; and what appends make of a value begins with it.
    """
    seen = sights(counting)
    refused = [op.ended for op in counting if op.f == CAS and op.outcome == FAIL]
    appended = any(op.f == APPEND for op in counting)
    return [
        op
        for op in unknown
        if any(_after(by, op) for by in refused)
        or any(_after(sight.by, op) and _shows(sight.value, op, appended) for sight in seen)
    ]


def twins_of(optional: Sequence[Operation]) -> tuple[int, ...]:
    """Return for each operation the bit of the one before it that does the same, 0 if there is none."""
    last: dict[tuple[str, Value], int] = {}
    twins = []
    for number, op in enumerate(optional):
        twins.append(last.get((op.f, op.value), 0))
        last[op.f, op.value] = 1 << number
    return tuple(twins)


def _after(by: int | None, operation: Operation) -> bool:
    return by is None or by > operation.began


def _shows(value: Held, operation: Operation, appended: bool) -> bool:
    """Whether a key that held `value` may owe it to `operation`, and to appends after it if there are any."""
    if not appended:
        return value == product(operation)
    if value is None:
        return operation.f == DELETE
    if operation.f == DELETE:
        return True
    made = product(operation)
    assert made is not None, f"only a delete makes a key absent, not {operation}"
    return made in value if operation.f == APPEND else value.startswith(made)


def _seen_for_sure(
    unknown: Sequence[Operation], counting: Sequence[Operation]
) -> tuple[list[Operation], list[Operation]]:
    """Split `unknown`: still open, and surely done, since a value was seen that no other operation makes.

    The latter end when that value was first seen. Appends build values from parts, so with them nothing is sure.
    """
    if any(op.f == APPEND for op in counting):
        return list(unknown), []
    makers = Counter(product(op) for op in counting if op.f == PUT or (op.f == CAS and op.outcome != FAIL))
    first_seen: dict[Held, int] = {}
    for value, by in sights(counting):
        if by is not None:
            first_seen[value] = min(by, first_seen.get(value, by))
    still_open, settled = [], []
    for op in unknown:
        by = first_seen.get(product(op)) if op.f != DELETE and makers[product(op)] == 1 else None
        if by is None or by <= op.began:
            still_open.append(op)
        else:
            settled.append(op._replace(ended=by))
    return still_open, settled
