"""A client that sends every write to several nodes, repeats it without need, and sends copies long after the answer.

All of that happens to a polite client too, when connections break and messages are late; here it happens at once.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from paxoskv.kv import commands, replies
from paxoskv.net import protocol
from paxoskv.net.frames import FrameReader, frame
from paxoskv.simulator.calls.desk import KEYS
from paxoskv.simulator.cluster import CLIENT_PORT
from paxoskv.simulator.judge import Judge, Open
from paxoskv.simulator.network import Network
from paxoskv.simulator.process import Process
from paxoskv.simulator.world import World

_HOST = 190
_LIFE_S = 6.0


class _Wire(asyncio.Protocol):
    """One connection; every answer goes to `client.on_answer`."""

    def __init__(self, client: RudeClient) -> None:
        self._client = client
        self._reader = FrameReader(protocol_bytes_max())
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.send(protocol.MAGIC, protocol.PROTOCOL)

    def data_received(self, data: bytes) -> None:
        for payload in self._reader.feed(data):
            fields = protocol.decode(payload)
            if type(fields[0]) is int and fields[0]:
                self._client.on_answer(fields)

    def send(self, *fields: Any) -> None:
        """Send one frame."""
        self.transport.write(frame(protocol.encode(*fields)))


def protocol_bytes_max() -> int:
    """Return the largest frame that a node sends to a client."""
    return 4 << 20


class RudeClient:
    """One session, a few writes, many copies of each."""

    def __init__(
        self, world: World, network: Network, number: int, nodes: list[int], judge: Judge, rng: Random
    ) -> None:
        self._world = world
        self._judge = judge
        self._rng = rng
        self._nodes = nodes
        self._number = number
        self._session = 0
        self._answers: dict[int, replies.Reply] = {}
        self._open: dict[int, Open] = {}
        self._wires: list[_Wire] = []
        self.process = Process(world, network, _HOST, f"rude client {number}")
        self.process.start(self._main())
        world.after(_LIFE_S, self._end)

    def on_answer(self, fields: tuple[Any, ...]) -> None:
        """Compare the answers to the copies of a write (I6)."""
        seq, status = fields[0], fields[1]
        if status != protocol.OK:
            return
        reply = fields[3]
        if reply[0] not in (replies.APPLIED, replies.COMPARE_FAILED):
            return
        first = self._answers.setdefault(seq, reply)
        if first != reply and seq > 1:
            self._world.fail("I6", f"copies of write {seq} of session {self._session} were answered {first}, {reply}")
        op = self._open.pop(seq, None)
        if op is not None:
            self._judge.wrote(op, reply)

    async def _main(self) -> None:
        await self._connect()
        if not self._wires:
            return
        await self._open_session()
        for seq in range(2, 2 + self._rng.randrange(2, 12) if self._session else 0):
            await self._write(seq)
        await asyncio.sleep(self._rng.choice((0.0, 0.5, 2.0)))

    async def _connect(self) -> None:
        """Connect to as many nodes as will have us."""
        loop = asyncio.get_running_loop()
        for node in self._nodes:
            try:
                async with asyncio.timeout(0.3):
                    port = CLIENT_PORT + node
                    _, wire = await loop.create_connection(lambda: _Wire(self), "127.0.0.1", port)
                    self._wires.append(wire)
            except OSError:
                continue

    async def _open_session(self) -> None:
        for _ in range(10):
            self._answers.pop(1, None)
            self._rng.choice(self._wires).send(protocol.WRITE, 1, commands.open_session())
            await asyncio.sleep(0.2)
            if 1 in self._answers:
                self._session = self._answers[1][3]
                return

    async def _write(self, seq: int) -> None:
        """Send one write in many copies, and perhaps a copy of an earlier one."""
        rng = self._rng
        key, value = KEYS[rng.randrange(2)], f"rude {self._number}.{seq}".encode()
        acked = rng.choice((0, 0, seq - 2))
        self._open[seq] = self._judge.invoke(self._judge.new_process(), "put", key, value)
        command = commands.put(self._session, seq - 1, acked, key, value)
        for _ in range(rng.randrange(1, 5)):
            rng.choice(self._wires).send(protocol.WRITE, seq, command)
            if rng.random() < 0.5:
                await asyncio.sleep(rng.expovariate(1.0) * 0.05)
            if rng.random() < 0.3:
                self._world.after(rng.expovariate(1.0), lambda: self._copy(seq, command))

    def _copy(self, seq: int, command: bytes) -> None:
        if self.process.alive:
            self.process.report(self._rng.choice(self._wires).send, protocol.WRITE, seq, command)

    def _end(self) -> None:
        self.process.die()
        for op in self._open.values():
            self._judge.lose(op, "the client went away")
        self._open.clear()
