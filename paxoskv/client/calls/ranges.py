"""Calls on all keys of a range: those with a prefix, or between two bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator

from paxoskv.client import answers
from paxoskv.client.answers import RangeAnswer
from paxoskv.client.calls.base import Calls, Consistency, Text, read_mode
from paxoskv.client.keys import Interval, interval, to_limit, to_revision
from paxoskv.client.results import Continuation, CountOfKeys, DeleteRangeResult, Entry, RangeResult, WriteResult
from paxoskv.errors import BadRequest
from paxoskv.kv import operations, requests
from paxoskv.net import protocol
from paxoskv.net.codec import NUMBER_MAX

Revisions = tuple[int, int]
"""The first and the last of some revisions, both included; 0 as the last: no end."""

_ANY: Revisions = (0, 0)


class RangeCalls(Calls):
    """Reading, counting and deleting the keys of a range, and forgetting old revisions."""

    async def range(
        self,
        prefix: Text | None = None,
        *,
        start: Text | None = None,
        end: Text | None = None,
        after: Text | None = None,
        continuation: Continuation | None = None,
        limit: int = 1000,
        descending: bool = False,
        keys_only: bool = False,
        revision: int | None = None,
        created: Revisions = _ANY,
        modified: Revisions = _ANY,
        consistency: Consistency = "linearizable",
        min_revision: int | None = None,
    ) -> RangeResult:
        """Return one page of the keys that begin with `prefix`, or of the keys `start <= key < end`, in their order.

        after: only what comes after this key, in the order asked for.
        limit: entries at most, at least 1; a node sends fewer when they are large, or when few pass the filters.
        continuation: of the page before, all else being equal; the next page is read at the same revision, so that
        all pages together are what the range held then. descending: the last keys first. revision: what the range
        held then. created, modified: filters, the first and the last revision. consistency, min_revision: as in `get`.
        Raises: Compacted, FutureRevision.
        """
        if not 1 <= limit <= NUMBER_MAX:
            raise BadRequest(f"the limit is {limit}: a page has at least 1 entry, and fewer than 2**63")
        where = interval(prefix, start, end, self._prefix)
        mode, least = read_mode(consistency, min_revision)
        at = 0 if revision is None else to_revision("revision", revision)
        if after is not None:
            where = _beyond(where, self.whole_key(after), descending)
        if continuation is not None:
            where = _rest(where, continuation, descending)
            mode, least, at = protocol.AT_LEAST, continuation.revision, continuation.revision
        options = descending * operations.DESCENDING | keys_only * operations.KEYS_ONLY
        return self._page(await self._ask(mode, where, limit, options, at, least, modified, created))

    async def scan(
        self,
        prefix: Text | None = None,
        *,
        start: Text | None = None,
        end: Text | None = None,
        limit: int | None = None,
        descending: bool = False,
        keys_only: bool = False,
        revision: int | None = None,
        created: Revisions = _ANY,
        modified: Revisions = _ANY,
        consistency: Consistency = "linearizable",
        page_size: int = 1000,
    ) -> AsyncIterator[Entry]:
        """Yield all entries of a range, or the first `limit`, as they were at one revision; `page_size` at a time.

        Raises: Compacted if that revision is forgotten before the last page is read.
        """
        continuation: Continuation | None = None
        left = NUMBER_MAX if limit is None else limit
        while left > 0:
            page = await self.range(
                prefix,
                start=start,
                end=end,
                continuation=continuation,
                limit=min(left, page_size),
                descending=descending,
                keys_only=keys_only,
                revision=revision,
                created=created,
                modified=modified,
                consistency=consistency,
            )
            for entry in page.entries:
                yield entry
            left -= len(page.entries)
            continuation = page.continuation
            if continuation is None:
                return

    async def count(
        self,
        prefix: Text | None = None,
        *,
        start: Text | None = None,
        end: Text | None = None,
        revision: int | None = None,
        created: Revisions = _ANY,
        modified: Revisions = _ANY,
        consistency: Consistency = "linearizable",
    ) -> CountOfKeys:
        """Return how many keys a range has. The arguments are those of `range`. Raises: Compacted, FutureRevision."""
        where = interval(prefix, start, end, self._prefix)
        mode, least = read_mode(consistency)
        at = 0 if revision is None else to_revision("revision", revision)
        count = 0
        while True:
            answer = await self._ask(mode, where, 0, operations.COUNT_ONLY, at, least, modified, created)
            count += answer.matches
            if answer.resume is None:
                return CountOfKeys(count, answer.revision, answer.slot, answer.ballot)
            where = Interval(answer.resume, where.end)
            mode, least, at = protocol.AT_LEAST, answer.revision, answer.revision

    async def delete_range(
        self,
        prefix: Text | None = None,
        *,
        start: Text | None = None,
        end: Text | None = None,
        limit: int = 0,
        previous: bool = False,
    ) -> DeleteRangeResult:
        """Remove the keys of a range, or the first `limit` of them, all at one revision.

        A prefix or bounds have to be named: the prefix "" means every key. previous: return the entries.
        Raises: TooLarge, and nothing is removed, if they are too many for one write: set a limit, and repeat.
        """
        if prefix is None and start is None and end is None:
            raise BadRequest('name what to delete: a prefix, start or end; the prefix "" means every key')
        where = interval(prefix, start, end, self._prefix)
        operation = operations.delete_range(*where, to_limit(limit), previous * operations.PREVIOUS)
        answer = await self._write_keys(answers.delete_range_answer, operation)
        _, revision, slot, deleted, more, records = answer.reply[:6]
        gone = self._entries(answers.entries(records))
        return DeleteRangeResult(deleted, bool(more), gone, revision, slot, answer.ballot)

    async def compact(self, revision: int) -> WriteResult:
        """Forget what keys held before `revision`, and how they came to what they held then.

        Raises: FutureRevision.
        """
        answer = await self._write(answers.write_answer, requests.compact, to_revision("revision", revision))
        return WriteResult(answer.reply[1], answer.reply[2], answer.ballot)

    async def _ask(
        self,
        mode: int,
        where: Interval,
        limit: int,
        options: int,
        revision: int,
        least: int,
        modified: Revisions,
        created: Revisions,
    ) -> RangeAnswer:
        bounds = [to_revision("bound of revisions", bound) for bound in (*modified, *created)]
        fields = (mode, *where, limit, options, revision, least, *bounds)
        answer: RangeAnswer = await self._read(answers.range_answer, protocol.RANGE, *fields)
        return answer

    def _page(self, answer: RangeAnswer) -> RangeResult:
        ballot, revision, slot, entries, _, resume, age_s = answer
        continuation = None if resume is None else Continuation(revision, resume)
        return RangeResult(self._entries(entries), continuation, revision, slot, ballot, age_s)


def _beyond(where: Interval, key: bytes, descending: bool) -> Interval:
    """Return the part of an interval on the far side of a key."""
    if descending:
        return Interval(where.start, min(where.end, key) if where.end else key)
    return Interval(max(where.start, key + b"\0"), where.end)


def _rest(where: Interval, continuation: Continuation, descending: bool) -> Interval:
    """Return what is left of an interval after the pages before. Raises: BadRequest if it is not of this range."""
    bound = continuation.bound
    if bound < where.start or (where.end and bound > where.end):
        raise BadRequest("the continuation belongs to another range: give back the one of the page before")
    return Interval(where.start, bound) if descending else Interval(bound, where.end)
