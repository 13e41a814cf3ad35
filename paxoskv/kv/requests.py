"""The commands beyond put, delete, cas and sessions, as clients encode them; fields are only ever appended:

    [op,         session, seq, acked, argument, ...]    DELETE_RANGE, INCR, APPEND, PUT_WITH: as in `operations`
    [TXN,        session, seq, acked, body]             body: packed [compares, then, otherwise]
    [GRANT,      session, seq, acked, ttl_ms]
    [KEEP_ALIVE, 0, 0, 0, body]                         body: packed [lease, ...]
    [REVOKE,     session, seq, acked, lease]
    [EXTEND,     0, 0, 0]                               a new leader's own: no client may send it
    [COMPACT,    session, seq, acked, revision]

A lease is kept alive without a session: to renew it twice is harmless, so no reply has to be kept, and one command
can renew the leases of many clients. A body is bytes, so that the arrays in a command have a known size (H3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgpack

from paxoskv.kv.faults import BadCommand, CommandTooLarge, shown
from paxoskv.kv.limits import ITEMS_MAX, KvLimits
from paxoskv.kv.operations import (
    APPEND,
    DELETE_RANGE,
    INCR,
    PUT_WITH,
    TXN,
    Operation,
    check_arguments,
    check_number,
    check_operation,
    check_size,
)

GRANT: Final = 11
KEEP_ALIVE: Final = 12
REVOKE: Final = 13
EXTEND: Final = 14
COMPACT: Final = 15

FIELD_COUNTS = {
    TXN: 5,
    DELETE_RANGE: 8,
    INCR: 6,
    APPEND: 6,
    PUT_WITH: 8,
    GRANT: 5,
    KEEP_ALIVE: 5,
    REVOKE: 5,
    EXTEND: 4,
    COMPACT: 5,
}
_OPERATIONS = (DELETE_RANGE, INCR, APPEND, PUT_WITH)
_NUMBERS = {GRANT: ("time to live in ms", 1), REVOKE: ("lease", 1), COMPACT: ("revision", 0)}
_MALFORMED = (ValueError, msgpack.exceptions.UnpackException)

Fields = tuple[Any, ...]


# Encoding


def write(session: int, seq: int, acked: int, operation: Operation) -> bytes:
    """Carry out one operation, which may be a transaction."""
    op, *arguments = operation
    if op == TXN:
        arguments = [_pack(arguments)]
    return _pack((op, session, seq, acked, *arguments))


def grant(session: int, seq: int, acked: int, ttl_ms: int) -> bytes:
    """Ask for a lease that lives for `ttl_ms` of log time unless it is renewed; its id comes with the reply."""
    return _pack((GRANT, session, seq, acked, ttl_ms))


def keep_alive(leases: Iterable[int]) -> bytes:
    """Let every one of these leases live for its whole time again."""
    return _pack((KEEP_ALIVE, 0, 0, 0, _pack(list(leases))))


def revoke(session: int, seq: int, acked: int, lease: int) -> bytes:
    """End a lease, and delete the keys that it holds."""
    return _pack((REVOKE, session, seq, acked, lease))


def extend() -> bytes:
    """Let every lease live for its whole time again: a new leader's first command (P18)."""
    return _pack((EXTEND, 0, 0, 0))


def compact(session: int, seq: int, acked: int, revision: int) -> bytes:
    """Forget the history up to `revision`."""
    return _pack((COMPACT, session, seq, acked, revision))


# Decoding, when a command was chosen, and checking, before it is proposed


def decode(fields: Fields) -> Fields:
    """Return a command whose header and field count are right with its body unpacked and every argument checked.

    Raises: BadCommand.
    """
    op = fields[0]
    if op in _OPERATIONS:
        check_arguments(op, fields[4:])
    elif op in _NUMBERS:
        name, least = _NUMBERS[op]
        check_number(name, fields[4], least)
    elif op == KEEP_ALIVE:
        return (*fields[:4], _decode_leases(fields[4]))
    elif op == TXN:
        transaction = (TXN, *_decode_body(fields[4]))
        check_operation(transaction)
        return (*fields[:4], *transaction[1:])
    return fields


def check(command: bytes, fields: Fields, limits: KvLimits) -> None:
    """Let a decoded command of a client through to the log. Raises: BadCommand or CommandTooLarge."""
    op = fields[0]
    if len(command) > limits.command_bytes_max:
        raise CommandTooLarge(f"the command has {len(command)} bytes: at most {limits.command_bytes_max} are allowed")
    if op == EXTEND:
        raise BadCommand("only a new leader extends all leases: keep alive those that are yours")
    if op == GRANT and not limits.lease_ttl_ms_min <= fields[4] <= limits.lease_ttl_ms_max:
        raise BadCommand(
            f"a lease lives for {limits.lease_ttl_ms_min} to {limits.lease_ttl_ms_max} ms, not {fields[4]}"
        )
    if op == KEEP_ALIVE and len(fields[4]) > limits.keep_alive_leases_max:
        raise CommandTooLarge(f"{len(fields[4])} leases at once: at most {limits.keep_alive_leases_max} are allowed")
    if op == TXN or op in _OPERATIONS:
        check_size((op, *fields[4:]), limits)


def _decode_leases(body: Any) -> tuple[int, ...]:
    leases = _decode_body(body)
    if not leases:
        raise BadCommand("no lease to keep alive was named")
    for lease in leases:
        check_number("lease", lease, 1)
    return leases


def _decode_body(body: Any) -> tuple[Any, ...]:
    """Return the array packed in `body`; nothing in it is checked yet, and none is longer than may be read."""
    if type(body) is not bytes:
        raise BadCommand(f"the body of a command is bytes, not {shown(body)}")
    try:
        unpacked = msgpack.unpackb(
            body, use_list=False, max_array_len=min(ITEMS_MAX, len(body)), max_map_len=0, max_ext_len=0
        )
    except _MALFORMED as error:
        raise BadCommand(f"a body is one msgpack array of at most {ITEMS_MAX} items: {error}") from None
    if type(unpacked) is not tuple:
        raise BadCommand(f"a body is an array, not {shown(unpacked)}")
    return unpacked


def _pack(fields: Any) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed
