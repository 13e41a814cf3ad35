"""A second, simpler state machine, which says what the production one has to answer.

It shares nothing with `paxoskv.kv.machine` but the encoding of commands: a mistake has to be made twice to go unseen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paxoskv.kv import commands, replies, requests
from paxoskv.kv import operations as ops
from paxoskv.kv.limits import KvLimits
from paxoskv.simulator.past import Past, Record
from paxoskv.simulator.tenancy import Tenancies
from paxoskv.simulator.trial import Refusal, Trial

Reply = tuple[Any, ...]
Deed = tuple[Any, ...]
"""What a command does: its number and arguments, without the header that says whose it is."""


@dataclass(slots=True)
class Done:
    """A command that was executed, and its reply. is_claimed: a client was told of it."""

    deed: Deed
    slot: int
    reply: Reply
    is_claimed: bool = False


class _Session:
    def __init__(self, active_ms: int) -> None:
        self.active_ms = active_ms
        self.acked = 0
        self.kept: dict[int, Reply] = {}


class Model:
    """All states that the log has led to, slot by slot: see `past`; and all leases: see `tenancies`.

    done: what was executed, by deed, in its order, copies of earlier writes left out. written: every value that was
    ever written, or appended, and where: values are unique in a simulation, so a second execution shows (I6).
    repeats: copies answered from the kept reply, txn_repeats: of transactions among them. expired: sessions that ran
    out. late: copies of settled writes. refused: transactions refused for a limit. extended: leases that a new leader
    has extended. compactions: (slot, revision) of every one. forgotten: the oldest revisions that any node could read.
    """

    def __init__(self, limits: KvLimits) -> None:
        self.applied_slot = 0
        self.now_ms = 0
        self.past = Past()
        self.tenancies = Tenancies()
        self.done: dict[Deed, list[Done]] = {}
        self.written: dict[bytes, tuple[int, int]] = {}
        self.twice: list[bytes] = []
        self.compactions: list[tuple[int, int]] = [(0, 0)]
        self.forgotten: set[int] = {0}
        self.repeats = self.txn_repeats = self.expired = self.late = self.refused = self.extended = 0
        self._limits = limits
        self._opened = 0
        self._sessions: dict[int, _Session] = {}
        self._keys: dict[bytes, Record] = {}

    @property
    def revision(self) -> int:
        """The newest one."""
        return self.past.revision

    @property
    def keys(self) -> int:
        """How many keys exist."""
        return len(self._keys)

    def apply(self, slot: int, value: bytes) -> list[Reply]:
        """Execute the next slot; return what every command has to be answered."""
        assert slot == self.applied_slot + 1, f"slot {slot} after {self.applied_slot}"
        elapsed_ms, batch = commands.decode_batch(value)
        decoded = [commands.decode_command(command) for command in batch]
        self.applied_slot = slot
        self.now_ms += elapsed_ms
        self._end_sessions()
        self._end_leases(decoded)
        answers = [self._execute(fields) for fields in decoded]
        self.past.end_slot()
        return answers

    def revision_at(self, slot: int) -> int:
        """Return the revision after a slot."""
        return self.past.revision_at(slot)

    def record_at(self, key: bytes, slot: int) -> Record | None:
        """Return what a key held after a slot."""
        return self.past.record_at(key, slot)

    def range_at(self, slot: int) -> list[tuple[bytes, Record]]:
        """Return all keys that existed after a slot, in their order."""
        return self.past.range_at(slot)

    def compacted_at(self, slot: int) -> int:
        """Return the oldest revision that commands have left to be read after a slot; nodes may have forgotten more."""
        return self.compactions[bisect_right(self.compactions, (slot, self.revision)) - 1][1]

    def held_at(self, lease: int, slot: int) -> list[bytes]:
        """Return the keys that a lease held after a slot, in their order."""
        return [key for key, record in self.range_at(slot) if record[4] == lease]

    # What time does

    def _end_sessions(self) -> None:
        idle_ms = self._limits.session_idle_ms
        gone = [number for number, session in self._sessions.items() if self.now_ms - session.active_ms > idle_ms]
        for number in gone:
            del self._sessions[number]
        self.expired += len(gone)

    def _end_leases(self, batch: list[Deed]) -> None:
        """A lease whose time is over ends, unless this very batch keeps it alive; so many a slot, then later."""
        for fields in batch:
            if fields[0] in (requests.KEEP_ALIVE, requests.EXTEND):
                self._renew(self.tenancies.alive if fields[0] == requests.EXTEND else fields[4])
        ended = 0
        for lease in self.tenancies.overdue(self.now_ms, self.applied_slot):
            if ended >= self._limits.expiry_keys_max:
                return
            self.tenancies.expire(lease, self.applied_slot)
            ended += 1 + self._delete_held(lease)

    # Exactly once

    def _execute(self, fields: Deed) -> Reply:
        op, number, seq, acked = fields[:4]
        if not number:
            return self._without_session(fields)
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
            self.txn_repeats += op == ops.TXN
            return session.kept[seq]
        if self._is_full(session) and seq != session.acked + 1:
            return self._reply(replies.TOO_MANY_REPLIES)
        session.kept[seq] = reply = self._write((op, *fields[4:]), number)
        return reply

    def _is_full(self, session: _Session) -> bool:
        size = sum(_bytes_in(reply) for reply in session.kept.values() if len(reply) > 3)
        return len(session.kept) >= self._limits.session_replies_max or size >= self._limits.session_reply_bytes_max

    def _without_session(self, fields: Deed) -> Reply:
        if fields[0] == commands.OPEN_SESSION:
            return self._open()
        if fields[0] == requests.EXTEND:
            self.extended += len(self.tenancies.alive)
            return self._reply(replies.APPLIED, len(self._renew(self.tenancies.alive)))
        return self._reply(replies.APPLIED, self._renew(fields[4]))

    def _open(self) -> Reply:
        if len(self._sessions) >= self._limits.sessions_max:
            return self._reply(replies.TOO_MANY_SESSIONS)
        self._opened += 1
        self._sessions[self._opened] = _Session(self.now_ms)
        return self._reply(replies.APPLIED, self._opened)

    # Writes

    def _write(self, deed: Deed, number: int) -> Reply:
        special = _SPECIAL.get(deed[0])
        if deed[0] == commands.CLOSE_SESSION:
            del self._sessions[number]
            return self._reply(replies.APPLIED)
        reply = self._reply(*(special(self, deed[1]) if special is not None else self._try(deed)))
        self.done.setdefault(deed, []).append(Done(deed, self.applied_slot, reply))
        return reply

    def _try(self, deed: Deed) -> tuple[Any, ...]:
        """Carry out an operation or a transaction, or nothing of it; return code and rest of the reply."""
        trial = Trial(self._keys, self.revision, self.tenancies.alive, self._limits)
        try:
            outcome = trial.run(deed)
        except Refusal as refusal:
            self.refused += deed[0] == ops.TXN
            return refusal.outcome
        if trial.wrote:
            self._keep(trial.keys)
        for value in trial.values:
            if value in self.written:
                self.twice.append(value)
            self.written[value] = (self.applied_slot, self.revision)
        return outcome

    def _grant(self, ttl_ms: int) -> tuple[Any, ...]:
        if len(self.tenancies.alive) >= self._limits.leases_max:
            return (replies.TOO_MANY_LEASES,)
        return (replies.APPLIED, self.tenancies.grant(ttl_ms, self.now_ms, self.applied_slot), ttl_ms)

    def _revoke(self, lease: int) -> tuple[Any, ...]:
        if lease not in self.tenancies.alive:
            return (replies.LEASE_NOT_FOUND,)
        self.tenancies.end(lease, self.applied_slot)
        return (replies.APPLIED, self._delete_held(lease))

    def _compact(self, revision: int) -> tuple[Any, ...]:
        if revision > self.revision:
            return (replies.FUTURE_REVISION,)
        self.compactions.append((self.applied_slot, max(revision, self.compactions[-1][1])))
        return (replies.APPLIED,)

    def _renew(self, leases: Any) -> tuple[int, ...]:
        return tuple([self.tenancies.renew(lease, self.now_ms, self.applied_slot) for lease in leases])

    def _delete_held(self, lease: int) -> int:
        left = {key: record for key, record in self._keys.items() if record[4] != lease}
        deleted = len(self._keys) - len(left)
        if deleted:
            self._keep(left)
        return deleted

    def _keep(self, keys: dict[bytes, Record]) -> None:
        """Make a new state the next revision."""
        before, self._keys = self._keys, keys
        changed = [key for key in {**before, **keys} if before.get(key) != keys.get(key)]
        self.past.add(self.applied_slot, [(key, keys.get(key), before.get(key)) for key in changed])

    def _reply(self, code: int, *extra: Any) -> Reply:
        return (code, self.revision, self.applied_slot, *extra)


_SPECIAL: dict[int, Callable[[Model, int], tuple[Any, ...]]] = {
    requests.GRANT: Model._grant,
    requests.REVOKE: Model._revoke,
    requests.COMPACT: Model._compact,
}


def _bytes_in(reply: Any) -> int:
    """Return the bytes of all keys and values in a reply."""
    if isinstance(reply, bytes):
        return len(reply)
    return sum(map(_bytes_in, reply)) if isinstance(reply, tuple) else 0
