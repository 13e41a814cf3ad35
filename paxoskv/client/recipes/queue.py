"""A queue: what is put in comes out once, the oldest first."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple

from paxoskv.client import ops
from paxoskv.client.calls.base import Text
from paxoskv.client.lease import Lease
from paxoskv.client.recipes.line import unless_lost
from paxoskv.client.recipes.naming import directory
from paxoskv.client.results import Entry
from paxoskv.client.store import Store
from paxoskv.errors import Compacted, LeaseLost, LeaseNotFound

_LOOK = 100
"""Items looked at at once: more than that many claimed ones in a row take another look."""


class Item(NamedTuple):
    """Something taken out of a queue. number: grows from item to item. value: what was put in."""

    number: int
    value: bytes


class _Found(NamedTuple):
    item: Entry | None
    revision: int


class Taken(NamedTuple):
    """An item that is claimed, its entry, and the revision of the claim."""

    item: Item
    entry: Entry
    created: int


class Queue:
    """A line of values. Of two that were put in one after the other, the first comes out first.

        await queue.put("job")
        value = await queue.get()              it is taken out, once, whatever becomes of us then
        async with queue.claim() as item:      it is taken out when the block ends well, and else given back

    ttl_s: after how long a claimed item is given back when its claimant is cut off, stands still, or dies.
    """

    def __init__(self, kv: Store, name: Text, *, ttl_s: float = 10.0) -> None:
        self._kv = kv
        self._ttl_s = ttl_s
        base = directory(name, "queue")
        self._directory = base
        self._items = base + b"items/"
        self._claims = base + b"claims/"
        self._last = base + b"last"

    def _lease(self) -> Lease:
        """Return a lease for claims."""
        return self._kv.lease(self._ttl_s)

    async def put(self, value: Text) -> int:
        """Put a value in; return its number."""
        number = (await self._kv.incr(self._last)).value
        await self._kv.put(self._items + f"{number:016x}".encode(), value)
        return number

    async def size(self) -> int:
        """Return how many values are in, claimed ones included."""
        return (await self._kv.count(self._items)).keys

    async def get(self, timeout_s: float | None = None) -> bytes:
        """Take the oldest value out that nobody has claimed, and return it; wait for one if there is none.

        Raises: TimeoutError. OutcomeUnknown: a value may have been taken out, and is lost then; see `claim`.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                item = await self._wait_for_item()
                taken = await self._kv.txn(compare=self._is_free(item), then=[ops.delete(item.key)])
                if taken.succeeded:
                    return item.value

    def claim(self, timeout_s: float | None = None) -> Claim:
        """Return, for `async with`, the oldest value that nobody else has claimed, once there is one.

        timeout_s: for waiting. Entering raises TimeoutError. Leaving raises LeaseLost, and the value is not taken
        out, if the claim was lost meanwhile: somebody else may be at it.
        """
        return Claim(self, timeout_s)

    async def _take(self, timeout_s: float | None, lease: Lease) -> Taken:
        """Claim the oldest value that is free, under a lease; wait for one if there is none. `claim` is safer."""
        async with asyncio.timeout(timeout_s):
            return await unless_lost(lease, self._claimed(lease.id))

    async def _finish(self, taken: Taken) -> None:
        """Take a claimed value out. Raises: LeaseLost if the claim was lost."""
        claim = self._claim_of(taken.entry)
        done = await self._kv.txn(
            compare=[ops.created(claim, "=", taken.created)],
            then=[ops.delete(taken.entry.key), ops.delete(claim)],
        )
        if not done.succeeded:
            raise LeaseLost("the claim was lost before the block ended: somebody else may work on the same value")

    async def _claimed(self, lease: int) -> Taken:
        while True:
            item = await self._wait_for_item()
            claim = ops.put(self._claim_of(item), b"", lease=lease)
            try:
                claimed = await self._kv.txn(compare=self._is_free(item), then=[claim])
            except LeaseNotFound:
                raise LeaseLost(f"lease {lease} ran out before anything was claimed") from None
            if claimed.succeeded:
                return Taken(Item(int(item.key.removeprefix(self._items), 16), item.value), item, claimed.revision)

    async def _wait_for_item(self) -> Entry:
        while True:
            with suppress(Compacted):  # then look again
                item, revision = await self._find()
                if item is not None:
                    return item
                async with self._kv.watch(self._directory, revision=revision + 1) as events:
                    await events.next()

    async def _find(self) -> _Found:
        """Return the oldest item without a claim, as of one revision."""
        page = await self._kv.range(self._items, limit=_LOOK)
        revision = page.revision
        if not page.entries:
            return _Found(None, revision)
        claims = [entry.key async for entry in self._kv.scan(self._claims, keys_only=True, revision=revision)]
        taken = set(claims)
        while True:
            for entry in page.entries:
                if self._claim_of(entry) not in taken:
                    return _Found(entry, revision)
            if page.continuation is None:
                return _Found(None, revision)
            page = await self._kv.range(self._items, limit=_LOOK, continuation=page.continuation)

    def _is_free(self, item: Entry) -> list[ops.Compare]:
        return [ops.created(item.key, "=", item.created), ops.absent(self._claim_of(item))]

    def _claim_of(self, item: Entry) -> bytes:
        return self._claims + item.key.removeprefix(self._items)


class Claim:
    """Made by `claim` of a queue: gives an item on entering, takes it out on leaving, unless the block fails."""

    def __init__(self, queue: Queue, timeout_s: float | None) -> None:
        self._queue = queue
        self._timeout_s = timeout_s
        self._lease = queue._lease()
        self._taken: Taken | None = None

    async def __aenter__(self) -> Item:
        await self._lease.__aenter__()
        try:
            self._taken = await self._queue._take(self._timeout_s, self._lease)
        except BaseException:
            await self._lease.end()
            raise
        return self._taken.item

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None and self._taken is not None:
                await self._queue._finish(self._taken)
        finally:
            await self._lease.end()
