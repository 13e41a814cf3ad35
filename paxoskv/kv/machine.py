"""The state machine: applies the chosen log, slot by slot, and answers every command in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

from paxoskv.kv import digest, queries
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
from paxoskv.kv.execution import execute
from paxoskv.kv.history import Change
from paxoskv.kv.leases import Leases, LeaseView
from paxoskv.kv.limits import RULES, KvLimits
from paxoskv.kv.operations import APPEND, DELETE_RANGE, INCR, PUT_WITH, TXN
from paxoskv.kv.records import MODIFIED, VALUE, Record, unpack
from paxoskv.kv.replies import (
    APPLIED,
    COMPARE_FAILED,
    FUTURE_REVISION,
    LEASE_NOT_FOUND,
    SEQ_ACKNOWLEDGED,
    SESSION_EXPIRED,
    TOO_MANY_LEASES,
    TOO_MANY_REPLIES,
    TOO_MANY_SESSIONS,
    Reply,
)
from paxoskv.kv.requests import COMPACT, EXTEND, GRANT, KEEP_ALIVE, REVOKE
from paxoskv.kv.sessions import Sessions
from paxoskv.kv.store import Store

Fields = tuple[Any, ...]
"""A decoded command, see `paxoskv.kv.commands`."""


class Machine:
    """Keys, sessions and log time, moved by `apply` alone.

    applied_slot: the last slot applied. now_ms: log time, the sum of what the batches so far carried.
    """

    __slots__ = ("_history", "_leases", "_limits", "_sessions", "_store", "applied_slot", "now_ms")

    def __init__(self, limits: KvLimits) -> None:
        self.applied_slot = 0
        self.now_ms = 0
        self._limits = limits
        self._store = Store(limits)
        self._leases = Leases(self._store, limits)
        self._sessions = Sessions(limits)
        self._history = _digest_of_rules(limits)

    @property
    def revision(self) -> int:
        """The store's revision: of its last change."""
        return self._store.revision

    @property
    def next_expiry_ms(self) -> int | None:
        """Log time from which on a session or a lease is expired, None without any: a reason to advance log time."""
        times = [time for time in (self._sessions.next_expiry_ms, self._leases.next_expiry_ms) if time is not None]
        return min(times, default=None)

    @property
    def keys(self) -> int:
        """How many keys exist."""
        return len(self._store)

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions)

    @property
    def leases(self) -> int:
        """How many leases are alive."""
        return len(self._leases)

    @property
    def compacted_revision(self) -> int:
        """The oldest revision that can still be read; watches begin after it."""
        return self._store.history.compacted_revision

    # Reads

    def get(self, key: bytes) -> Record | None:
        """Return the record of `key`, None if it is absent."""
        return self._store.get(key)

    def get_at(self, key: bytes, revision: int) -> Record | None:
        """Return the record that `key` had at a revision, None if it was absent. Raises: Compacted, FutureRevision."""
        self._store.history.check(revision, self._store.revision)
        packed = self._store.history.packed_at(key, self._store.packed(key), revision)
        return unpack(packed) if packed is not None else None

    def range(
        self, start: bytes, end: bytes, limit: int, keys_only: bool, bytes_max: int
    ) -> tuple[list[tuple[bytes, Record]], bool]:
        """Return a page of records, and whether more are left: see `Store.range`."""
        return self._store.range(start, end, limit, keys_only, bytes_max)

    def query(self, query: queries.Query) -> queries.Page:
        """Return a page of records, now or at a past revision. Raises: Compacted, FutureRevision."""
        return queries.read(self._store, query)

    def events(self, first: int, last: int) -> Iterator[Change]:
        """Yield what the revisions from `first` to `last` changed, see `History.walk`. Raises: Compacted."""
        return self._store.history.walk(first, last)

    def lease(self, lease: int) -> LeaseView | None:
        """Return what there is to know of a lease, None if there is no such lease."""
        return self._leases.view(lease, self.now_ms)

    def lease_keys(self, lease: int) -> list[bytes]:
        """Return the keys that a lease holds, in order."""
        return sorted(self._store.leased(lease))

    def list_leases(self, after: int, limit: int) -> list[LeaseView]:
        """Return at most `limit` leases with ids above `after`, ascending."""
        views = (self._leases.view(lease, self.now_ms) for lease in self._leases.ids_after(after, limit))
        return [view for view in views if view is not None]

    def digest(self) -> str:
        """Return 16 hex digits, equal on every replica that applied the same log under the same rules.

        They cover keys and leases, the revision, log time, and all that was applied and answered so far.
        """
        state = self._history
        store, leases = self._store, self._leases
        for number in (store.contents, store.revision, leases.contents, leases.granted, self._sessions.opened):
            state = digest.mix(state, number)
        for number in (self.now_ms, self.applied_slot):
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
        if self._leases.are_due(self.now_ms):
            self._end_leases(decoded)
        replies = [self._execute(fields) for fields in decoded]
        self._store.history.settle()
        self._history = digest.mix(self._history, _checksum(value, replies))
        return replies

    def _end_leases(self, decoded: list[Fields]) -> None:
        """Expire leases, except those that the batch keeps alive: it asked before anybody saw them end (P26)."""
        for fields in decoded:
            if fields[0] in (KEEP_ALIVE, EXTEND):
                self._execute(fields)
        self._leases.expire(self.now_ms)

    # Exactly once

    def _execute(self, fields: Fields) -> Reply:
        """Execute a command, unless it is a copy: a write with a known number gets its first reply again (P25)."""
        op, seq = fields[0], fields[2]
        if not fields[1]:
            return _WITHOUT_SESSION[op](self, fields)
        session = self._sessions.touch(fields[1], self.now_ms)
        if session is None:
            return self._reply(SESSION_EXPIRED)
        session.acknowledge(fields[3])
        if seq <= session.acked:
            return self._reply(SEQ_ACKNOWLEDGED)
        first = session.replies.get(seq)
        if first is not None:
            return first
        if not self._sessions.has_room(session, seq):
            return self._reply(TOO_MANY_REPLIES)
        reply = _WRITES[op](self, fields)
        session.keep(seq, reply)
        return reply

    def _open_session(self, fields: Fields) -> Reply:
        session_id = self._sessions.open(self.now_ms)
        if session_id is None:
            return self._reply(TOO_MANY_SESSIONS)
        return self._reply(APPLIED, session_id)

    # The writes

    def _put(self, fields: Fields) -> Reply:
        if fields[6]:
            return self._operate(fields)
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

    def _operate(self, fields: Fields) -> Reply:
        """Execute an operation or a transaction of `paxoskv.kv.operations`."""
        return self._reply(*execute(self._store, self._leases, self._limits, (fields[0], *fields[4:])))

    def _compact(self, fields: Fields) -> Reply:
        if fields[4] > self._store.revision:
            return self._reply(FUTURE_REVISION)
        self._store.history.compact(fields[4])
        return self._reply(APPLIED)

    # Leases

    def _grant(self, fields: Fields) -> Reply:
        lease = self._leases.grant(fields[4], self.now_ms)
        if lease is None:
            return self._reply(TOO_MANY_LEASES)
        return self._reply(APPLIED, lease, fields[4])

    def _keep_alive(self, fields: Fields) -> Reply:
        return self._reply(APPLIED, tuple([self._leases.renew(lease, self.now_ms) for lease in fields[4]]))

    def _revoke(self, fields: Fields) -> Reply:
        deleted = self._leases.revoke(fields[4])
        if deleted is None:
            return self._reply(LEASE_NOT_FOUND)
        return self._reply(APPLIED, deleted)

    def _extend(self, fields: Fields) -> Reply:
        return self._reply(APPLIED, self._leases.renew_all(self.now_ms))

    def _reply(self, code: int, *extra: Any) -> Reply:
        return (code, self._store.revision, self.applied_slot, *extra)


_WRITES: dict[int, Callable[[Machine, Fields], Reply]] = {
    PUT: Machine._put,
    DELETE: Machine._delete,
    CAS: Machine._cas,
    CLOSE_SESSION: Machine._close_session,
    TXN: Machine._operate,
    DELETE_RANGE: Machine._operate,
    INCR: Machine._operate,
    APPEND: Machine._operate,
    PUT_WITH: Machine._operate,
    GRANT: Machine._grant,
    REVOKE: Machine._revoke,
    COMPACT: Machine._compact,
}
_WITHOUT_SESSION: dict[int, Callable[[Machine, Fields], Reply]] = {
    OPEN_SESSION: Machine._open_session,
    KEEP_ALIVE: Machine._keep_alive,
    EXTEND: Machine._extend,
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
    state = 0
    for rule in RULES:
        state = digest.mix(state, getattr(limits, rule))
    return state
