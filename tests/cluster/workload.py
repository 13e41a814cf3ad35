"""Clients that write while a cluster is being broken, and the account of what each of them was told.

Every write has a key and a value of its own, so the contents of the store tell for each of them whether it happened,
and how often: its version is 1. Counters are incremented by compare-and-set, so a lost or doubled increment shows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self

import paxoskv
from paxoskv.errors import OutcomeUnknown, Overloaded, Unavailable
from tests.cluster.kit import Cluster
from tests.support import eventually

WRITES = b"w/"
COUNTERS = b"c/"
CALL_TIMEOUT_S = 2.0
FINISH_TIMEOUT_S = 120.0


@dataclass(slots=True)
class Account:
    """What clients know. acked: key -> (value, revision). unknown, refused: key -> value of writes that failed so.

    added, doubtful: increments acknowledged, and of unknown outcome, by counter.
    revision: the highest one that any finished call has brought. lies: answers that cannot be true.
    """

    acked: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    unknown: dict[bytes, bytes] = field(default_factory=dict)
    refused: dict[bytes, bytes] = field(default_factory=dict)
    added: Counter[bytes] = field(default_factory=Counter)
    doubtful: Counter[bytes] = field(default_factory=Counter)
    revision: int = 0
    lies: list[str] = field(default_factory=list)

    @property
    def acks(self) -> int:
        """Acknowledged changes."""
        return len(self.acked) + self.added.total()

    @property
    def doubts(self) -> int:
        """Changes of unknown outcome."""
        return len(self.unknown) + self.doubtful.total()

    def learn(self, what: str, before: int, revision: int, changed: bool) -> None:
        """Judge the revision of a call that began when `before` was known: real time must not run backwards (I4)."""
        if revision < before + changed:
            self.lies.append(f"{what} brought revision {revision}, though {before} had been told before it began")
        self.revision = max(self.revision, revision)


class Workload:
    """`writers` clients with unique writes and `adders` clients on each of two counters, from entry to exit."""

    def __init__(self, cluster: Cluster, writers: int = 3, adders: int = 2, value_bytes: int = 20) -> None:
        self.account = Account()
        self._cluster = cluster
        self._writers = writers
        self._adders = adders
        self._padding = b"." * value_bytes
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        work: list[Coroutine[Any, Any, None]] = [self._write(number) for number in range(self._writers)]
        work += [self._add(COUNTERS + name) for name in (b"a", b"b") for _ in range(self._adders)]
        self._tasks = [asyncio.create_task(one) for one in work]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if error is not None:
            for task in self._tasks:
                task.cancel()
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        failures = [end for end in ends if isinstance(end, Exception)]
        if error is None and failures:
            raise ExceptionGroup("clients of the workload failed", failures)

    async def progress(self, changes: int, within_s: float = 60.0) -> None:
        """Wait until so many more changes are acknowledged."""
        goal = self.account.acks + changes

        def reached() -> bool:
            dead = [task for task in self._tasks if task.done()]
            assert not dead, f"clients ended early: {dead}"
            return self.account.acks >= goal

        await eventually(reached, within_s, f"{changes} more acknowledged changes")

    async def _run(self, step: Callable[[paxoskv.Client], Awaitable[None]]) -> None:
        """Repeat `step` with a client until the end; connecting takes several tries while nobody answers."""
        while not self._stop.is_set():
            with suppress(Unavailable):
                async with self._cluster.connect(CALL_TIMEOUT_S) as kv:
                    while not self._stop.is_set():
                        await step(kv)

    async def _write(self, number: int) -> None:
        account, counts = self.account, count(1)

        async def put(kv: paxoskv.Client) -> None:
            suffix = next(counts)
            key, value = WRITES + b"%d/%06d" % (number, suffix), b"%d-%d" % (number, suffix) + self._padding
            before = account.revision
            try:
                result = await kv.put(key, value)
            except OutcomeUnknown:
                account.unknown[key] = value
            except (Unavailable, Overloaded):
                account.refused[key] = value
            else:
                account.acked[key] = (value, result.revision)
                account.learn(f"put {key!r}", before, result.revision, changed=True)

        await self._run(put)

    async def _add(self, counter: bytes) -> None:
        """Increment with a read and a compare-and-set on the revision read."""

        async def add(kv: paxoskv.Client) -> None:
            try:
                await self._add_once(kv, counter)
            except OutcomeUnknown:
                self.account.doubtful[counter] += 1
            except (Unavailable, Overloaded):
                return

        await self._run(add)

    async def _add_once(self, kv: paxoskv.Client, counter: bytes) -> None:
        account, before = self.account, self.account.revision
        found = await kv.get(counter)
        account.learn(f"get {counter!r}", before, found.revision, changed=False)
        entry, before = found.entry, account.revision
        if entry is None:
            result = await kv.cas(counter, b"1", absent=True)
        else:
            result = await kv.cas(counter, b"%d" % (int(entry.value) + 1), revision=entry.modified)
        account.learn(f"cas {counter!r}", before, result.revision, changed=result.succeeded)
        account.added[counter] += result.succeeded


async def check(cluster: Cluster, account: Account) -> None:
    """Compare what the store holds with the account; every replica must hold the same.

    Raises: AssertionError, naming what was lost, doubled, made up or resurrected.
    """
    assert not account.lies, account.lies[:5]
    async with cluster.connect() as kv:
        writes = {entry.key: entry async for entry in kv.scan(WRITES)}
        counters = {entry.key: entry async for entry in kv.scan(COUNTERS)}
    await cluster.agreement()
    _check_writes(writes, account)
    _check_counters(counters, account)


def _check_writes(found: dict[bytes, paxoskv.Entry], account: Account) -> None:
    lost = [key for key in account.acked if key not in found]
    assert not lost, f"{len(lost)} acknowledged writes are lost: {lost[:5]}"
    made_up = [key for key in found if key not in account.acked and key not in account.unknown]
    assert not made_up, f"{len(made_up)} keys nobody wrote, or whose write had failed for sure: {made_up[:5]}"
    doubled = [entry for entry in found.values() if entry.version != 1]
    assert not doubled, f"{len(doubled)} writes happened more than once: {doubled[:5]}"
    for key, entry in found.items():
        value, revision = account.acked.get(key, (account.unknown.get(key), entry.modified))
        assert (entry.value, entry.modified) == (value, revision), f"{key!r} holds {entry}, not {value!r} of {revision}"


def _check_counters(found: dict[bytes, paxoskv.Entry], account: Account) -> None:
    for counter in {*account.added, *account.doubtful, *found}:
        entry = found.get(counter)
        value = int(entry.value) if entry else 0
        least = account.added[counter]
        most = least + account.doubtful[counter]
        assert least <= value <= most, f"{counter!r} is {value}, acknowledged {least}, with doubtful ones {most}"
        assert entry is None or entry.version == value, f"{counter!r} was written {entry.version} times for {value}"
