"""A dict that is kept fresh by a watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from paxoskv.client.calls.base import Text
from paxoskv.client.events import Batch, Event
from paxoskv.client.keys import to_bytes
from paxoskv.client.recipes.line import ended, line_now
from paxoskv.client.results import Entry
from paxoskv.client.store import Store
from paxoskv.errors import Compacted, Overloaded, Unavailable

_RETRY_S = 0.2


class Cache(Mapping[bytes, Entry]):
    """What all keys with a prefix hold, in memory, a moment behind the cluster.

        async with Cache(kv, "cfg/") as cache:
            print(cache[b"cfg/colour"].value)

    It shows the cluster as it was at `revision`, never something in between, and never goes back. Reads cost nothing;
    where they have to see what others have finished writing, `await cache.refreshed()` before.
    """

    def __init__(self, kv: Store, prefix: Text = b"") -> None:
        self._kv = kv
        self._prefix = to_bytes("prefix", prefix)
        self._entries: dict[bytes, Entry] = {}
        self._revision = 0
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise RuntimeError("a cache is entered once: make another one")
        await self._load()
        self._task = asyncio.create_task(self._follow(), name="paxoskv cache")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            await ended(self._task)

    @property
    def revision(self) -> int:
        """The revision that is shown."""
        return self._revision

    def __getitem__(self, key: Text) -> Entry:
        return self._shown()[to_bytes("key", key)]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._shown())

    def __len__(self) -> int:
        return len(self._shown())

    async def refreshed(self) -> Self:
        """Wait until every write is shown that was finished before this call. Raises: Unavailable."""
        await self._reach((await self._kv.sync()).revision)
        return self

    async def changes(self) -> AsyncGenerator[Event, None]:
        """Yield what changes from now on, each change when it is shown. Raises: Compacted if read too slowly."""
        self._shown()
        async with self._kv.watch(self._prefix, revision=self._revision + 1) as events:
            async for event in events:
                await self._reach(event.revision)
                yield event

    async def _reach(self, revision: int) -> None:
        while self._revision < revision:
            self._shown()
            self._moved.clear()
            await self._moved.wait()

    async def _load(self) -> None:
        line = await line_now(self._kv, self._prefix, keys_only=False)
        self._entries = {entry.key: entry for entry in line.entries}
        self._move(line.revision)

    async def _follow(self) -> None:
        try:
            while True:
                with suppress(Compacted):
                    async with self._kv.watch(self._prefix, revision=self._revision + 1) as watch:
                        async for batch in watch.batches(progress=True):
                            self._apply(batch)
                await self._reload()
        finally:
            self._moved.set()

    async def _reload(self) -> None:
        """Begin anew at the present, as soon as there is a node to ask."""
        while True:
            try:
                return await self._load()
            except (Unavailable, Overloaded, Compacted):
                await asyncio.sleep(_RETRY_S)

    def _apply(self, batch: Batch) -> None:
        for event in batch.events:
            if event.entry is None:
                self._entries.pop(event.key, None)
            else:
                self._entries[event.key] = event.entry
        self._move(batch.revision)

    def _move(self, revision: int) -> None:
        self._revision = revision
        self._moved.set()

    def _shown(self) -> dict[bytes, Entry]:
        """Return the entries. Raises: RuntimeError outside the block; what ended the cache, if anything did (P38)."""
        if self._task is None:
            raise RuntimeError("the cache is not entered: use `async with Cache(...) as cache`")
        if self._task.done():
            if not self._task.cancelled():
                self._task.result()
            raise RuntimeError("the cache is closed")
        return self._entries
