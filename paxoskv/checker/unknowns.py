"""Operations of unknown outcome: which need no thought, and how long the others do.

Each operation that may happen at any later time, or never, can double the work of a search. Two facts spare most of
it (pitfalls D, unknown outcomes): what nobody can have seen may as well not have happened, and after the last look at
what it wrote it may as well not happen any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from paxoskv.checker.events import APPEND, CAS, DELETE, FAIL, GET, INCR, OK, PUT, TXN
from paxoskv.checker.model import Held
from paxoskv.checker.operations import Given, Operation


class KeyHistory(NamedTuple):
    """What the searches work on: operations of one key, each group in the order of their invocations.

    required: each must be placed between its two events. optional: may be placed after its invocation, or not at all;
        its number is its bit in a set of them.
    expires: for each optional one the place from which on nobody looks for what it did.
    twins: for each optional one the bit of the one before it that does the same, 0 if there is none. An optional
        operation need not be tried while its twin is unused, which was invoked earlier and would do as well.
    """

    required: tuple[Operation, ...]
    optional: tuple[Operation, ...]
    expires: tuple[int, ...]
    twins: tuple[int, ...]


LATER = 1 << 62
"""A place after every event."""


def adds_up(operations: Iterable[Operation]) -> bool:
    """Whether what a key holds may come from any of the operations before: from counting, or from transactions.

    Then none of them can be left out because nobody saw its value.
    """
    return any(op.f in (INCR, TXN) for op in operations)


def settle(operations: Iterable[Operation]) -> KeyHistory:
    """Return the operations of one key as the searches need them, without those that say nothing."""
    counting = sorted((op for op in operations if op.counts), key=lambda op: op.began)
    required = tuple(op for op in counting if op.ended is not None)
    unknown = [op for op in counting if op.ended is None]
    if not unknown:
        return KeyHistory(required, (), (), ())
    optional = tuple(noticeable(unknown, required))
    return KeyHistory(required, optional, _expires(optional, required), twins_of(optional, required))


def product(operation: Operation) -> Held:
    """Return what a put, a delete or a cas that happened leaves in the key; of an append or an incr what it adds."""
    value = operation.value
    return value[1] if isinstance(value, tuple) else value


def sights(operations: Iterable[Operation]) -> dict[Held, int]:
    """Return the values that gets read and cas found as expected, with the place up to which somebody may have.

    A cas of unknown outcome counts, too: it may have found its value at any time.
    """
    seen: dict[Held, int] = {}
    for op in operations:
        if op.f == GET and op.outcome == OK:
            value = op.result
        elif op.f == CAS and op.outcome != FAIL and isinstance(op.value, tuple):
            value = op.value[0]
        else:
            continue
        until = LATER if op.ended is None else op.ended
        seen[value] = max(until, seen.get(value, until))
    return seen


def noticeable(unknown: Sequence[Operation], required: Sequence[Operation]) -> list[Operation]:
    """Return those of `unknown` whose effect somebody may have noticed; to leave out the rest changes no verdict.

    Somebody is a required operation, or an unknown cas that is noticeable itself. unknown: by their invocation.
    """
    if adds_up((*required, *unknown)):
        return list(unknown)
    grows = any(op.f == APPEND for op in (*required, *unknown))
    kept: set[int] = set()
    fresh = sights(required)
    while fresh:
        found = [
            number
            for number, op in enumerate(unknown)
            if number not in kept and (_made_one(fresh, op) if grows else fresh.get(product(op), -1) > op.began)
        ]
        kept.update(found)
        fresh = sights(unknown[number] for number in found)
    kept.update(_excuses(unknown, kept, required, grows))
    return [op for number, op in enumerate(unknown) if number in kept]


def _made_one(seen: Mapping[Held, int], operation: Operation) -> bool:
    """Whether one of the values seen may be owed to `operation`, and to appends after it."""
    made = product(operation)
    for value, until in seen.items():
        if until <= operation.began:
            continue
        if value is None or made is None:
            if made is None:
                return True
        elif made in value if operation.f == APPEND else value.startswith(made):
            return True
    return False


def _excuses(
    unknown: Sequence[Operation], kept: Collection[int], required: Sequence[Operation], grows: bool
) -> Iterator[int]:
    """Yield the numbers of further operations that may explain why a cas did not find the value it expected.

    Any other value does that, so of the puts as many as there are such cas are enough, the first ones.
    """
    refused = [op for op in required if op.f == CAS and op.outcome == FAIL]
    last = max((op.ended for op in refused if op.ended is not None), default=-1)
    expected = {op.value[0] for op in refused if isinstance(op.value, tuple)}
    puts_left = len(refused)
    for number, op in enumerate(unknown):
        if number in kept or op.began > last:
            continue
        if op.f != PUT or grows or product(op) in expected:
            yield number
        elif puts_left:
            puts_left -= 1
            yield number


def twins_of(optional: Sequence[Operation], required: Sequence[Operation]) -> tuple[int, ...]:
    """Return for each operation the bit of the one before it that does the same, 0 if there is none.

    Values that nobody looks for are the same, unless something was appended to them.
    """
    everything = (*required, *optional)
    looks = {*sights(everything), *(op.value[0] for op in everything if isinstance(op.value, tuple))}
    grows = any(op.f == APPEND for op in everything) or adds_up(everything)
    last: dict[tuple[object, ...], int] = {}
    twins = []
    for number, op in enumerate(optional):
        hides = not grows and op.f != DELETE and product(op) not in looks
        value: Given = (op.value[0], b"") if isinstance(op.value, tuple) else None
        deed = op.f, op.key, op.txn, value if hides else op.value, hides
        twins.append(last.get(deed, 0))
        last[deed] = 1 << number
    return tuple(twins)


def _expires(optional: Sequence[Operation], required: Sequence[Operation]) -> tuple[int, ...]:
    """Return for each operation the place of the last look at what it wrote; with appends, of the last look at all."""
    if adds_up((*required, *optional)):
        return (LATER,) * len(optional)
    seen = sights((*required, *optional))
    refused = max((op.ended for op in required if op.is_observer and op.f == CAS and op.ended is not None), default=-1)
    if any(op.f == APPEND for op in (*required, *optional)):
        return (max(refused, *seen.values(), -1),) * len(optional)
    return tuple(max(refused, seen.get(product(op), -1)) for op in optional)
