"""A barrier: nobody goes on before all are there."""

from __future__ import annotations

import json
from contextlib import suppress
from types import TracebackType
from typing import Self

from paxoskv.client import ops
from paxoskv.client.calls.base import Text
from paxoskv.client.recipes.line import Line, Place, line_now, unless_lost, within
from paxoskv.client.recipes.naming import directory
from paxoskv.client.results import Entry
from paxoskv.client.store import Store
from paxoskv.errors import BadRequest, Compacted, LeaseLost

PARTIES_MAX = 120
"""A round is declared by one transaction that looks at every party."""

_ROUND = b"round"


class Barrier:
    """Its block begins when `parties` programs have entered, and ends when all of them have left.

        async with Barrier(kv, "phase-1", parties=3):
            ...

    It may be used again and again: who comes too late for a round is in the next one. A party that dies, or loses its
    lease, has left. Leaving the block raises LeaseLost if that happened to us, unless another error does already.
    """

    def __init__(self, kv: Store, name: Text, parties: int, *, ttl_s: float = 10.0) -> None:
        if not 1 <= parties <= PARTIES_MAX:
            raise BadRequest(f"a barrier of {parties} parties: choose from 1 to {PARTIES_MAX}")
        self._kv = kv
        self._directory = directory(name, "barrier")
        self._parties = parties
        self._ttl_s = ttl_s
        self._place: Place | None = None

    async def __aenter__(self) -> Self:
        await self.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self.leave()
        else:
            await self._give_up()

    async def enter(self, timeout_s: float | None = None) -> None:
        """Wait until all parties are there. Raises: TimeoutError, LeaseLost; we have not entered then."""
        if self._place is not None:
            raise RuntimeError("the barrier is entered already: another task needs an object of its own")
        self._place = place = Place(self._kv, self._directory, self._ttl_s)

        async def work() -> None:
            await place.enter()
            await unless_lost(place.lease, self._until_in_a_round(place))

        await within(timeout_s, work, self._give_up)

    async def leave(self, timeout_s: float | None = None) -> None:
        """Wait until all parties of our round have left. Raises: TimeoutError, LeaseLost; we have left then."""
        place, self._place = self._place, None
        if place is None:
            raise RuntimeError("the barrier is not entered")
        was_there = await place.leave()

        async def work() -> None:
            await self._until_round_is_over(place.key)

        async def nothing() -> None:
            """We have left already."""

        await within(timeout_s, work, nothing)
        if not was_there:
            raise LeaseLost(f"the barrier was lost before it was left: the {self._ttl_s:g} s of the lease ran out")

    async def _until_in_a_round(self, place: Place) -> None:
        while True:
            line, now = await self._look()
            if now is None:
                await self._declare(line)
            elif place.key in _members(now, self._directory):
                return
            else:
                await self._end_if_over(line, now)
            await self._until_changed(line)

    async def _until_round_is_over(self, key: bytes) -> None:
        while True:
            line, now = await self._look()
            if now is None or key not in _members(now, self._directory):
                return
            await self._end_if_over(line, now)
            await self._until_changed(line)

    async def _look(self) -> tuple[Line, Entry | None]:
        """Return who is there, in the order of arrival, and the round that is under way."""
        line = await line_now(self._kv, self._directory, keys_only=False)
        now = [entry for entry in line.entries if entry.key == self._directory + _ROUND]
        present = [entry for entry in line.entries if entry.key != self._directory + _ROUND]
        return Line(present, line.revision), now[0] if now else None

    async def _declare(self, line: Line) -> None:
        """Begin a round with those who came first, if they are enough; whoever of them is fastest does it."""
        if len(line.entries) < self._parties:
            return
        first = line.entries[: self._parties]
        names = json.dumps([entry.key.removeprefix(self._directory).decode() for entry in first])
        await self._kv.txn(
            compare=[
                ops.absent(self._directory + _ROUND),
                *[ops.created(entry.key, "=", entry.created) for entry in first],
            ],
            then=[ops.put(self._directory + _ROUND, names)],
        )

    async def _end_if_over(self, line: Line, now: Entry) -> None:
        """Remove a round all of whose members have left, so that the next one can begin."""
        members = _members(now, self._directory)
        if any(entry.key in members for entry in line.entries):
            return
        await self._kv.txn(
            compare=[ops.created(now.key, "=", now.created)],
            then=[ops.delete(now.key)],
        )

    async def _until_changed(self, line: Line) -> None:
        with suppress(Compacted):  # then look again
            async with self._kv.watch(self._directory, revision=line.revision + 1) as events:
                await events.next()

    async def _give_up(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            await place.leave()


def _members(now: Entry, directory_: bytes) -> set[bytes]:
    """Return the keys of those who take part in a round."""
    return {directory_ + name.encode() for name in json.loads(now.value)}
