"""A view whose values are Python values, by a codec."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Generic

from paxoskv.client.calls.base import Consistency, LeaseLike, Text
from paxoskv.client.calls.keys import KeyCalls
from paxoskv.client.calls.ranges import RangeCalls
from paxoskv.client.codecs import Codec, T
from paxoskv.client.results import DeleteResult, PutResult


class TypedStore(Generic[T]):
    """Made by `typed` of a store; for what it does not offer, ask the store itself. Decoding may raise ValueError."""

    def __init__(self, keys: KeyCalls, ranges: RangeCalls, codec: Codec[T]) -> None:
        self._keys = keys
        self._ranges = ranges
        self._codec = codec

    async def get(self, key: Text, *, consistency: Consistency = "linearizable") -> T | None:
        """Return the value of `key`, None if it does not exist."""
        raw = (await self._keys.get(key, consistency=consistency)).value
        return None if raw is None else self._codec.decode(raw)

    async def put(
        self,
        key: Text,
        value: T,
        *,
        lease: LeaseLike | None = None,
        keep_lease: bool = False,
        if_absent: bool = False,
        if_present: bool = False,
    ) -> PutResult:
        """Set `key` to `value`, as `put` of a store does."""
        return await self._keys.put(
            key,
            self._codec.encode(value),
            lease=lease,
            keep_lease=keep_lease,
            if_absent=if_absent,
            if_present=if_present,
        )

    async def delete(self, key: Text) -> DeleteResult:
        """Remove `key`, if it exists."""
        return await self._keys.delete(key)

    async def update(self, key: Text, change: Callable[[T | None], T]) -> T:
        """Set `key` to what `change` makes of its value (None if absent), and return that; nobody comes between.

        change: is called again whenever somebody else was faster, so it should do nothing but compute.
        """
        while True:
            entry = (await self._keys.get(key)).entry
            after = change(None if entry is None else self._codec.decode(entry.value))
            raw = self._codec.encode(after)
            if entry is None:
                result = await self._keys.cas(key, raw, absent=True)
            else:
                result = await self._keys.cas(key, raw, revision=entry.modified)
            if result.succeeded:
                return after
            await asyncio.sleep(0)

    async def scan(self, prefix: Text | None = None) -> AsyncIterator[tuple[bytes, T]]:
        """Yield all keys that begin with `prefix`, with their values, as they were at one revision."""
        async for entry in self._ranges.scan(prefix):
            yield entry.key, self._codec.decode(entry.value)
