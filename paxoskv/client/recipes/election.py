"""An election: candidates stand in line, the first one leads."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from paxoskv.client import ops
from paxoskv.client.calls.base import Text
from paxoskv.client.recipes.holding import Holding
from paxoskv.client.recipes.line import line_now
from paxoskv.client.recipes.naming import directory
from paxoskv.client.results import Entry
from paxoskv.client.store import Store
from paxoskv.errors import Compacted, LeaseLost


class Election(Holding):
    """Elects one of many.

        async with Election(kv, "scheduler", value="host7:80") as leadership:
            ...  # we lead here

    value: what the others see of us while we lead. Entering campaigns and waits, leaving resigns.
    """

    def __init__(self, kv: Store, name: Text, *, value: Text = b"", ttl_s: float = 10.0) -> None:
        super().__init__(kv, directory(name, "election"), ttl_s, value)

    async def campaign(self, timeout_s: float | None = None) -> None:
        """Wait until we lead. Raises: TimeoutError, LeaseLost, as `acquire`, which is the same."""
        await self.acquire(timeout_s)

    async def resign(self) -> None:
        """Let the next one lead. Raises: LeaseLost, as `release`, which is the same."""
        await self.release()

    async def proclaim(self, value: Text) -> None:
        """Change what the others see of us. Raises: LeaseLost if we do not lead any more."""
        place = self._held()
        change = ops.put(place.key, value, lease=place.lease)
        if not (await self._kv.txn(compare=[place.guard], then=[change])).succeeded:
            raise LeaseLost("nothing was proclaimed: another one may lead by now")
        self._value = value

    async def leader(self) -> Entry | None:
        """Return the entry of the leader, with its value; None if there is none."""
        line = await line_now(self._kv, self._directory, keys_only=False)
        return line.entries[0] if line.entries else None

    async def observe(self) -> AsyncGenerator[Entry | None, None]:
        """Yield the leader's entry, now and whenever it or its value changes; None while there is none.

        Nothing that comes later is ever followed by what came before; a leader who led only for a moment may be
        left out.
        """
        seen: Entry | None = None
        is_first = True
        while True:
            with suppress(Compacted):  # then look again
                async with aclosing(self._leaders()) as leaders:
                    async for leader in leaders:
                        if is_first or leader != seen:
                            yield leader
                        seen, is_first = leader, False

    async def _leaders(self) -> AsyncGenerator[Entry | None, None]:
        """Yield the leader as of one revision, and after each change of the line. Raises: Compacted."""
        entries, revision = await line_now(self._kv, self._directory, keys_only=False)
        line = {entry.key: entry for entry in entries}
        yield _first(line)
        async with self._kv.watch(self._directory, revision=revision + 1) as watch:
            async for batch in watch.batches():
                for event in batch.events:
                    if event.entry is None:
                        line.pop(event.key, None)
                    else:
                        line[event.key] = event.entry
                yield _first(line)


def _first(line: dict[bytes, Entry]) -> Entry | None:
    return min(line.values(), key=lambda entry: entry.created, default=None)
