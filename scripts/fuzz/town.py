"""Sound nodes in one process that hear one another, and a sound client that wants to be served."""

from __future__ import annotations

import asyncio
from typing import Any

from paxoskv.kv import commands
from paxoskv.kv.commands import BadBatch
from paxoskv.net import protocol
from paxoskv.net.frames import frame
from paxoskv.paxos.ballot import NodeId
from paxoskv.paxos.messages import Message
from scripts.fuzz import samples
from scripts.fuzz.noise import Tree, packed
from scripts.fuzz.target import Finding
from scripts.fuzz.victim import Carry, Clock, Victim

TICK_S = 0.01
PATIENCE_TICKS = 1000
"""Ten seconds of their time, many elections long, until a client has to be served."""
ANSWER_TURNS = 400


class Town:
    """Nodes `sound` of a cluster of `members`; messages to a node that is not here are lost."""

    def __init__(self, members: tuple[NodeId, ...], sound: tuple[NodeId, ...], seed: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = Clock()
        self._next_tick_s = self._clock.now_s
        self._stopped: BaseException | None = None
        self.nodes = {node: Victim(node, members, self._clock, seed + node, self._carrier(node)) for node in sound}

    @property
    def failure(self) -> BaseException | None:
        """Why a node's process would have ended, None if none would."""
        return self._stopped or next((node.failure for node in self.nodes.values() if node.failure), None)

    def stop(self, error: BaseException) -> None:
        """An invariant has ended a node."""
        self._stopped = self._stopped or error

    async def turn(self, seconds: float = 0.001) -> None:
        """Let a moment pass, and the loop run what is due."""
        self._clock.now_s += seconds
        if self._clock.now_s >= self._next_tick_s:
            self._next_tick_s = self._clock.now_s + TICK_S
            for node in self.nodes.values():
                node.tick()
        await asyncio.sleep(0)

    async def serve_a_client(self, value: bytes) -> None:
        """A sound client opens a session, writes and reads back, at whoever leads. Raises: Finding.

        Returns without that if a node stops meanwhile: `failure` tells.
        """
        for _ in range(PATIENCE_TICKS):
            if self.failure is not None:
                return
            for node in self.nodes.values():
                if node.engine.leads and await self._write_and_read(node, value):
                    return
            await self.turn(TICK_S)
        states = [f"{node.replica.role.value} {node.replica.ballot}" for node in self.nodes.values()]
        raise Finding(f"no client was served within {PATIENCE_TICKS} ticks; nodes: {states}")

    async def _write_and_read(self, node: Victim, value: bytes) -> bool:
        caller = _Caller(self, node)
        try:
            await caller.ask(samples.HELLO)
            session = (await caller.ask((protocol.WRITE, 1, commands.open_session())))[3][3]
            await caller.ask((protocol.WRITE, 2, commands.put(session, 1, 0, b"sound", value)))
            got = await caller.ask((protocol.GET, 3, protocol.LINEARIZABLE, b"sound"))
        except _Unserved:
            return False
        finally:
            caller.hang_up()
        if got[5][0] != value:
            raise Finding(f"a client wrote {value!r} and read {got}")
        return True

    def _carrier(self, sender: NodeId) -> Carry:
        def carry(to: NodeId, message: Message) -> None:
            receiver = self.nodes.get(to)
            if receiver is not None:
                self._loop.call_soon(self._hand, receiver, sender, message)

        return carry

    def _hand(self, receiver: Victim, sender: NodeId, message: Message) -> None:
        if self.failure is None:
            try:
                receiver.engine.on_message(sender, message)
            except (AssertionError, BadBatch) as error:
                self.stop(error)


class _Unserved(Exception):
    """The node did not answer, or said no."""


class _Caller:
    """A sound connection of a client."""

    def __init__(self, town: Town, node: Victim) -> None:
        self._town = town
        self._stream, self._pipe = node.client()

    async def ask(self, request: Tree) -> tuple[Any, ...]:
        """Send a request, or the hello, and return its answer. Raises: _Unserved."""
        self._stream.data_received(frame(packed(request)))
        for _ in range(ANSWER_TURNS):
            await self._town.turn()
            for answer in self._pipe.payloads():
                if answer[0] == protocol.MAGIC and request is samples.HELLO:
                    return answer
                if answer[0] == request[1] and answer[1] == protocol.OK:
                    return answer
                if answer[0] == request[1]:
                    raise _Unserved
        raise _Unserved

    def hang_up(self) -> None:
        """End the connection."""
        self._pipe.hang_up()
