"""A task of a simulated program that watches keys, now eagerly, now slowly, and begins anew now and then."""

from __future__ import annotations

import asyncio
from random import Random

from paxoskv.client.client import Client
from paxoskv.client.watch import Watch
from paxoskv.errors import Compacted, Overloaded, Unavailable
from paxoskv.simulator.calls.desk import ANY, COUNTERS, KEYS, TEXTS
from paxoskv.simulator.judge import Judge
from paxoskv.simulator.sight import Sight
from paxoskv.simulator.world import World

_PAUSES_S = (0.0, 0.0, 0.0, 0.01, 0.5)


class Onlooker:
    """sight: what it was told so far, in all lives of its program. is_slow: it may take its time."""

    def __init__(self, world: World, judge: Judge, rng: Random) -> None:
        keys = [*KEYS, *COUNTERS, *TEXTS, *ANY]
        self.sight = Sight.of_chance(world, judge.model, judge.marks, rng, keys)
        self.is_slow = True
        self._judge = judge
        self._rng = rng
        self._has_begun = False

    async def run(self, client: Client) -> None:
        """Watch, one watch after the other, until cancelled."""
        while True:
            try:
                await self._look(client)
            except Compacted as error:
                self.sight.compacted(error.revision)
            except (Unavailable, Overloaded):
                await asyncio.sleep(self._rng.uniform(0.01, 0.3))

    async def _look(self, client: Client) -> None:
        """Follow one watch for a while; the next one goes on where it ends."""
        wish, floor = self.sight.wish, self._judge.floor
        from_now = not self._has_begun and self._rng.random() < 0.5
        watch = client.watch(
            start=wish.interval.start,
            end=wish.interval.end,
            revision=None if from_now else self.sight.told + 1,
            previous=wish.previous,
            puts=wish.puts,
            deletes=wish.deletes,
        )
        async with watch:
            if from_now:
                self.sight.begin(watch.revision, floor)
            self._has_begun = True
            await self._follow(client, watch)

    async def _follow(self, client: Client, watch: Watch) -> None:
        left = self._rng.randrange(1, 60)
        async for batch in watch.batches(progress=self._rng.random() < 0.5):
            events = [(event.key, event.entry, event.previous) for event in batch.events]
            if any(event.is_last is not (event is batch.events[-1]) for event in batch.events):
                self._judge.complain(f"events of revision {batch.revision} do not say which is the last: {batch}")
            self.sight.take(batch.revision, events, self._node(client))
            left -= 1
            if not left:
                return
            if self.is_slow:
                await asyncio.sleep(self._rng.choice(_PAUSES_S))

    def _node(self, client: Client) -> int:
        """Return the node that the client talks to, 0 if to none."""
        connection = client._wire.channel.connection
        return 0 if connection is None else connection.node
