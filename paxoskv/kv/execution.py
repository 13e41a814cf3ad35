"""Carries out operations and transactions (see `paxoskv.kv.operations`) within one change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paxoskv.kv.change import Change, Found
from paxoskv.kv.compares import holds
from paxoskv.kv.counters import appended, incremented
from paxoskv.kv.leases import Leases
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.operations import (
    APPEND,
    COUNT_ONLY,
    DELETE,
    DELETE_RANGE,
    DESCENDING,
    GET,
    IF_ABSENT,
    IF_PRESENT,
    INCR,
    KEEP_LEASE,
    KEYS_ONLY,
    PREVIOUS,
    PUT,
    PUT_WITH,
    RANGE,
    TXN,
    Operation,
)
from paxoskv.kv.records import LEASE, VALUE, Record
from paxoskv.kv.replies import APPLIED, COMPARE_FAILED, TOO_MANY_KEYS, Refused
from paxoskv.kv.store import Store

_COMPARES = -1
"""The index in a refusal if no operation, but the compares had too many keys to look at."""


def execute(store: Store, leases: Leases, limits: KvLimits, operation: Operation) -> tuple[Any, ...]:
    """Carry out an operation, which may be a transaction: the whole of it or, if it is refused, nothing.

    Returns the code of the reply and what follows revision and slot in it.
    """
    change = Change(store, leases, limits)
    run = _Run(change)
    is_transaction = operation[0] == TXN
    try:
        result = run.transaction(operation) if is_transaction else run.operation(operation)
    except Refused as refusal:
        change.undo()
        return (refusal.code, run.index) if is_transaction else (refusal.code,)
    change.commit()
    return _outcome(operation[0], result)


def _outcome(op: int, result: Any) -> tuple[Any, ...]:
    """Return code and rest of the reply that tells the result of a single operation."""
    if op == PUT:
        return (APPLIED,)
    if op == PUT_WITH:
        written, record = result
        return (APPLIED if written else COMPARE_FAILED, record)
    if op in (TXN, DELETE_RANGE):
        return (APPLIED, *result)
    return (APPLIED, result)


class _Run:
    """One execution. index: of the operation that runs, in the order of execution, the nested ones counted."""

    __slots__ = ("_change", "index")

    def __init__(self, change: Change) -> None:
        self._change = change
        self.index = _COMPARES

    def transaction(self, operation: Operation) -> tuple[int, tuple[Any, ...]]:
        """Decide every compare on the state before the transaction, as etcd does, then carry out what they chose."""
        return self._carry_out(_decide(self._change, operation))

    def operation(self, operation: Operation) -> Any:
        """Carry out one operation, which is no transaction; return its result. Raises: Refused."""
        return _OPERATIONS[operation[0]](self._change, *operation[1:])

    def _carry_out(self, decided: Operation) -> tuple[int, tuple[Any, ...]]:
        _, succeeded, branch = decided
        change = self._change
        results = []
        for operation in branch:
            self.index += 1
            op, *arguments = operation
            results.append(self._carry_out(operation) if op == TXN else _OPERATIONS[op](change, *arguments))
        return succeeded, tuple(results)


def _decide(change: Change, operation: Operation) -> Operation:
    """Return (TXN, succeeded, branch) of a transaction, those nested in its branch decided as well."""
    _, compares, then, otherwise = operation
    succeeded = 1
    for compare in compares:
        if not holds(change, compare):
            succeeded = 0
            break
    branch = then if succeeded else otherwise
    return TXN, succeeded, [_decide(change, one) if one[0] == TXN else one for one in branch]


# The operations


def _delete(change: Change, key: bytes) -> int:
    return int(change.delete(key))


def _get(change: Change, key: bytes) -> Record | None:
    return change.give(key, change.get(key))


def _incr(change: Change, key: bytes, delta: int) -> int:
    record = change.get(key)
    number = incremented(record[VALUE] if record else None, delta)
    change.put(key, b"%d" % number, record[LEASE] if record else 0)
    return number


def _append(change: Change, key: bytes, suffix: bytes) -> int:
    record = change.get(key)
    value = appended(record[VALUE] if record else None, suffix, change.value_bytes_max)
    change.put(key, value, record[LEASE] if record else 0)
    return len(value)


def _put_with(change: Change, key: bytes, value: bytes, lease: int, options: int) -> tuple[int, Record | None]:
    record = change.get(key)
    unwanted = IF_ABSENT if record is not None else IF_PRESENT
    if options & unwanted:
        return 0, change.give(key, record)
    if options & KEEP_LEASE and record is not None:
        lease = record[LEASE]
    change.put(key, value, lease)
    return 1, change.give(key, record) if options & PREVIOUS else None


def _delete_range(change: Change, start: bytes, end: bytes, limit: int, options: int) -> tuple[Any, ...]:
    total = change.count(start, end)
    if not limit and total > change.keys_left:
        raise Refused(TOO_MANY_KEYS)
    keys = change.first_keys(start, end, limit or total, False)
    previous = tuple([(key, change.give(key, change.get(key))) for key in keys]) if options & PREVIOUS else ()
    for key in keys:
        change.delete(key)
    return len(keys), int(total > len(keys)), previous


def _range(change: Change, start: bytes, end: bytes, limit: int, options: int) -> tuple[int, int, tuple[Found, ...]]:
    total = change.count(start, end)
    if options & COUNT_ONLY:
        return total, 0, ()
    told: list[Found] = []
    for key in change.first_keys(start, end, limit or total, bool(options & DESCENDING)):
        record = change.get(key)
        assert record is not None, f"{key!r} is in the order of the keys, but has no record"
        shown = (b"", *record[1:]) if options & KEYS_ONLY else record
        if not change.has_room(key, shown):
            break
        told.append((key, shown))
    return len(told), int(total > len(told)), tuple(told)


_OPERATIONS: dict[int, Callable[..., Any]] = {
    PUT: Change.put,
    DELETE: _delete,
    DELETE_RANGE: _delete_range,
    INCR: _incr,
    APPEND: _append,
    PUT_WITH: _put_with,
    GET: _get,
    RANGE: _range,
}
