"""A world with little in it, for tests of its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from paxoskv.simulator.links import Mood
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.network import Network
from paxoskv.simulator.process import Process
from paxoskv.simulator.world import World

PORT = 1


class Place:
    """Two hosts: host 1 listens at `PORT`, host 2 dials. heard, answered: what each has received."""

    def __init__(self, kernel_bytes: int = 1 << 16, **mood: Any) -> None:
        self.world = World(seed=1)
        self.marks = Marks()
        self.network = Network(self.world, Mood(**mood), kernel_bytes, self.marks)
        self.server = Process(self.world, self.network, 1, "server")
        self.client = Process(self.world, self.network, 2, "client")
        self.network.hosts[PORT] = 1
        self.network.listen(self.server, lambda: Ear(self, "server"), PORT)
        self.heard: dict[str, bytes] = {"server": b"", "client": b""}
        self.lost: list[tuple[str, str]] = []
        self.ears: dict[str, Ear] = {}

    def dial(self) -> None:
        """Connect, and wait until both ends know; whoever is refused notices nothing."""

        async def work() -> None:
            with suppress(ConnectionRefusedError):
                await self.connect()

        self.run(work())
        self.world.run_until(self.world.now + 0.1)

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: Ear(self, "client"), "127.0.0.1", PORT)

    def run(self, work: Coroutine[Any, Any, None], seconds: float = 1.0) -> None:
        """Run a coroutine in the client's process."""
        self.client.start(work)
        self.world.run_until(self.world.now + seconds)

    def wait(self, seconds: float) -> None:
        self.world.run_until(self.world.now + seconds)

    def say(self, who: str, data: bytes) -> None:
        """Have one end write in a turn of its process."""
        ear = self.ears[who]
        ear.process.report(ear.transport.write, data)


class Ear(asyncio.Protocol):
    """Keeps what arrives."""

    def __init__(self, place: Place, name: str) -> None:
        self.name = name
        self.process = place.server if name == "server" else place.client
        self.transport: Any = None
        self._place = place

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._place.ears[self.name] = self

    def data_received(self, data: bytes) -> None:
        self._place.heard[self.name] += data

    def connection_lost(self, error: Exception | None) -> None:
        self._place.lost.append((self.name, type(error).__name__ if error else "end"))
