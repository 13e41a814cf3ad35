"""Calls on one key, or on several that are named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from paxoskv.client import answers
from paxoskv.client.answers import GetAnswer
from paxoskv.client.calls.base import Calls, Consistency, LeaseLike, Text, lease_id, read_mode
from paxoskv.client.keys import to_bytes, to_delta, to_key, to_revision
from paxoskv.client.results import (
    AppendResult,
    CasResult,
    CountResult,
    DeleteResult,
    Entry,
    GetManyResult,
    GetResult,
    PutResult,
)
from paxoskv.errors import BadRequest
from paxoskv.kv import commands, operations, replies
from paxoskv.net import protocol
from paxoskv.net.codec import items as array

Items = Mapping[str, Text] | Mapping[bytes, Text] | Iterable[tuple[Text, Text]]
"""Keys and their values."""


class KeyCalls(Calls):
    """Reading and writing single keys."""

    async def put(
        self,
        key: Text,
        value: Text,
        *,
        lease: LeaseLike | None = None,
        keep_lease: bool = False,
        if_absent: bool = False,
        if_present: bool = False,
        previous: bool = False,
    ) -> PutResult:
        """Set `key` to `value`.

        lease: to which the key is attached: it is deleted when that lease ends. Without one it is attached to none,
        unless keep_lease: then to the one it has. if_absent, if_present: conditions; when they fail nothing changes
        and the result says so. previous: return the entry before.
        Raises: LeaseNotFound, TooManyLeaseKeys.
        """
        name, content = self._prefix + to_key(key), to_bytes("value", value)
        attached = 0 if lease is None else lease_id(lease)
        if not (keep_lease or if_absent or if_present or previous or self._guards):
            answer = await self._write(answers.write_answer, commands.put, name, content, attached)
            return PutResult(answer.reply[1], answer.reply[2], answer.ballot)
        options = put_options(keep_lease, if_absent, if_present, previous)
        operation = operations.put_with(name, content, attached, options)
        answer = await self._write_keys(answers.put_with_answer, operation)
        code, revision, slot, found = answer.reply[:4]
        return PutResult(revision, slot, answer.ballot, code == replies.APPLIED, self._entry(name, found))

    async def put_many(self, items: Items, *, lease: LeaseLike | None = None) -> PutResult:
        """Set several keys, all or none, at one revision: as many as a transaction may have operations."""
        pairs: Iterable[tuple[Text, Text]] = items.items() if isinstance(items, Mapping) else items
        attached = lease_id(lease)
        puts = [operations.put(self.whole_key(key), to_bytes("value", value), attached) for key, value in pairs]
        answer = await self._write_keys(answers.txn_answer, operations.txn((), puts))
        return PutResult(answer.reply[1], answer.reply[2], answer.ballot)

    async def delete(self, key: Text, *, previous: bool = False) -> DeleteResult:
        """Remove `key`, if it exists. previous: return the entry that it was."""
        name = self.whole_key(key)
        if previous:
            return await self._take(name)
        if self._guards:
            answer = await self._write_keys(answers.delete_answer, operations.delete(name))
        else:
            answer = await self._write(answers.delete_answer, commands.delete, name)
        _, revision, slot, deleted = answer.reply[:4]
        return DeleteResult(bool(deleted), revision, slot, answer.ballot)

    async def cas(
        self,
        key: Text,
        value: Text,
        *,
        expect: Text | None = None,
        absent: bool = False,
        revision: int | None = None,
    ) -> CasResult:
        """Set `key` to `value` if it holds `expect`, or is absent, or was last modified at `revision`.

        Exactly one condition; a revision is the safest, since values may come back but revisions never do (P28).
        """
        condition, operand = _condition(expect, absent, revision)
        name = self.whole_key(key)
        content = to_bytes("value", value)
        if self._guards:
            return await self._guarded_cas(name, content, condition, operand)
        answer = await self._write(answers.cas_answer, commands.cas, name, content, condition, operand)
        code, at, slot, *found = answer.reply
        current = self._entry(name, found[0]) if code else None
        return CasResult(code == replies.APPLIED, at, slot, answer.ballot, current)

    async def incr(self, key: Text, by: int = 1) -> CountResult:
        """Add `by`, which may be negative, to the number that `key` holds in decimal; an absent key counts as 0.

        Raises: NotANumber, NumberOverflow beyond 64 bits.
        """
        answer = await self._write_keys(answers.signed_answer, operations.incr(self.whole_key(key), to_delta(by)))
        _, revision, slot, value = answer.reply[:4]
        return CountResult(value, revision, slot, answer.ballot)

    async def append(self, key: Text, suffix: Text) -> AppendResult:
        """Add `suffix` to the end of what `key` holds; an absent key counts as empty."""
        operation = operations.append(self.whole_key(key), to_bytes("suffix", suffix))
        answer = await self._write_keys(answers.signed_answer, operation)
        _, revision, slot, size_bytes = answer.reply[:4]
        return AppendResult(size_bytes, revision, slot, answer.ballot)

    async def get(
        self,
        key: Text,
        *,
        consistency: Consistency = "linearizable",
        revision: int | None = None,
        min_revision: int | None = None,
    ) -> GetResult:
        """Return what `key` holds.

        consistency: "linearizable" sees every write that finished before the call; "lease" does so too, and faster, as
        long as the clocks of the nodes keep to their bound, in a cluster founded with lease_reads (else BadRequest);
        "stale" is what the node at hand has applied, without asking the others, and the result tells its age.
        min_revision: as stale, but not before that node has applied so much. revision: what the key held then.
        Raises: Compacted, FutureRevision.
        """
        name = to_key(key)
        mode, least = read_mode(consistency, min_revision)
        more = () if revision is None is min_revision else (to_revision("revision", revision or 0), least)
        answer: GetAnswer = await self._read(answers.get_answer, protocol.GET, mode, self._prefix + name, *more)
        ballot, now, slot, fields, age_s = answer
        return GetResult(None if fields is None else Entry(name, *fields), now, slot, ballot, age_s)

    async def get_many(self, keys: Iterable[Text], *, consistency: Consistency = "linearizable") -> GetManyResult:
        """Return what several keys hold, all at one revision. Raises: Compacted in a store that changes very fast."""
        names = [self.whole_key(key) for key in keys]
        mode, _ = read_mode(consistency)
        now: answers.SyncAnswer = await self._read(answers.sync_answer, protocol.SYNC, mode)
        reads = [self._read_at(name, now.revision) for name in names]
        found = zip(names, await asyncio.gather(*reads), strict=True)
        entries = [entry for name, answer in found if (entry := self._entry(name, answer.fields)) is not None]
        return GetManyResult({entry.key: entry for entry in entries}, now.revision, now.slot, now.ballot)

    async def _guarded_cas(self, name: bytes, content: bytes, condition: int, operand: bytes | int | None) -> CasResult:
        """Compare and set in a transaction, as a guard needs one."""
        holds = operations.compare(_TARGETS[condition], operations.EQUAL, name, operand)
        exists = operations.compare(operations.ABSENT, operations.NOT_EQUAL, name, None)
        compares = (holds,) if condition == commands.ABSENT else (holds, exists)
        write = operations.txn(compares, (operations.put(name, content),), (operations.get(name),))
        answer = await self._write_keys(answers.txn_answer, write)
        _, revision, slot, succeeded, results = answer.reply[:5]
        found = None if succeeded else answers.optional_record(array(results, 1)[0])
        return CasResult(bool(succeeded), revision, slot, answer.ballot, self._entry(name, found))

    async def _read_at(self, name: bytes, revision: int) -> GetAnswer:
        """Read a key at a revision that some node has applied."""
        if not revision:
            return GetAnswer((0, 0), 0, 0, None, None)
        fields = (protocol.GET, protocol.AT_LEAST, name, revision, revision)
        answer: GetAnswer = await self._read(answers.get_answer, *fields)
        return answer

    async def _take(self, name: bytes) -> DeleteResult:
        operation = operations.delete_range(name, name + b"\0", 0, operations.PREVIOUS)
        answer = await self._write_keys(answers.delete_range_answer, operation)
        _, revision, slot, deleted, _, records = answer.reply[:6]
        found = self._entry(name, records[0][1]) if records else None
        return DeleteResult(bool(deleted), revision, slot, answer.ballot, found)


_TARGETS = {
    commands.EXPECT_VALUE: operations.VALUE,
    commands.ABSENT: operations.ABSENT,
    commands.REVISION: operations.MODIFIED,
}
"""Condition of a compare-and-set -> target of the compare that says the same."""


def put_options(keep_lease: bool, if_absent: bool, if_present: bool, previous: bool) -> int:
    """Return the options of a put as they travel."""
    return (
        keep_lease * operations.KEEP_LEASE
        | if_absent * operations.IF_ABSENT
        | if_present * operations.IF_PRESENT
        | previous * operations.PREVIOUS
    )


def _condition(expect: Text | None, absent: bool, revision: int | None) -> tuple[int, bytes | int | None]:
    """Return the condition of a compare-and-set and its operand. Raises: BadRequest unless exactly one is given."""
    if (expect is not None) + absent + (revision is not None) != 1:
        raise BadRequest("a cas needs exactly one condition: expect=, absent=True or revision=")
    if expect is not None:
        return commands.EXPECT_VALUE, to_bytes("expected value", expect)
    if revision is None:
        return commands.ABSENT, None
    return commands.REVISION, to_revision("revision", revision)
