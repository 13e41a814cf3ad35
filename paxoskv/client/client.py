"""The asyncio client: what a program calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random
from types import TracebackType
from typing import Any, Literal, Self

from paxoskv.client import answers
from paxoskv.client.answers import GetAnswer, RangeAnswer, WriteAnswer
from paxoskv.client.channel import Channel
from paxoskv.client.endpoints import parse_endpoints
from paxoskv.client.keys import interval, to_bytes, to_key
from paxoskv.client.navigator import Navigator
from paxoskv.client.operation import Parse
from paxoskv.client.probe import node_status
from paxoskv.client.results import CasResult, DeleteResult, Entry, GetResult, PutResult, RangeResult
from paxoskv.client.session import Writer
from paxoskv.errors import BadRequest
from paxoskv.kv import commands, replies
from paxoskv.net import protocol
from paxoskv.net.codec import NUMBER_MAX

Consistency = Literal["linearizable", "stale"]

SILENCE_S_MAX = 1.0
"""Longest silence of a node that owes answers before the client asks another one."""

_MODES = {"linearizable": protocol.LINEARIZABLE, "stale": protocol.STALE}


def connect(endpoints: str | Sequence[str], *, timeout_s: float = 5.0, max_in_flight: int = 1024) -> Client:
    """Return a client for the cluster at `endpoints`, for use in `async with`. Does no I/O yet.

    endpoints: "host:port,host:port" or a sequence of "host:port"; one that answers suffices, the rest is learnt.
    timeout_s: how long any call may take, its retries included. max_in_flight: requests sent and unanswered on the
    connection; further calls wait for their turn, within their timeout. Nodes allow 1,024 by default.
    Raises: BadRequest.
    """
    if not timeout_s > 0:
        raise BadRequest(f"timeout_s is {timeout_s}: it must be more than 0")
    if max_in_flight < 1:
        raise BadRequest(f"max_in_flight is {max_in_flight}: it must be at least 1")
    return Client(endpoints, timeout_s, max_in_flight)


class Client:
    """A connection to a cluster, made by `connect`; any number of tasks may call it at the same time.

    Entering makes the first connection and raises Unavailable or ProtocolMismatch if that fails within the timeout.
    Keys and values are bytes; str is sent as UTF-8. Besides the errors named, every call may raise Unavailable,
    Overloaded, BadRequest and TooLarge, and every write OutcomeUnknown: see `paxoskv.errors`.
    """

    def __init__(self, endpoints: str | Sequence[str], timeout_s: float, max_in_flight: int) -> None:
        self._endpoints = parse_endpoints(endpoints)
        self._timeout_s = timeout_s
        self._max_in_flight = max_in_flight
        self._channel: Channel
        self._writer: Writer
        self._navigator: Navigator
        self._navigation: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        if self._loop is not None:
            raise RuntimeError("a client is entered once: connect again for another one")
        self._loop = asyncio.get_running_loop()
        silence_s = min(SILENCE_S_MAX, self._timeout_s / 3)
        random = Random()
        self._channel = Channel(silence_s, self._max_in_flight, random)
        self._writer = Writer(self._channel, random)
        self._navigator = Navigator(self._channel, self._endpoints, silence_s / 2, random)
        try:
            await self._navigator.enter(self._timeout_s)
        except BaseException:
            await self._disconnect()
            raise
        self._navigation = asyncio.create_task(self._navigator.run(), name="paxoskv client navigator")
        self._navigation.add_done_callback(self._on_navigation_ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._writer.close(self._deadline_s(SILENCE_S_MAX))
        finally:
            await self._disconnect()

    async def put(self, key: str | bytes, value: str | bytes) -> PutResult:
        """Set `key` to `value`."""
        answer = await self._write(answers.write_answer, commands.put, to_key(key), to_bytes("value", value))
        return PutResult(answer.reply[1], answer.reply[2], answer.ballot)

    async def delete(self, key: str | bytes) -> DeleteResult:
        """Remove `key`, if it exists."""
        answer = await self._write(answers.delete_answer, commands.delete, to_key(key))
        _, revision, slot, deleted = answer.reply[:4]
        return DeleteResult(bool(deleted), revision, slot, answer.ballot)

    async def cas(
        self,
        key: str | bytes,
        value: str | bytes,
        *,
        expect: str | bytes | None = None,
        absent: bool = False,
        revision: int | None = None,
    ) -> CasResult:
        """Set `key` to `value` if it holds `expect`, or is absent, or was last modified at `revision`.

        Exactly one condition; a revision is the safest, since values may come back but revisions never do (P28).
        """
        condition, operand = _condition(expect, absent, revision)
        name = to_key(key)
        answer = await self._write(answers.cas_answer, commands.cas, name, to_bytes("value", value), condition, operand)
        code, at, slot, *found = answer.reply
        current = Entry(name, *answers.record_fields(found[0])) if code and found[0] is not None else None
        return CasResult(code == replies.APPLIED, at, slot, answer.ballot, current)

    async def get(self, key: str | bytes, *, consistency: Consistency = "linearizable") -> GetResult:
        """Return what `key` holds.

        consistency: "linearizable" sees every write that finished before the call; "stale" is what the node at hand
        has applied, without asking the others.
        """
        name = to_key(key)
        answer: GetAnswer = await self._read(answers.get_answer, protocol.GET, _mode(consistency), name)
        ballot, revision, slot, fields = answer
        return GetResult(None if fields is None else Entry(name, *fields), revision, slot, ballot)

    async def range(
        self,
        prefix: str | bytes | None = None,
        *,
        start: str | bytes | None = None,
        end: str | bytes | None = None,
        after: bytes | None = None,
        limit: int = 1000,
        keys_only: bool = False,
        consistency: Consistency = "linearizable",
    ) -> RangeResult:
        """Return one page of the keys that begin with `prefix`, or of the keys `start <= key < end`, in their order.

        limit: entries at most, at least 1; a node sends fewer when they are large. after: the `continuation` of
        the page before. Each page is read on its own: changes made between two pages may be seen.
        """
        if not 1 <= limit <= NUMBER_MAX:
            raise BadRequest(f"the limit is {limit}: a page has at least 1 entry, and fewer than 2**63")
        first, last = interval(prefix, start, end, after)
        mode = _mode(consistency)
        answer: RangeAnswer = await self._read(
            answers.range_answer, protocol.RANGE, mode, first, last, limit, keys_only
        )
        continuation = answer.entries[-1].key if answer.more else None
        return RangeResult(answer.entries, continuation, answer.revision, answer.slot, answer.ballot)

    async def scan(
        self,
        prefix: str | bytes | None = None,
        *,
        start: str | bytes | None = None,
        end: str | bytes | None = None,
        keys_only: bool = False,
        consistency: Consistency = "linearizable",
    ) -> AsyncIterator[Entry]:
        """Yield all entries of a range, page by page as `range` reads them."""
        after: bytes | None = None
        while True:
            page = await self.range(
                prefix, start=start, end=end, after=after, keys_only=keys_only, consistency=consistency
            )
            for entry in page.entries:
                yield entry
            after = page.continuation
            if after is None:
                return

    async def status(self, endpoint: str | None = None) -> dict[str, Any]:
        """Return what a node says about itself: the one at `endpoint`, or the one this client is connected to."""
        if endpoint is not None:
            return await node_status(endpoint, timeout_s=self._timeout_s)
        fields: dict[str, Any] = await self._read(answers.status_answer, protocol.STATUS)
        return fields

    def _write(self, parse: Parse, encode: Callable[..., bytes], *args: object) -> Awaitable[WriteAnswer]:
        deadline_s = self._deadline_s()
        return self._writer.write(deadline_s, parse, encode, *args)

    def _read(self, parse: Parse, kind: int, *fields: Any) -> Awaitable[Any]:
        deadline_s = self._deadline_s()
        return self._channel.perform(self._channel.operation(parse, deadline_s, False, kind, *fields))

    def _deadline_s(self, longest_s: float | None = None) -> float:
        """Return the loop time at which a call made now ends."""
        if self._loop is None:
            raise RuntimeError("the client is not entered: use `async with paxoskv.connect(...) as kv`")
        return self._loop.time() + (self._timeout_s if longest_s is None else min(longest_s, self._timeout_s))

    async def _disconnect(self) -> None:
        """End everything that this client has in the event loop; operations still open fail."""
        self._channel.close()
        self._channel.leave("the client was closed")
        if self._navigation is not None:
            self._navigation.cancel()
            await asyncio.wait([self._navigation])
        await self._navigator.wait_closed()

    def _on_navigation_ended(self, task: asyncio.Task[None]) -> None:
        """A dead navigator is a bug: let no call wait for it (P38)."""
        if task.cancelled() or task.exception() is None:
            return
        self._channel.trouble = f"the client failed: {task.exception()!r}"
        self._channel.close()
        task.get_loop().call_exception_handler(
            {"message": "the navigator of a paxoskv client failed", "exception": task.exception(), "task": task}
        )


def _mode(consistency: str) -> int:
    mode = _MODES.get(consistency)
    if mode is None:
        raise BadRequest(f"consistency {consistency!r:.40} is unknown: choose linearizable or stale")
    return mode


def _condition(expect: str | bytes | None, absent: bool, revision: int | None) -> tuple[int, bytes | int | None]:
    """Return the condition of a compare-and-set and its operand. Raises: BadRequest unless exactly one is given."""
    if (expect is not None) + absent + (revision is not None) != 1:
        raise BadRequest("a cas needs exactly one condition: expect=, absent=True or revision=")
    if expect is not None:
        return commands.EXPECT_VALUE, to_bytes("expected value", expect)
    if revision is None:
        return commands.ABSENT, None
    if not 0 <= revision <= NUMBER_MAX:
        raise BadRequest(f"the revision is {revision}: revisions are numbers from 0 to 2**63 - 1")
    return commands.REVISION, revision
