"""Between operations as the log tells them and as the client's users see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from paxoskv.client import ops as client_ops
from paxoskv.client.results import Entry
from paxoskv.kv import operations as raw
from paxoskv.simulator.past import Record


def record_of(entry: Entry | None) -> Record | None:
    """Return what an entry says of its key."""
    return None if entry is None else _record(entry)


def records_of(entries: Iterable[Entry]) -> tuple[tuple[bytes, Record], ...]:
    """Return keys and records of entries."""
    return tuple((entry.key, _record(entry)) for entry in entries)


def _record(entry: Entry) -> Record:
    return (entry.value, entry.created, entry.modified, entry.version, entry.lease)


def as_client_op(operation: raw.Operation) -> client_ops.Operation[Any]:
    """Return the operation as a user of the client writes it."""
    op, *arguments = operation
    match op:
        case raw.PUT:
            key, value, lease = arguments
            return client_ops.put(key, value, lease=lease)
        case raw.PUT_WITH:
            key, value, lease, options = arguments
            return client_ops.put(key, value, lease=lease, **put_options(options))
        case raw.DELETE_RANGE:
            start, end, limit, options = arguments
            return client_ops.delete_range(start=start, end=end, limit=limit, previous=bool(options))
        case raw.RANGE:
            return _range(*arguments)
        case raw.TXN:
            return client_ops.txn(*as_client_txn(operation))
        case _:
            return _SIMPLE[op](*arguments)


def as_client_txn(operation: raw.Operation) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """Return compares, then and otherwise of a transaction as a user of the client writes them."""
    _, compares, then, otherwise = operation
    return [_compare(*one) for one in compares], list(map(as_client_op, then)), list(map(as_client_op, otherwise))


def put_options(options: int) -> dict[str, bool]:
    """Return the options of a put by name."""
    names = {
        "previous": raw.PREVIOUS,
        "keep_lease": raw.KEEP_LEASE,
        "if_absent": raw.IF_ABSENT,
        "if_present": raw.IF_PRESENT,
    }
    return {name: bool(options & bit) for name, bit in names.items()}


def as_raw_results(operation: raw.Operation, outcome: client_ops.Outcome) -> tuple[int, tuple[Any, ...]]:
    """Return what the reply of a transaction holds, given what the client made of it."""
    branch = operation[2] if outcome.succeeded else operation[3]
    pairs = zip(branch, outcome.results, strict=True)
    return int(outcome.succeeded), tuple(_raw_result(one, result) for one, result in pairs)


def _raw_result(operation: raw.Operation, result: Any) -> Any:
    match operation[0]:
        case raw.PUT:
            return None
        case raw.PUT_WITH:
            return int(result.written), record_of(result.previous)
        case raw.DELETE_RANGE:
            return result.deleted, int(result.more), records_of(result.previous)
        case raw.GET:
            return record_of(result)
        case raw.RANGE:
            return result.keys, int(result.more), records_of(result.entries)
        case raw.TXN:
            return as_raw_results(operation, result)
        case _:
            return int(result)


def _range(start: bytes, end: bytes, limit: int, options: int) -> client_ops.Operation[Any]:
    return client_ops.range(
        start=start,
        end=end,
        limit=limit,
        descending=bool(options & raw.DESCENDING),
        keys_only=bool(options & raw.KEYS_ONLY),
        count_only=bool(options & raw.COUNT_ONLY),
    )


def _compare(target: int, relation: int, start: bytes, end: bytes | None, operand: Any) -> client_ops.Compare:
    where: Any = start if end is None else client_ops.keys(start=start, end=end)
    if target == raw.ABSENT:
        return client_ops.absent(where) if relation == raw.EQUAL else client_ops.present(where)
    return _TARGETS[target](where, _RELATIONS[relation], operand)


_SIMPLE: dict[int, Callable[..., client_ops.Operation[Any]]] = {
    raw.DELETE: client_ops.delete,
    raw.INCR: client_ops.incr,
    raw.APPEND: client_ops.append,
    raw.GET: client_ops.get,
}
_TARGETS: dict[int, Callable[..., client_ops.Compare]] = {
    raw.VALUE: client_ops.value,
    raw.VERSION: client_ops.version,
    raw.CREATED: client_ops.created,
    raw.MODIFIED: client_ops.modified,
    raw.LEASE: client_ops.lease,
}
_RELATIONS = {raw.EQUAL: "=", raw.NOT_EQUAL: "!=", raw.LESS: "<", raw.GREATER: ">"}
