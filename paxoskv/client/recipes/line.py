"""Standing in line under a lease: the common ground of locks, semaphores and elections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from paxoskv.client.calls.base import Text
from paxoskv.client.lease import Lease
from paxoskv.client.ops import Compare, guard
from paxoskv.client.results import Continuation, Entry
from paxoskv.client.store import Store
from paxoskv.errors import Compacted, LeaseLost, LeaseNotFound

T = TypeVar("T")

Blocking = Callable[[Sequence[Entry]], Sequence[Entry]]
"""Those who came before, in their order -> those of whom one has to leave before it can be our turn; none: it is."""


class Place:
    """A place in a line: a key under a lease of its own, created by whoever stands there; its creation is its number.

    kv: the view. directory: the prefix of the line. suffix: of the key, after the lease's number.
    """

    def __init__(self, kv: Store, directory: bytes, ttl_s: float, value: Text = b"", suffix: bytes = b"") -> None:
        self.lease = kv.lease(ttl_s)
        self.key = b""
        self.created = 0
        self._kv = kv
        self._directory = directory
        self._value = value
        self._suffix = suffix

    @property
    def guard(self) -> Compare:
        """The key is still there: nobody who came later can have got what we hold."""
        return guard(self._kv.whole_key(self.key), self.created)

    async def enter(self) -> None:
        """Take the last place. Cancelling leaves nothing behind for longer than the lease lives."""
        await self.lease.__aenter__()
        self.key = self._directory + f"{self.lease.id:016x}".encode() + self._suffix
        try:
            self.created = (await self._kv.put(self.key, self._value, lease=self.lease)).revision
        except LeaseNotFound:
            raise LeaseLost(f"lease {self.lease.id} ran out before it was used") from None

    async def leave(self) -> bool:
        """Give the place up; return whether it was ours until now."""
        return await self.lease.end() if self.lease.is_entered else True

    async def wait_for_turn(self, blocking: Blocking) -> None:
        """Wait until nobody blocks us. Raises: LeaseLost if we fall out of the line; PaxoskvError."""
        while True:
            blockers, revision = await self._blockers(blocking)
            if not blockers:
                return
            names = {entry.key for entry in blockers}
            with suppress(Compacted):  # then look again
                await unless_lost(self.lease, self._left(names, revision))

    async def _blockers(self, blocking: Blocking) -> tuple[Sequence[Entry], int]:
        line, revision = await line_now(self._kv, self._directory)
        before = [entry for entry in line if entry.created < self.created]
        self.lease.check()
        if len(before) == len(line) or line[len(before)].key != self.key:
            raise LeaseLost(f"lease {self.lease.id} ran out while its owner stood in line")
        return blocking(before), revision

    async def _left(self, names: set[bytes], revision: int) -> None:
        """Wait until one of these keys is deleted, after `revision`."""
        only = next(iter(names)) if len(names) == 1 else None
        where = None if only else self._directory
        async with self._kv.watch(where, key=only, revision=revision + 1, puts=False) as events:
            async for event in events:
                if event.key in names:
                    return


class Line(NamedTuple):
    """Who stood in a line at a revision, in the order of arrival."""

    entries: list[Entry]
    revision: int


async def line_now(kv: Store, directory: bytes, *, keys_only: bool = True) -> Line:
    """Read a line."""
    entries: list[Entry] = []
    continuation: Continuation | None = None
    while True:
        page = await kv.range(directory, continuation=continuation, keys_only=keys_only)
        entries += page.entries
        continuation = page.continuation
        if continuation is None:
            return Line(sorted(entries, key=lambda entry: entry.created), page.revision)


async def unless_lost(lease: Lease, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns, but give it up when the lease is lost. Raises: LeaseLost."""
    task = asyncio.ensure_future(work)
    lost = asyncio.ensure_future(lease.lost.wait())
    try:
        await asyncio.wait((task, lost), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        lease.check()
        raise AssertionError("a lease whose event is set is lost")
    finally:
        await ended(task, lost)


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they have ended, whatever with."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def within(
    timeout_s: float | None, work: Callable[[], Awaitable[None]], undo: Callable[[], Awaitable[Any]]
) -> None:
    """Do `work` within the time, None for any; if it fails or is cancelled, `undo` it first. Raises: TimeoutError."""
    try:
        async with asyncio.timeout(timeout_s):
            await work()
    except BaseException:
        await undo()
        raise
