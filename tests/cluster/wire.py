"""Connections on which the test chooses every byte: clients that never move, peers that lie, and garbage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from paxoskv.net import protocol
from paxoskv.net.frames import PEER_FRAME_BYTES_MAX, FrameReader, frame
from tests.support import LOOPBACK

ANSWER_TIMEOUT_S = 60.0
_READ_BYTES = 1 << 16


class Wire:
    """One TCP connection. Frames are cut out of what comes in; what goes out is not looked at."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = FrameReader(PEER_FRAME_BYTES_MAX)
        self._payloads: list[bytes] = []

    @classmethod
    async def dial(cls, port: int) -> Self:
        """Connect to a port of the loopback interface."""
        return cls(*await asyncio.open_connection(LOOPBACK, port))

    def write(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(raw)

    def send(self, *items: Any) -> None:
        """Send one array in a sound frame."""
        self.write(frame(protocol.encode(*items)))

    def write_end(self) -> None:
        """Say that nothing more will come, and go on listening."""
        self._writer.write_eof()

    def pause_reading(self) -> None:
        """Read nothing more: what the other side sends fills the buffers of both."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads as well

    def resume_reading(self) -> None:
        """Read again."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def receive(self) -> tuple[Any, ...] | None:
        """Return the next array, None when the other side has closed. Raises: TimeoutError."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while not self._payloads:
                try:
                    data = await self._reader.read(_READ_BYTES)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._payloads += self._frames.feed(data)
        return protocol.decode(self._payloads.pop(0))

    async def until_closed(self) -> list[tuple[Any, ...]]:
        """Return everything that is said before the other side closes. Raises: TimeoutError."""
        said = []
        while (items := await self.receive()) is not None:
            said.append(items)
        return said

    async def close(self) -> None:
        """Drop the connection at once."""
        self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


class PlainClient(Wire):
    """A client of one node that stays where it is, whoever leads."""

    number = 0

    async def hello(self) -> tuple[Any, ...]:
        """Exchange greetings; return the welcome."""
        self.send(protocol.MAGIC, protocol.PROTOCOL)
        welcome = await self.receive()
        assert welcome is not None, "closed instead of a welcome"
        assert welcome[:2] == (protocol.MAGIC, protocol.PROTOCOL), welcome
        return welcome

    def ask(self, kind: Any, *fields: Any) -> int:
        """Send a request `[kind, number, *fields]`; return its number."""
        self.number += 1
        self.send(kind, self.number, *fields)
        return self.number

    async def answer(self, number: int) -> tuple[Any, ...]:
        """Return what follows the number in the answer to a request, or what its watch is told; news are skipped."""
        while True:
            answer = await self.receive()
            assert answer is not None, f"closed instead of an answer to request {number}"
            if answer[:2] == (0, protocol.EVENTS) and number in answer[4]:
                return answer[1:]
            if answer[0] == number:
                return answer[1:]
            assert answer[0] == 0, f"expected the answer to {number}, got {answer}"
            assert answer[1] != protocol.GOODBYE, answer

    async def request(self, kind: Any, *fields: Any) -> tuple[Any, ...]:
        """Send a request; return (status, ...) of its answer."""
        return await self.answer(self.ask(kind, *fields))


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    """A connection to a port, dropped at the end."""
    connection = await Wire.dial(port)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def plain_client(port: int) -> AsyncIterator[PlainClient]:
    """A welcomed client of the node at a client port."""
    client = await PlainClient.dial(port)
    try:
        await client.hello()
        yield client
    finally:
        await client.close()
