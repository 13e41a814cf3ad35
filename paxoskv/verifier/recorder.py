"""Runs single operations of clients, and records both their ends."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TypeVar

from paxoskv import BadRequest, Client, GetResult, Overloaded, PaxoskvError, Unavailable, ops
from paxoskv.checker import HistoryWriter, Step, Told, Txn

_Result = TypeVar("_Result")

_SURELY_NOT_APPLIED = (Unavailable, Overloaded, BadRequest)


def leaves_open(error: PaxoskvError) -> bool:
    """Whether a write that ended with `error` may have been applied, or may still be."""
    return not isinstance(error, _SURELY_NOT_APPLIED)


class Recorder:
    """Runs single operations and records both their ends.

    known: what a key was last known to hold, by anybody. operations: how many were begun. unknown: how many of them
    have an unknown outcome. Every method raises PaxoskvError after recording it.
    """

    def __init__(self, history: HistoryWriter) -> None:
        self.history = history
        self.known: dict[bytes, bytes | None] = {}
        self.operations = 0
        self.unknown = 0

    async def get(self, process: int, kv: Client, key: bytes) -> GetResult:
        """Read a key."""
        self.operations += 1
        self.history.invoke(process, "get", key, time_ns=time.monotonic_ns())
        try:
            result = await kv.get(key)
        except PaxoskvError as error:  # a read that was not answered surely did nothing
            self.history.fail(process, time_ns=time.monotonic_ns(), error=_name(error))
            raise
        self.history.ok(process, result.value, time_ns=time.monotonic_ns(), revision=result.revision, slot=result.slot)
        self.known[key] = result.value
        return result

    async def put(self, process: int, kv: Client, key: bytes, value: bytes) -> None:
        """Write a value."""
        self.history.invoke(process, "put", key, value, time_ns=time.monotonic_ns())
        result = await self._settled(process, kv.put(key, value))
        self.history.ok(process, time_ns=time.monotonic_ns(), revision=result.revision, slot=result.slot)
        self.known[key] = value

    async def delete(self, process: int, kv: Client, key: bytes) -> None:
        """Remove a key."""
        self.history.invoke(process, "delete", key, time_ns=time.monotonic_ns())
        result = await self._settled(process, kv.delete(key))
        self.history.ok(process, time_ns=time.monotonic_ns(), revision=result.revision, slot=result.slot)
        self.known[key] = None

    async def cas(self, process: int, kv: Client, key: bytes, expected: bytes | None, value: bytes) -> bool:
        """Write a value if the key holds `expected`, None for absent; return whether it did."""
        self.history.invoke(process, "cas", key, (expected, value), time_ns=time.monotonic_ns())
        attempt = kv.cas(key, value, absent=True) if expected is None else kv.cas(key, value, expect=expected)
        result = await self._settled(process, attempt)
        done_ns = time.monotonic_ns()
        if result.succeeded:
            self.history.ok(process, time_ns=done_ns, revision=result.revision, slot=result.slot)
            self.known[key] = value
        else:
            self.history.fail(process, time_ns=done_ns, revision=result.revision, slot=result.slot)
            self.known[key] = None if result.current is None else result.current.value
        return result.succeeded

    async def incr(self, process: int, kv: Client, key: bytes, delta: int) -> None:
        """Add to the number that a key holds."""
        self.history.invoke(process, "incr", key, b"%d" % delta, time_ns=time.monotonic_ns())
        result = await self._settled(process, kv.incr(key, delta))
        number, done_ns = b"%d" % result.value, time.monotonic_ns()
        self.history.ok(process, number, time_ns=done_ns, revision=result.revision, slot=result.slot)

    async def append(self, process: int, kv: Client, key: bytes, text: bytes) -> None:
        """Add to the end of the text that a key holds."""
        self.history.invoke(process, "append", key, text, time_ns=time.monotonic_ns())
        result = await self._settled(process, kv.append(key, text))
        self.history.ok(process, time_ns=time.monotonic_ns(), revision=result.revision, slot=result.slot)

    async def transfer(self, process: int, kv: Client, giver: bytes, taker: bytes, amount: int) -> None:
        """Move an amount from one account to another, in one transaction."""
        give, take = ops.incr(giver, -amount), ops.incr(taker, amount)
        asked = Txn((), (Step("incr", giver, b"%d" % -amount), Step("incr", taker, b"%d" % amount)))
        self.history.invoke(process, "txn", b"", asked, time_ns=time.monotonic_ns())
        result = await self._settled(process, kv.txn(then=[give, take]))
        told = Told(result.succeeded, (b"%d" % result.of(give), b"%d" % result.of(take)))
        self.history.ok(process, told, time_ns=time.monotonic_ns(), revision=result.revision, slot=result.slot)

    async def look(self, process: int, kv: Client, accounts: list[bytes]) -> int:
        """Read accounts in one transaction; return what they hold together."""
        reads = [ops.get(account) for account in accounts]
        asked = Txn((), tuple(Step("get", account) for account in accounts))
        self.history.invoke(process, "txn", b"", asked, time_ns=time.monotonic_ns())
        result = await self._settled(process, kv.txn(then=reads))
        values = [None if entry is None else entry.value for entry in map(result.of, reads)]
        told = Told(result.succeeded, tuple(values))
        self.history.ok(process, told, time_ns=time.monotonic_ns(), revision=result.revision, slot=result.slot)
        return sum(int(value or 0) for value in values)

    async def _settled(self, process: int, write: Awaitable[_Result]) -> _Result:
        """Return the result of a write, or record why there is none."""
        self.operations += 1
        try:
            return await write
        except PaxoskvError as error:
            self.unknown += leaves_open(error)
            record = self.history.info if leaves_open(error) else self.history.fail
            record(process, time_ns=time.monotonic_ns(), error=_name(error))
            raise


def _name(error: PaxoskvError) -> str:
    return f"{type(error).__name__}: {error}"
