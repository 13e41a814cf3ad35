"""A second, simpler state machine, which says what the production one has to answer.

It shares nothing with `paxoskv.kv.machine` but the encoding of commands: a mistake has to be made twice to go unseen.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, NamedTuple

from paxoskv.kv import commands, replies
from paxoskv.kv.limits import KvLimits

Record = tuple[bytes, int, int, int, int]
"""(value, created, modified, version, lease), as clients see it."""

Reply = tuple[Any, ...]


class Done(NamedTuple):
    """A command that was executed, and its reply."""

    op: int
    key: bytes
    value: bytes
    reply: Reply


class _Session:
    def __init__(self, active_ms: int) -> None:
        self.active_ms = active_ms
        self.acked = 0
        self.kept: dict[int, Reply] = {}


class Model:
    """All states that the log has led to, slot by slot.

    done: slot -> what was executed there, copies of earlier writes left out. written: every value that was ever
    written, and where: values are unique in a simulation, so a second execution shows (I6).
    repeats: copies answered from the kept reply. expired: sessions that ran out. late: copies of settled writes.
    """

    def __init__(self, limits: KvLimits) -> None:
        self.applied_slot = 0
        self.revision = 0
        self.now_ms = 0
        self.done: dict[int, list[Done]] = {}
        self.written: dict[bytes, tuple[int, int]] = {}
        self.twice: list[bytes] = []
        self.repeats = self.expired = self.late = 0
        self._limits = limits
        self._opened = 0
        self._sessions: dict[int, _Session] = {}
        self._records: dict[bytes, Record] = {}
        self._history: dict[bytes, tuple[list[int], list[Record | None]]] = {}
        self._revisions: list[int] = [0]

    def apply(self, slot: int, value: bytes) -> list[Reply]:
        """Execute the next slot; return what every command has to be answered."""
        assert slot == self.applied_slot + 1, f"slot {slot} after {self.applied_slot}"
        elapsed_ms, batch = commands.decode_batch(value)
        self.applied_slot = slot
        self._let_time_pass(elapsed_ms)
        answers = [self._execute(commands.decode_command(command)) for command in batch]
        self._revisions.append(self.revision)
        return answers

    def revision_at(self, slot: int) -> int:
        """Return the revision after a slot."""
        return self._revisions[slot]

    def record_at(self, key: bytes, slot: int) -> Record | None:
        """Return what a key held after a slot."""
        slots, records = self._history.get(key, ([], []))
        at = bisect_right(slots, slot)
        return records[at - 1] if at else None

    def range_at(self, slot: int) -> list[tuple[bytes, Record]]:
        """Return all keys that existed after a slot, in their order."""
        found = ((key, self.record_at(key, slot)) for key in sorted(self._history))
        return [(key, record) for key, record in found if record is not None]

    def _let_time_pass(self, elapsed_ms: int) -> None:
        self.now_ms += elapsed_ms
        idle_ms = self._limits.session_idle_ms
        gone = [number for number, session in self._sessions.items() if self.now_ms - session.active_ms > idle_ms]
        for number in gone:
            del self._sessions[number]
        self.expired += len(gone)

    def _execute(self, fields: tuple[Any, ...]) -> Reply:
        op, number, seq, acked = fields[:4]
        if op == commands.OPEN_SESSION:
            return self._open()
        session = self._sessions.get(number)
        if session is None:
            return self._reply(replies.SESSION_EXPIRED)
        session.active_ms = self.now_ms
        session.acked = max(session.acked, acked)
        session.kept = {kept: reply for kept, reply in session.kept.items() if kept > session.acked}
        if seq <= session.acked:
            self.late += 1
            return self._reply(replies.SEQ_ACKNOWLEDGED)
        if seq in session.kept:
            self.repeats += 1
            return session.kept[seq]
        if self._is_full(session):
            return self._reply(replies.TOO_MANY_REPLIES)
        session.kept[seq] = reply = self._write(op, number, fields)
        return reply

    def _is_full(self, session: _Session) -> bool:
        size = sum(len(r[3][0]) for r in session.kept.values() if r[0] == replies.COMPARE_FAILED and r[3])
        return len(session.kept) >= self._limits.session_replies_max or size >= self._limits.session_reply_bytes_max

    def _open(self) -> Reply:
        if len(self._sessions) >= self._limits.sessions_max:
            return self._reply(replies.TOO_MANY_SESSIONS)
        self._opened += 1
        self._sessions[self._opened] = _Session(self.now_ms)
        return self._reply(replies.APPLIED, self._opened)

    def _write(self, op: int, number: int, fields: tuple[Any, ...]) -> Reply:
        if op == commands.CLOSE_SESSION:
            del self._sessions[number]
            return self._reply(replies.APPLIED)
        key = fields[4]
        before = self._records.get(key)
        value = b"" if op == commands.DELETE else fields[5]
        if op == commands.DELETE:
            reply = self._delete(key, before)
        elif op == commands.CAS and not _meets(before, fields[6], fields[7]):
            reply = self._reply(replies.COMPARE_FAILED, before)
        else:
            reply = self._put(key, value, before)
        self.done.setdefault(self.applied_slot, []).append(Done(op, key, value, reply))
        return reply

    def _put(self, key: bytes, value: bytes, before: Record | None) -> Reply:
        self.revision += 1
        created, version = (before[1], before[3] + 1) if before else (self.revision, 1)
        self._set(key, (value, created, self.revision, version, 0))
        if value in self.written:
            self.twice.append(value)
        self.written[value] = (self.applied_slot, self.revision)
        return self._reply(replies.APPLIED)

    def _delete(self, key: bytes, before: Record | None) -> Reply:
        if before is None:
            return self._reply(replies.APPLIED, 0)
        self.revision += 1
        del self._records[key]
        self._remember(key, None)
        return self._reply(replies.APPLIED, 1)

    def _set(self, key: bytes, record: Record) -> None:
        self._records[key] = record
        self._remember(key, record)

    def _remember(self, key: bytes, record: Record | None) -> None:
        slots, records = self._history.setdefault(key, ([], []))
        slots.append(self.applied_slot)
        records.append(record)

    def _reply(self, code: int, *extra: Any) -> Reply:
        return (code, self.revision, self.applied_slot, *extra)


def _meets(before: Record | None, condition: int, operand: Any) -> bool:
    """Whether a record meets the condition of a compare-and-set."""
    if condition == commands.ABSENT:
        return before is None
    if before is None:
        return False
    return bool(before[0 if condition == commands.EXPECT_VALUE else 2] == operand)
