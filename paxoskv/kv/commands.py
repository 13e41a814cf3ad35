"""What stands in the log: commands as clients encode them, and the batches that make up a slot's value.

A command is a msgpack array; fields are only ever appended, operations and conditions never change their number:

    [PUT,           session, seq, acked, key, value, lease]              lease: that the key is attached to, or 0
    [DELETE,        session, seq, acked, key]
    [CAS,           session, seq, acked, key, value, condition, operand]
    [OPEN_SESSION,  0, 0, 0]
    [CLOSE_SESSION, session, seq, acked]

and those of `paxoskv.kv.requests`: transactions, leases, and what else came later.

session: as `open_session` answered it. seq: the client's number of the write in its session, from 1, the same on
every retry. acked: the client settled all its writes up to this number, so their replies may be forgotten (P25).

A batch is `[BATCH_FORMAT, elapsed_ms, [command, ...]]`, its commands opaque bytes; b"" is the no-op.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgpack

from paxoskv.kv import requests
from paxoskv.kv.faults import BadCommand as BadCommand
from paxoskv.kv.faults import CommandTooLarge as CommandTooLarge
from paxoskv.kv.faults import shown as _shown
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.operations import NUMBER_MAX as NUMBER_MAX

PUT = 1
DELETE = 2
CAS = 3
OPEN_SESSION = 4
CLOSE_SESSION = 5

EXPECT_VALUE = 0
"""The key exists and holds exactly the operand, bytes."""
ABSENT = 1
"""The key does not exist; the operand is nil."""
REVISION = 2
"""The key exists and was last modified at the operand, a revision: safe where values may come back (P28)."""

BATCH_FORMAT = 1

_FIELD_COUNTS = {PUT: 7, DELETE: 5, CAS: 8, OPEN_SESSION: 4, CLOSE_SESSION: 4, **requests.FIELD_COUNTS}
_WITHOUT_SESSION = (OPEN_SESSION, requests.KEEP_ALIVE, requests.EXTEND)
_FIELDS_MAX = max(_FIELD_COUNTS.values())
_MALFORMED = (ValueError, msgpack.exceptions.UnpackException)


class BadBatch(ValueError):
    """A chosen value that this version cannot read: a newer one wrote it, or it is damaged. The node has to stop."""


class UnknownCommand(BadBatch):
    """The same for one command of a batch; to skip it would make this replica another than the rest (P35)."""


class Batch(NamedTuple):
    """The value of one slot. elapsed_ms: how much log time passes before its commands are executed."""

    elapsed_ms: int
    commands: tuple[bytes, ...]


NO_COMMANDS = Batch(0, ())
"""What the no-op, b"", stands for."""


# Encoding, for clients


def put(session: int, seq: int, acked: int, key: bytes, value: bytes, lease: int = 0) -> bytes:
    """Set `key` to `value`, attached to a lease or, with 0, to none."""
    return _pack(PUT, session, seq, acked, key, value, lease)


def delete(session: int, seq: int, acked: int, key: bytes) -> bytes:
    """Remove `key`, if it exists."""
    return _pack(DELETE, session, seq, acked, key)


def cas(
    session: int, seq: int, acked: int, key: bytes, value: bytes, condition: int, operand: bytes | int | None
) -> bytes:
    """Set `key` to `value` if the condition holds: EXPECT_VALUE, ABSENT or REVISION, each with its operand."""
    return _pack(CAS, session, seq, acked, key, value, condition, operand)


def open_session() -> bytes:
    """Ask for a session; its id comes with the reply."""
    return _pack(OPEN_SESSION, 0, 0, 0)


def close_session(session: int, seq: int, acked: int) -> bytes:
    """Forget the session and its replies."""
    return _pack(CLOSE_SESSION, session, seq, acked)


# Checking, before a command is proposed, and decoding, when it was chosen


def check(command: bytes, limits: KvLimits) -> None:
    """Let a command of a client through to the log.

    Raises: BadCommand, or CommandTooLarge for a key or a value beyond `limits`; never anything else (H1, H3).
    """
    fields = decode_command(command)
    if fields[0] > CLOSE_SESSION:
        requests.check(command, fields, limits)
        return
    if len(fields) == 4:
        return
    if len(fields[4]) > limits.key_bytes_max:
        raise CommandTooLarge(f"the key has {len(fields[4])} bytes: at most {limits.key_bytes_max} are allowed")
    if fields[0] == DELETE:
        return
    if len(fields[5]) > limits.value_bytes_max:
        raise _value_too_large("value", fields[5], limits)
    if fields[0] == CAS and fields[6] == EXPECT_VALUE and len(fields[7]) > limits.value_bytes_max:
        raise _value_too_large("expected value", fields[7], limits)


def decode_command(command: bytes) -> tuple[Any, ...]:
    """Return the fields of a command, every one of the type and range that its operation demands.

    Raises: BadCommand.
    """
    try:
        fields = msgpack.unpackb(command, use_list=False, max_array_len=_FIELDS_MAX, max_map_len=0, max_ext_len=0)
    except _MALFORMED as error:
        raise BadCommand(f"a command is one msgpack array of at most {_FIELDS_MAX} items: {error}") from None
    if type(fields) is not tuple or len(fields) < 4:
        raise BadCommand(f"a command is an array of at least 4 items, not {_shown(fields)}")
    op, session, seq, acked = fields[:4]
    if not (type(op) is type(session) is type(seq) is type(acked) is int):
        raise BadCommand(f"operation, session, seq and acked are numbers, not {', '.join(map(_shown, fields[:4]))}")
    if _FIELD_COUNTS.get(op) != len(fields):
        raise _bad_operation(op, len(fields))
    if not session and op in _WITHOUT_SESSION:
        if seq or acked:
            raise BadCommand(f"seq and acked of operation {op} are 0, not {seq}, {acked}")
    elif not (0 < session <= NUMBER_MAX and 0 <= acked < seq <= NUMBER_MAX):
        raise BadCommand(
            f"session {session}, seq {seq}, acked {acked}: a write needs 0 <= acked < seq and a session, below 2**63"
        )
    elif op <= CAS:
        _check_arguments(op, fields)
        return fields
    elif op in _WITHOUT_SESSION:
        raise BadCommand(f"operation {op} has no session: session, seq and acked are 0, not {session}, {seq}, {acked}")
    return requests.decode(fields) if op > CLOSE_SESSION else fields


def _check_arguments(op: int, fields: tuple[Any, ...]) -> None:
    """Check what follows the first four fields of a put, a delete or a cas."""
    key = fields[4]
    if type(key) is not bytes or not key:
        raise BadCommand("the key is empty" if key == b"" else f"the key is bytes, not {_shown(key)}")
    if op == DELETE:
        return
    if type(fields[5]) is not bytes:
        raise BadCommand(f"the value is bytes, not {_shown(fields[5])}")
    if op == CAS:
        _check_condition(fields[6], fields[7])
    elif type(fields[6]) is not int or not 0 <= fields[6] <= NUMBER_MAX:
        raise BadCommand(f"the lease is a number from 0 to 2**63 - 1, not {_shown(fields[6])}")


def _check_condition(condition: Any, operand: Any) -> None:
    if type(condition) is not int or not EXPECT_VALUE <= condition <= REVISION:
        raise BadCommand(f"unknown condition {_shown(condition)}: it is 0 (value), 1 (absent) or 2 (revision)")
    if condition == EXPECT_VALUE and type(operand) is not bytes:
        raise BadCommand(f"the expected value is bytes, not {_shown(operand)}")
    if condition == ABSENT and operand is not None:
        raise BadCommand(f"the condition absent has the operand nil, not {_shown(operand)}")
    if condition == REVISION and not (type(operand) is int and 0 <= operand <= NUMBER_MAX):
        raise BadCommand(f"the expected revision is a number from 0 to 2**63 - 1, not {_shown(operand)}")


def _bad_operation(op: int, field_count: int) -> BadCommand:
    if op not in _FIELD_COUNTS:
        return BadCommand(f"unknown operation {op}: a newer version may know it")
    return BadCommand(f"operation {op} has {_FIELD_COUNTS[op]} fields, not {field_count}")


def _value_too_large(what: str, value: bytes, limits: KvLimits) -> CommandTooLarge:
    return CommandTooLarge(f"the {what} has {len(value)} bytes: at most {limits.value_bytes_max} are allowed")


# Batches


def encode_batch(elapsed_ms: int, commands: Sequence[bytes]) -> bytes:
    """Return the value of a slot. Without commands it only advances log time, by `elapsed_ms`."""
    assert elapsed_ms >= 0, f"log time never goes back: {elapsed_ms} ms"
    return _pack(BATCH_FORMAT, elapsed_ms, commands)


def decode_batch(value: bytes) -> Batch:
    """Return the batch in a chosen value; its commands are not looked into. Raises: BadBatch."""
    if not value:
        return NO_COMMANDS
    try:
        fields = msgpack.unpackb(value, use_list=False, max_map_len=0, max_ext_len=0)
    except _MALFORMED as error:
        raise BadBatch(f"a chosen value of {len(value)} bytes is no batch, it is damaged or newer: {error}") from None
    if type(fields) is not tuple or not fields or type(fields[0]) is not int or fields[0] != BATCH_FORMAT:
        raise BadBatch(
            f"a chosen value is no batch of format {BATCH_FORMAT}, a newer version wrote it: {_shown(fields)}"
        )
    if len(fields) != 3:
        raise BadBatch(f"a batch of format {BATCH_FORMAT} has 3 fields, not {len(fields)}: it is damaged")
    elapsed_ms, commands = fields[1:]
    if type(elapsed_ms) is not int or not 0 <= elapsed_ms <= NUMBER_MAX:
        raise BadBatch(
            f"the elapsed time of a batch is from 0 to 2**63 - 1 ms, not {_shown(elapsed_ms)}: it is damaged"
        )
    if type(commands) is not tuple or any(type(command) is not bytes for command in commands):
        raise BadBatch(f"the commands of a batch are an array of bytes, not {_shown(commands)}: it is damaged")
    return Batch(elapsed_ms, commands)


def _pack(*fields: Any) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed
