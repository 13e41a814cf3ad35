"""The state machine: applies the chosen log, slot by slot, and answers every command in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

from paxoskv.kv import digest
from paxoskv.kv.commands import (
    ABSENT,
    CAS,
    CLOSE_SESSION,
    DELETE,
    EXPECT_VALUE,
    OPEN_SESSION,
    PUT,
    BadCommand,
    UnknownCommand,
    decode_batch,
    decode_command,
)
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.records import MODIFIED, VALUE, Record
from paxoskv.kv.replies import (
    APPLIED,
    COMPARE_FAILED,
    SEQ_ACKNOWLEDGED,
    SESSION_EXPIRED,
    TOO_MANY_REPLIES,
    TOO_MANY_SESSIONS,
    Reply,
)
from paxoskv.kv.sessions import Sessions
from paxoskv.kv.store import Store

Fields = tuple[Any, ...]
"""A decoded command, see `paxoskv.kv.commands`."""


class Machine:
    """Keys, sessions and log time, moved by `apply` alone.

    applied_slot: the last slot applied. now_ms: log time, the sum of what the batches so far carried.
    """

    __slots__ = ("_history", "_sessions", "_store", "applied_slot", "now_ms")

    def __init__(self, limits: KvLimits) -> None:
        self.applied_slot = 0
        self.now_ms = 0
        self._store = Store()
        self._sessions = Sessions(limits)
        self._history = _digest_of_rules(limits)

    @property
    def revision(self) -> int:
        """The store's revision: of its last change."""
        return self._store.revision

    @property
    def next_expiry_ms(self) -> int | None:
        """Log time from which on the oldest session is expired, None without one: a reason to advance log time."""
        return self._sessions.next_expiry_ms

    @property
    def keys(self) -> int:
        """How many keys exist."""
        return len(self._store)

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    def get(self, key: bytes) -> Record | None:
        """Return the record of `key`, None if it is absent."""
        return self._store.get(key)

    def range(
        self, start: bytes, end: bytes, limit: int, keys_only: bool, bytes_max: int
    ) -> tuple[list[tuple[bytes, Record]], bool]:
        """Return a page of records, and whether more are left: see `Store.range`."""
        return self._store.range(start, end, limit, keys_only, bytes_max)

    def digest(self) -> str:
        """Return 16 hex digits, equal on every replica that applied the same log under the same session limits.

        They cover the contents, the revision, log time, and all that was applied and answered so far.
        """
        state = self._history
        store, sessions = self._store, self._sessions
        for number in (store.contents, store.revision, sessions.opened, self.now_ms, self.applied_slot):
            state = digest.mix(state, number)
        return f"{state:016x}"

    def apply(self, slot: int, value: bytes) -> list[Reply]:
        """Apply the value chosen in `slot`, the one after `applied_slot`; return a reply for each of its commands.

        Raises: BadBatch or UnknownCommand, the machine unchanged, if this version cannot read the value (P35).
        """
        assert slot == self.applied_slot + 1, f"slot {slot} after {self.applied_slot}: slots are applied in order"
        elapsed_ms, commands = decode_batch(value)
        decoded = [_decode(slot, command) for command in commands]
        self.applied_slot = slot
        if elapsed_ms:
            self.now_ms += elapsed_ms
            self._sessions.expire(self.now_ms)
        replies = [self._execute(fields) for fields in decoded]
        self._history = digest.mix(self._history, _checksum(value, replies))
        return replies

    # Exactly once

    def _execute(self, fields: Fields) -> Reply:
        """Execute a command, unless it is a copy: a write with a known number gets its first reply again (P25)."""
        op, seq = fields[0], fields[2]
        if op == OPEN_SESSION:
            return self._open_session()
        session = self._sessions.touch(fields[1], self.now_ms)
        if session is None:
            return self._reply(SESSION_EXPIRED)
        session.acknowledge(fields[3])
        if seq <= session.acked:
            return self._reply(SEQ_ACKNOWLEDGED)
        first = session.replies.get(seq)
        if first is not None:
            return first
        if not self._sessions.has_room(session):
            return self._reply(TOO_MANY_REPLIES)
        reply = _WRITES[op](self, fields)
        session.keep(seq, reply)
        return reply

    def _open_session(self) -> Reply:
        session_id = self._sessions.open(self.now_ms)
        if session_id is None:
            return self._reply(TOO_MANY_SESSIONS)
        return self._reply(APPLIED, session_id)

    # The writes

    def _put(self, fields: Fields) -> Reply:
        self._store.put(fields[4], fields[5])
        return (APPLIED, self._store.revision, self.applied_slot)

    def _delete(self, fields: Fields) -> Reply:
        deleted = self._store.delete(fields[4])
        return self._reply(APPLIED, int(deleted))

    def _cas(self, fields: Fields) -> Reply:
        key, value, condition, operand = fields[4:]
        record = self._store.get(key)
        if not _holds(condition, operand, record):
            return self._reply(COMPARE_FAILED, record)
        self._store.put(key, value)
        return self._reply(APPLIED)

    def _close_session(self, fields: Fields) -> Reply:
        self._sessions.close(fields[1])
        return self._reply(APPLIED)

    def _reply(self, code: int, *extra: Any) -> Reply:
        return (code, self._store.revision, self.applied_slot, *extra)


_WRITES: dict[int, Callable[[Machine, Fields], Reply]] = {
    PUT: Machine._put,
    DELETE: Machine._delete,
    CAS: Machine._cas,
    CLOSE_SESSION: Machine._close_session,
}


def _holds(condition: int, operand: Any, record: Record | None) -> bool:
    """Whether the condition of a cas holds for the present record."""
    if record is None or condition == ABSENT:
        return record is None and condition == ABSENT
    present = record[VALUE] if condition == EXPECT_VALUE else record[MODIFIED]
    return bool(present == operand)


def _decode(slot: int, command: bytes) -> Fields:
    """Decode a chosen command. It was checked before it was proposed: one that fails now is of a newer version."""
    try:
        return decode_command(command)
    except BadCommand as error:
        raise UnknownCommand(f"slot {slot} holds a command that this version cannot apply: {error}") from error


def _checksum(value: bytes, replies: list[Reply]) -> int:
    """Return a checksum of a batch and of what became of its commands: the rest follows from the contents."""
    return crc32(bytes([reply[0] for reply in replies]), crc32(value))


def _digest_of_rules(limits: KvLimits) -> int:
    """Return a digest of those limits that decide what a command does: replicas must have the same (P26)."""
    rules = digest.mix(limits.sessions_max, limits.session_replies_max)
    return digest.mix(digest.mix(rules, limits.session_reply_bytes_max), limits.session_idle_ms)
