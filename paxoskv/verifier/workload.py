"""What clients do while the cluster is tormented: few hot keys, values that never come twice, counters.

Every client has a connection of its own and does one operation after the other through the public client. A key is
used for some hundreds of operations and then gives way to a fresh one, so that histories stay short enough to be
judged for certain (pitfalls, D).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count, islice
from random import Random
from typing import TypeVar

from paxoskv import BadRequest, Client, GetResult, Overloaded, PaxoskvError, Unavailable, connect
from paxoskv.checker import HistoryWriter

_Result = TypeVar("_Result")

KEYS_HOT = 6
COUNTERS_HOT = 2
OPERATIONS_PER_KEY = 300
"""Of all clients together; a few more come from those that were under way."""

OPERATIONS_PER_CONNECTION = 400
"""Then a client leaves and a new one comes, with a session of its own."""

OPERATION_TIMEOUTS_S = (3.0, 1.0, 3.0, 0.3)
"""One after the other for the clients: impatient ones leave operations of unknown outcome behind."""

CONNECT_TIMEOUT_S = 30.0
PAUSE_AFTER_ERROR_S = 0.02

_MIX = {"put": 30, "get": 38, "cas": 17, "delete": 3, "count": 12}
"""Kinds of operations and how often each comes; `count` reads a counter and adds one by a cas."""

COUNTER_PREFIX = b"counter-"

_SURELY_NOT_APPLIED = (Unavailable, Overloaded, BadRequest)


def counter_number(value: bytes | None) -> int:
    """Return what a counter stands at; an absent one stands at 0. Its values are `number/mark`, marks are unique."""
    return 0 if value is None else int(value.partition(b"/")[0])


def leaves_open(error: PaxoskvError) -> bool:
    """Whether a write that ended with `error` may have been applied, or may still be."""
    return not isinstance(error, _SURELY_NOT_APPLIED)


class Rotation:
    """The keys in use; each gives way to a new one after so many operations. all: every key ever used."""

    def __init__(self, prefix: bytes, hot: int, operations: int) -> None:
        self.all: list[bytes] = []
        self._prefix = prefix
        self._operations = operations
        self._left: list[int] = []
        self._hot = [self._fresh() for _ in range(hot)]
        self._left = [operations] * hot

    def take(self, random: Random) -> bytes:
        """Return a key for one more operation."""
        place = random.randrange(len(self._hot))
        if not self._left[place]:
            self._hot[place], self._left[place] = self._fresh(), self._operations
        self._left[place] -= 1
        return self._hot[place]

    def _fresh(self) -> bytes:
        key = b"%s%04d" % (self._prefix, len(self.all) + 1)
        self.all.append(key)
        return key


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


class Workload:
    """All clients. counters: key -> acknowledged additions, and additions of unknown outcome.

    make_client: `connect`, unless a test lies.
    """

    def __init__(self, history: HistoryWriter, seed: int, make_client: Callable[..., Client] = connect) -> None:
        self.recorder = Recorder(history)
        self.keys = Rotation(b"key-", KEYS_HOT, OPERATIONS_PER_KEY)
        self.counters = Rotation(COUNTER_PREFIX, COUNTERS_HOT, OPERATIONS_PER_KEY // 3)
        self.added: dict[bytes, int] = {}
        self.perhaps_added: dict[bytes, int] = {}
        self._seed = seed
        self._make_client = make_client

    async def run_client(self, number: int, endpoints: Sequence[str], stop: asyncio.Event) -> None:
        """Do one operation after the other until `stop`, on one connection after the other."""
        random = Random(f"{self._seed} client {number}")
        marks = (b"%d.%d" % (number, step) for step in count(1))
        timeout_s = OPERATION_TIMEOUTS_S[number % len(OPERATION_TIMEOUTS_S)]
        while not stop.is_set():
            try:
                async with self._make_client(endpoints, timeout_s=timeout_s) as kv:
                    await self._work(kv, marks, random, stop)
            except Unavailable:  # no node could be reached in time: operations are not begun then
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)

    async def _work(self, kv: Client, marks: Iterator[bytes], random: Random, stop: asyncio.Event) -> None:
        kinds, weights = list(_MIX), list(_MIX.values())
        process = self.recorder.history.new_process()
        for mark in islice(marks, OPERATIONS_PER_CONNECTION):
            if stop.is_set():
                return
            try:
                await self._do(random.choices(kinds, weights)[0], process, kv, mark, random)
            except PaxoskvError as error:
                if leaves_open(error):
                    process = self.recorder.history.new_process()
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)

    async def _do(self, kind: str, process: int, kv: Client, mark: bytes, random: Random) -> None:
        if kind == "count":
            await self._count(process, kv, self.counters.take(random), mark)
            return
        key = self.keys.take(random)
        if kind == "get":
            await self.recorder.get(process, kv, key)
        elif kind == "put":
            await self.recorder.put(process, kv, key, mark)
        elif kind == "delete":
            await self.recorder.delete(process, kv, key)
        else:
            await self.recorder.cas(process, kv, key, self.recorder.known.get(key), mark)

    async def _count(self, process: int, kv: Client, key: bytes, mark: bytes) -> None:
        """Add one to a counter, unless somebody else was faster."""
        before = (await self.recorder.get(process, kv, key)).value
        after = b"%d/%s" % (counter_number(before) + 1, mark)
        try:
            if await self.recorder.cas(process, kv, key, before, after):
                self.added[key] = self.added.get(key, 0) + 1
        except PaxoskvError as error:
            self.perhaps_added[key] = self.perhaps_added.get(key, 0) + leaves_open(error)
            raise


def _name(error: PaxoskvError) -> str:
    return f"{type(error).__name__}: {error}"
