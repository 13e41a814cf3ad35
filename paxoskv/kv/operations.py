"""What a transaction is made of: compares and operations, plain tuples that travel as they are.

An operation is `(op, argument, ...)`, its number and arguments those of the command of the same name:

    (PUT, key, value, lease)                        None
    (DELETE, key)                                   deleted: 0 or 1
    (DELETE_RANGE, start, end, limit, options)      (deleted, more, records)
    (INCR, key, delta)                              number
    (APPEND, key, suffix)                           length
    (PUT_WITH, key, value, lease, options)          (written, record)    record: the previous one, if asked or failed
    (GET, key)                                      record or None       only in transactions
    (RANGE, start, end, limit, options)             (count, more, records)   only in transactions
    (TXN, compares, then, otherwise)                (succeeded, results)

On the right is the result that the reply of the transaction holds for it; records are `((key, record), ...)`.

A compare is `(target, relation, start, end, operand)`: end None compares the key `start`, otherwise all keys of
start <= key < end (b"": the end of all keys), each of which has to hold; an interval without keys counts as one
absent key. Of an absent key all numbers are 0, and no compare on a value holds, NOT_EQUAL neither. ABSENT with
EQUAL: no key exists there; with NOT_EQUAL: one does; its operand is None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from paxoskv.kv.faults import BadCommand, CommandTooLarge, shown
from paxoskv.kv.limits import DEPTH_MAX, ITEMS_MAX, KvLimits

Operation = tuple[Any, ...]
Compare = tuple[int, int, bytes, bytes | None, Any]

PUT: Final = 1
DELETE: Final = 2
TXN: Final = 6
DELETE_RANGE: Final = 7
INCR: Final = 8
APPEND: Final = 9
PUT_WITH: Final = 10
GET: Final = 16
RANGE: Final = 17

VALUE, VERSION, CREATED, MODIFIED, LEASE, ABSENT = range(6)
EQUAL, NOT_EQUAL, LESS, GREATER = range(4)

PREVIOUS = 1
"""Of PUT_WITH and DELETE_RANGE: return what was there."""
KEEP_LEASE = 2
"""Of PUT_WITH: the key keeps the lease it has."""
IF_ABSENT = 4
IF_PRESENT = 8
"""Of PUT_WITH: write only if the key does not, or does exist."""

DESCENDING = 1
KEYS_ONLY = 2
COUNT_ONLY = 4
"""Of RANGE."""

NUMBER_MAX = (1 << 63) - 1

_ARGUMENTS: dict[int, tuple[str, ...]] = {
    PUT: ("key", "value", "lease"),
    DELETE: ("key",),
    DELETE_RANGE: ("start", "end", "limit", "options"),
    INCR: ("key", "delta"),
    APPEND: ("key", "value"),
    PUT_WITH: ("key", "value", "lease", "options"),
    GET: ("key",),
    RANGE: ("start", "end", "limit", "options"),
}
_OPTIONS_MAX = {DELETE_RANGE: 1, PUT_WITH: 15, RANGE: 7}


# Making them, for clients


def put(key: bytes, value: bytes, lease: int = 0) -> Operation:
    """Set `key` to `value`, attached to a lease or, with 0, to none."""
    return PUT, key, value, lease


def delete(key: bytes) -> Operation:
    """Remove `key`, if it exists."""
    return DELETE, key


def delete_range(start: bytes, end: bytes, limit: int = 0, options: int = 0) -> Operation:
    """Remove the keys of `start` <= key < `end`: all of them (limit 0) or the first `limit`."""
    return DELETE_RANGE, start, end, limit, options


def incr(key: bytes, delta: int) -> Operation:
    """Add `delta` to the number that `key` holds."""
    return INCR, key, delta


def append(key: bytes, suffix: bytes) -> Operation:
    """Add `suffix` to the end of what `key` holds."""
    return APPEND, key, suffix


def put_with(key: bytes, value: bytes, lease: int = 0, options: int = 0) -> Operation:
    """Set `key` to `value` under `options`: PREVIOUS, KEEP_LEASE, IF_ABSENT, IF_PRESENT."""
    return PUT_WITH, key, value, lease, options


def get(key: bytes) -> Operation:
    """Read `key`."""
    return GET, key


def read_range(start: bytes, end: bytes, limit: int = 0, options: int = 0) -> Operation:
    """Read the keys of `start` <= key < `end`, at most `limit` (0: as many as the reply may hold)."""
    return RANGE, start, end, limit, options


def txn(compares: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation] = ()) -> Operation:
    """Carry out `then` if every compare holds, else `otherwise`."""
    return TXN, tuple(compares), tuple(then), tuple(otherwise)


def compare(target: int, relation: int, start: bytes, operand: Any, end: bytes | None = None) -> Compare:
    """Compare a field of the key `start`, or with `end` of all keys of an interval, with an operand."""
    return target, relation, start, end, operand


# Checking their shape: what is let through can be executed by every version that knows the operations


def check_operation(operation: Any, depth: int = 1) -> None:
    """Let an operation through whose every field has the type and range that it demands. Raises: BadCommand."""
    if type(operation) is not tuple or not operation or type(operation[0]) is not int:
        raise BadCommand(f"an operation is an array that begins with its number, not {shown(operation)}")
    op = operation[0]
    if op == TXN:
        _check_txn(operation[1:], depth)
    elif op in _ARGUMENTS:
        check_arguments(op, operation[1:])
    else:
        raise BadCommand(f"a transaction has no operation {op}: a newer version may know it")


def _is_put(operation: Any) -> bool:
    """Whether it is a put without a flaw: most operations are, and the long way costs ten times as much."""
    if type(operation) is not tuple or len(operation) != 4:
        return False
    op, key, value, lease = operation
    if type(op) is not int or op != PUT or type(lease) is not int:
        return False
    return bool(key) and type(key) is type(value) is bytes and 0 <= lease <= NUMBER_MAX


def check_arguments(op: int, arguments: Sequence[Any]) -> None:
    """Let the arguments of an operation through, a transaction aside. Raises: BadCommand."""
    names = _ARGUMENTS[op]
    if len(arguments) != len(names):
        raise BadCommand(f"operation {op} has the arguments {', '.join(names)}, not {len(arguments)} of them")
    for name, argument in zip(names, arguments, strict=True):
        _CHECKS[name](argument)
    if op in _OPTIONS_MAX:
        _check_options(op, arguments[3])
    if op == PUT_WITH:
        _check_put_options(arguments[2], arguments[3])


def check_number(name: str, raw: Any, least: int = 0) -> None:
    """Let a natural number of at most 63 bits through. Raises: BadCommand."""
    if type(raw) is not int or not least <= raw <= NUMBER_MAX:
        raise BadCommand(f"the {name} is a number from {least} to 2**63 - 1, not {shown(raw)}")


def _check_txn(arguments: Sequence[Any], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise BadCommand(f"more than {DEPTH_MAX} transactions are nested in one another")
    if len(arguments) != 3 or not type(arguments[0]) is type(arguments[1]) is type(arguments[2]) is tuple:
        raise BadCommand(f"a transaction is compares, then, otherwise, each an array, not {shown(arguments)}")
    compares, then, otherwise = arguments
    for part in (compares, then, otherwise):
        if len(part) > ITEMS_MAX:
            raise BadCommand(f"a transaction has {len(part)} items side by side: at most {ITEMS_MAX} are readable")
    for one in compares:
        _check_compare(one)
    for operation in (*then, *otherwise):
        if not _is_put(operation):
            check_operation(operation, depth + 1)


def _check_compare(raw: Any) -> None:
    if type(raw) is not tuple or len(raw) != 5:
        raise BadCommand(f"a compare is target, relation, start, end and operand, not {shown(raw)}")
    target, relation, start, end, operand = raw
    if type(target) is not int or not VALUE <= target <= ABSENT:
        raise BadCommand(f"unknown target of a compare {shown(target)}: it is from 0 (value) to 5 (absent)")
    if type(relation) is not int or not EQUAL <= relation <= (GREATER if target != ABSENT else NOT_EQUAL):
        raise BadCommand(f"unknown relation {shown(relation)}: 0 (=), 1 (!=), 2 (<), 3 (>); absent knows the first two")
    if end is None:
        if not start or type(start) is not bytes:
            _check_key(start)
    else:
        _check_bytes("start of an interval", start)
        _check_bytes("end of an interval", end)
    if target == VALUE:
        _check_bytes("compared value", operand)
    elif target == ABSENT:
        if operand is not None:
            raise BadCommand(f"the target absent has the operand nil, not {shown(operand)}")
    elif type(operand) is not int or not 0 <= operand <= NUMBER_MAX:
        check_number("compared number", operand)


def _check_key(raw: Any) -> None:
    if type(raw) is not bytes or not raw:
        raise BadCommand("the key is empty" if raw == b"" else f"the key is bytes, not {shown(raw)}")


def _check_bytes(name: str, raw: Any) -> None:
    if type(raw) is not bytes:
        raise BadCommand(f"the {name} is bytes, not {shown(raw)}")


def _check_delta(raw: Any) -> None:
    if type(raw) is not int or not -NUMBER_MAX - 1 <= raw <= NUMBER_MAX:
        raise BadCommand(f"the delta is a signed number of 64 bits, not {shown(raw)}")


def _check_options(op: int, options: int) -> None:
    if options > _OPTIONS_MAX[op]:
        raise BadCommand(f"unknown options {options} of operation {op}: a newer version may know them")


def _check_put_options(lease: int, options: int) -> None:
    if options & KEEP_LEASE and lease:
        raise BadCommand(f"lease {lease} cannot be set and the present one kept: with KEEP_LEASE the field is 0")
    if options & IF_ABSENT and options & IF_PRESENT:
        raise BadCommand("no key is both absent and present: choose one of the conditions")


_CHECKS: dict[str, Callable[[Any], None]] = {
    "key": _check_key,
    "value": lambda raw: _check_bytes("value", raw),
    "start": lambda raw: _check_bytes("start", raw),
    "end": lambda raw: _check_bytes("end", raw),
    "lease": lambda raw: check_number("lease", raw),
    "limit": lambda raw: check_number("limit", raw),
    "options": lambda raw: check_number("options", raw),
    "delta": _check_delta,
}


# Checking their size: what a client may bring into the log


def check_size(operation: Operation, limits: KvLimits) -> None:
    """Let a well-shaped operation through. Raises: CommandTooLarge, for a key, a value or a transaction."""
    counts = [-1, 0]  # the whole is not one of its operations
    _check_sizes(operation, limits, 1, counts)
    for what, count in zip(("operations", "compares"), counts, strict=True):
        if count > limits.txn_operations_max:
            raise CommandTooLarge(
                f"the transaction has {count} {what}: at most {limits.txn_operations_max} are allowed"
            )


def _check_sizes(operation: Operation, limits: KvLimits, depth: int, counts: list[int]) -> None:
    """Check an operation and what is nested in it; add it and its compares up in `counts`."""
    counts[0] += 1
    if operation[0] == PUT:
        if len(operation[1]) > limits.key_bytes_max or len(operation[2]) > limits.value_bytes_max:
            _check_length("key", operation[1], limits)
            _check_length("value", operation[2], limits)
        return
    if operation[0] != TXN:
        for name, argument in zip(_ARGUMENTS[operation[0]], operation[1:], strict=True):
            if name in _BYTES_MAX:
                _check_length(name, argument, limits)
        return
    if depth > limits.txn_depth_max:
        raise CommandTooLarge(f"{depth} transactions are nested: at most {limits.txn_depth_max} are allowed")
    _, compares, then, otherwise = operation
    counts[1] += len(compares)
    for target, _, start, end, operand in compares:
        if end is not None or len(start) > limits.key_bytes_max:
            _check_length("key" if end is None else "start", start, limits)
            _check_length("end", end or b"", limits)
        if target == VALUE:
            _check_length("value", operand, limits)
    for one in (*then, *otherwise):
        _check_sizes(one, limits, depth + 1, counts)


def _check_length(name: str, argument: bytes, limits: KvLimits) -> None:
    limit, more = _BYTES_MAX[name]
    most: int = getattr(limits, limit) + more
    if len(argument) > most:
        raise CommandTooLarge(f"the {name} has {len(argument)} bytes: at most {most} are allowed")


_BYTES_MAX = {
    "key": ("key_bytes_max", 0),
    "start": ("key_bytes_max", 1),
    "end": ("key_bytes_max", 1),
    "value": ("value_bytes_max", 0),
}
"""Limit of each argument that is bytes. The key right after the longest one has one byte more."""
