"""The whole state machine once more, as plainly as possible: it keeps every version of every key for ever.

It shares with the production code the decoding of commands and the numbers that stand for things, nothing else.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from paxoskv.kv import commands, replies, requests
from paxoskv.kv import operations as ops
from paxoskv.kv.limits import KvLimits

Record = tuple[bytes, int, int, int, int]
Reply = tuple[Any, ...]
Fields = tuple[Any, ...]


class No(Exception):
    """A refusal: code, and what follows revision and slot."""

    def __init__(self, *outcome: Any) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass
class Client:
    """A session."""

    active_ms: int
    acked: int = 0
    kept: dict[int, Reply] = field(default_factory=dict)


@dataclass
class Naive:
    """states[r]: all keys at revision r, for every r there ever was; the last is the present one."""

    limits: KvLimits
    slot: int = 0
    now_ms: int = 0
    states: list[dict[bytes, Record]] = field(default_factory=lambda: [{}])
    clients: dict[int, Client] = field(default_factory=dict)
    opened: int = 0
    leases: dict[int, tuple[int, int]] = field(default_factory=dict)
    granted: int = 0
    left: int = 0
    room: int = 0
    index: int = 0

    @property
    def keys(self) -> dict[bytes, Record]:
        """The present state."""
        return self.states[-1]

    @property
    def revision(self) -> int:
        """Of the present state."""
        return len(self.states) - 1

    def events(self, revision: int) -> tuple[tuple[bytes, Record | None, Record | None], ...]:
        """What a revision changed, found by comparing the states before and after."""
        old, new = self.states[revision - 1], self.states[revision]
        changed = sorted(key for key in {**old, **new} if old.get(key) != new.get(key))
        return tuple((key, new.get(key), old.get(key)) for key in changed)

    def held(self, lease: int) -> list[bytes]:
        """The keys of a lease."""
        return sorted(key for key, record in self.keys.items() if record[4] == lease)

    # The log

    def apply(self, slot: int, value: bytes) -> list[Reply]:
        """Execute the next slot."""
        elapsed_ms, batch = commands.decode_batch(value)
        decoded = [commands.decode_command(one) for one in batch]
        self.slot = slot
        self.now_ms += elapsed_ms
        idle_since = self.now_ms - self.limits.session_idle_ms
        self.clients = {number: one for number, one in self.clients.items() if one.active_ms >= idle_since}
        self.end_leases(decoded)
        return [self.execute(fields) for fields in decoded]

    def end_leases(self, decoded: list[Fields]) -> None:
        """Renew what the batch renews, if anything is due; then end what is due, within the bound."""
        if all(expires >= self.now_ms for _, expires in self.leases.values()):
            return
        for fields in decoded:
            named = fields[4] if fields[0] == requests.KEEP_ALIVE else ()
            for lease in self.leases if fields[0] == requests.EXTEND else named:
                if lease in self.leases:
                    self.leases[lease] = (self.leases[lease][0], self.now_ms + self.leases[lease][0])
        ended = 0
        for lease, (_, expires) in sorted(self.leases.items(), key=lambda item: (item[1][1], item[0])):
            if expires < self.now_ms and ended < self.limits.expiry_keys_max:
                ended += 1 + self.end(lease)

    def end(self, lease: int) -> int:
        """Remove a lease and its keys."""
        del self.leases[lease]
        gone = self.held(lease)
        if gone:
            self.states.append({key: record for key, record in self.keys.items() if key not in gone})
        return len(gone)

    def answer(self, code: int, *extra: Any) -> Reply:
        """Make a reply."""
        return (code, self.revision, self.slot, *extra)

    def execute(self, fields: Fields) -> Reply:
        """One command, once."""
        op, number, seq, acked = fields[:4]
        if op == commands.OPEN_SESSION:
            if len(self.clients) >= self.limits.sessions_max:
                return self.answer(replies.TOO_MANY_SESSIONS)
            self.opened += 1
            self.clients[self.opened] = Client(self.now_ms)
            return self.answer(0, self.opened)
        if op in (requests.KEEP_ALIVE, requests.EXTEND):
            return self.answer(0, self.renew(fields))
        client = self.clients.get(number)
        if client is None:
            return self.answer(replies.SESSION_EXPIRED)
        client.active_ms = self.now_ms
        client.acked = max(acked, client.acked)
        client.kept = {kept: reply for kept, reply in client.kept.items() if kept > client.acked}
        if seq <= client.acked:
            return self.answer(replies.SEQ_ACKNOWLEDGED)
        if seq in client.kept:
            return client.kept[seq]
        held = sum(size(reply) for reply in client.kept.values())
        full = len(client.kept) >= self.limits.session_replies_max or held >= self.limits.session_reply_bytes_max
        if full and seq > client.acked + 1:
            return self.answer(replies.TOO_MANY_REPLIES)
        client.kept[seq] = reply = self.write(op, fields)
        return reply

    def renew(self, fields: Fields) -> Any:
        """Keep alive or extend."""
        for lease in fields[4] if fields[0] == requests.KEEP_ALIVE else list(self.leases):
            if lease in self.leases:
                self.leases[lease] = (self.leases[lease][0], self.now_ms + self.leases[lease][0])
        if fields[0] == requests.EXTEND:
            return len(self.leases)
        return tuple(self.leases.get(lease, (0, 0))[0] for lease in fields[4])

    def write(self, op: int, fields: Fields) -> Reply:
        """One write that was not executed before."""
        if op == commands.CLOSE_SESSION:
            del self.clients[fields[1]]
            return self.answer(0)
        if op == requests.GRANT:
            if len(self.leases) >= self.limits.leases_max:
                return self.answer(replies.TOO_MANY_LEASES)
            self.granted += 1
            self.leases[self.granted] = (fields[4], self.now_ms + fields[4])
            return self.answer(0, self.granted, fields[4])
        if op == requests.REVOKE:
            if fields[4] not in self.leases:
                return self.answer(replies.LEASE_NOT_FOUND)
            deleted = self.end(fields[4])
            return self.answer(0, deleted)
        if op == requests.COMPACT:
            return self.answer(0 if fields[4] <= self.revision else replies.FUTURE_REVISION)
        return self.answer(*self.change((op, *fields[4:])))

    # Changes: on a copy of the state, which replaces it only if all went well

    def change(self, operation: Fields) -> tuple[Any, ...]:
        """Execute an operation; return code and rest of the reply."""
        self.left, self.room, self.index = self.limits.command_keys_max, self.limits.reply_bytes_max, -1
        state, wrote = deepcopy(self.keys), [False]
        try:
            outcome = self.outcome(operation, state, wrote)
        except No as refusal:
            place = (self.index,) if operation[0] == ops.TXN else ()
            return (*refusal.outcome, *place) if refusal.outcome[0] != replies.COMPARE_FAILED else refusal.outcome
        if wrote[0]:
            self.states.append(state)
        return outcome

    def outcome(self, operation: Fields, state: dict[bytes, Record], wrote: list[bool]) -> tuple[Any, ...]:
        """Return code and rest for a single operation."""
        op, *arguments = operation
        if op == commands.CAS:
            key, value, condition, operand = arguments
            record = state.get(key)
            good = {
                commands.ABSENT: record is None,
                commands.EXPECT_VALUE: record is not None and record[0] == operand,
                commands.REVISION: record is not None and record[2] == operand,
            }[condition]
            if not good:
                raise No(replies.COMPARE_FAILED, record)
            self.put(state, wrote, key, value, 0)
            return (0,)
        if op == ops.TXN:
            return (0, *self.txn(self.decide(operation, dict(state)), state, wrote))
        result = self.run(operation, state, wrote)
        if op == ops.PUT:
            return (0,)
        if op == ops.PUT_WITH:
            return (0 if result[0] else replies.COMPARE_FAILED, result[1])
        return (0, *result) if op == ops.DELETE_RANGE else (0, result)

    def decide(self, operation: Fields, before: dict[bytes, Record]) -> Fields:
        """Choose the branches of a transaction and those within."""
        _, compares, then, otherwise = operation
        good = True
        for one in compares:
            good = good and self.compare(one, before)
        branch = then if good else otherwise
        return (ops.TXN, int(good), [self.decide(one, before) if one[0] == ops.TXN else one for one in branch])

    def compare(self, one: Fields, before: dict[bytes, Record]) -> bool:
        """Judge one compare."""
        target, relation, start, end, operand = one
        records: list[Record | None] = [before.get(start)]
        if end is not None:
            records = [before[key] for key in between(before, start, end)]
            if target == ops.ABSENT:
                return bool((not records) == (relation == ops.EQUAL))
            if len(records) > self.left:
                raise No(replies.TOO_MANY_KEYS)
            self.left -= len(records)
            records = records or [None]
        return all(judge(target, relation, operand, record) for record in records)

    def txn(self, decided: Fields, state: dict[bytes, Record], wrote: list[bool]) -> tuple[int, tuple[Any, ...]]:
        """Run the chosen branch."""
        results = []
        for one in decided[2]:
            self.index += one[0] == ops.TXN
            results.append(self.txn(one, state, wrote) if one[0] == ops.TXN else self.run(one, state, wrote))
        return decided[1], tuple(results)

    def put(self, state: dict[bytes, Record], wrote: list[bool], key: bytes, value: bytes, lease: int) -> None:
        """Write one key at the revision to come."""
        old, revision = state.get(key), self.revision + 1
        if lease and (old is None or old[4] != lease):
            if lease not in self.leases:
                raise No(replies.LEASE_NOT_FOUND)
            if sum(record[4] == lease for record in state.values()) >= self.limits.lease_keys_max:
                raise No(replies.TOO_MANY_LEASE_KEYS)
        created, version = (old[1], old[3]) if old else (revision, 0)
        version += 0 if old and old[2] == revision else 1
        state[key] = (value, created, revision, version, lease)
        wrote[0] = True

    def give(self, key: bytes, record: Record | None) -> Record | None:
        """Put a record in the reply."""
        if record is not None:
            cost = len(key) + len(record[0]) + 48
            if cost > self.room:
                raise No(replies.REPLY_TOO_LARGE)
            self.room -= cost
        return record

    def run(self, operation: Fields, state: dict[bytes, Record], wrote: list[bool]) -> Any:
        """Execute one operation that is no transaction."""
        self.index += 1
        op, key, *rest = operation
        old = state.get(key)
        lease = old[4] if old else 0
        if op == ops.PUT:
            return self.put(state, wrote, key, *rest)
        if op == ops.DELETE:
            wrote[0] = wrote[0] or old is not None
            return int(state.pop(key, None) is not None)
        if op == ops.GET:
            return self.give(key, old)
        if op == ops.INCR:
            text = old[0] if old else b"0"
            if not re.fullmatch(rb"0|-?[1-9][0-9]*", text) or not -(1 << 63) <= int(text) < 1 << 63:
                raise No(replies.NOT_A_NUMBER)
            if not -(1 << 63) <= int(text) + rest[0] < 1 << 63:
                raise No(replies.NUMBER_OVERFLOW)
            self.put(state, wrote, key, b"%d" % (int(text) + rest[0]), lease)
            return int(text) + rest[0]
        if op == ops.APPEND:
            text = (old[0] if old else b"") + rest[0]
            if len(text) > self.limits.grown_value_bytes_max:
                raise No(replies.VALUE_TOO_LARGE)
            self.put(state, wrote, key, text, lease)
            return len(text)
        if op == ops.PUT_WITH:
            value, new, options = rest
            if (options & ops.IF_ABSENT and old) or (options & ops.IF_PRESENT and not old):
                return 0, self.give(key, old)
            self.put(state, wrote, key, value, lease if options & ops.KEEP_LEASE else new)
            return 1, self.give(key, old) if options & ops.PREVIOUS else None
        return self.interval(operation, state, wrote)

    def interval(self, operation: Fields, state: dict[bytes, Record], wrote: list[bool]) -> Any:
        """Execute a range or a delete of a range."""
        op, start, end, limit, options = operation
        every = between(state, start, end)
        if op == ops.RANGE and options & ops.COUNT_ONLY:
            return len(every), 0, ()
        if op == ops.RANGE and options & ops.DESCENDING:
            every = every[::-1]
        if op == ops.DELETE_RANGE and not limit and len(every) > self.left:
            raise No(replies.TOO_MANY_KEYS)
        taken = every[: min(limit or len(every), self.left)]
        self.left -= len(taken)
        told: list[Any] = []
        for key in taken:
            record = (b"", *state[key][1:]) if op == ops.RANGE and options & ops.KEYS_ONLY else state[key]
            if op == ops.RANGE and len(key) + len(record[0]) + 48 > self.room:
                break
            if op == ops.RANGE or options & ops.PREVIOUS:
                told.append((key, self.give(key, record)))
        if op == ops.RANGE:
            return len(told), int(len(every) > len(told)), tuple(told)
        for key in taken:
            del state[key]
            wrote[0] = True
        return len(taken), int(len(every) > len(taken)), tuple(told)


def between(state: dict[bytes, Record], start: bytes, end: bytes) -> list[bytes]:
    """Return the keys of an interval in order."""
    return sorted(key for key in state if start <= key and (not end or key < end))


def judge(target: int, relation: int, operand: Any, record: Record | None) -> bool:
    """Compare one record."""
    if target == ops.ABSENT:
        return (record is None) == (relation == ops.EQUAL)
    if target == ops.VALUE and record is None:
        return False
    numbers = record or (b"", 0, 0, 0, 0)
    present: Any = {
        ops.VALUE: numbers[0],
        ops.CREATED: numbers[1],
        ops.MODIFIED: numbers[2],
        ops.VERSION: numbers[3],
        ops.LEASE: numbers[4],
    }[target]
    return bool([present == operand, present != operand, present < operand, present > operand][relation])


def size(reply: Any) -> int:
    """Return the bytes that a reply holds on to."""
    if isinstance(reply, bytes):
        return len(reply)
    return sum(size(part) for part in reply) if isinstance(reply, tuple) else 0
