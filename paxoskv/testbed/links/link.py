"""One directed link: listens where the dialler was told to dial, and passes on to where it believes to dial."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from typing import Any, cast

from paxoskv.testbed.links.disturbance import Direction
from paxoskv.testbed.links.wire import Wire
from paxoskv.testbed.ports import LOOPBACK

LOOK_INTERVAL_S = 0.02
"""How often a link whose target listens no more looks whether it does again."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """Serves one port. forward: what the dialler says. backward: what comes back.

    While nobody listens at the target nobody listens here either, so that a dead node looks dead: a dialler draws
    conclusions from a refused connection.
    """

    def __init__(self, port: int, target_port: int, forward: Direction, backward: Direction) -> None:
        self.forward = forward
        self.backward = backward
        self._port = port
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_dark = False
        self._serving = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def is_cut(self) -> bool:
        """Whether no connection can be made just now, without anybody being told."""
        return self.forward.disturbance.cut or self.backward.disturbance.cut

    @property
    def refuses(self) -> bool:
        """Whether connections are reset and refused."""
        return self.forward.disturbance.refuse or self.backward.disturbance.refuse

    async def apply(self) -> None:
        """Act on changed disturbances, also of connections that exist; a first call begins to listen."""
        if self.refuses:
            for connection in list(self._connections):
                connection.reset()
        for connection in list(self._connections):
            connection.pump()
        self._changed.set()
        self._changed = asyncio.Event()
        await self._listen_or_not()

    async def wait_until_whole(self) -> None:
        """Return when the link is not cut."""
        while self.is_cut:
            await self._changed.wait()

    async def dial(self, protocol: asyncio.Protocol) -> None:
        """Connect to the target. Raises: OSError, and then looks after the target until it is there again."""
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: protocol, LOOPBACK, self._target_port)
        except ConnectionRefusedError:
            if not self._is_dark:
                self._is_dark = True
                self.spawn(self._look_after_target())
            raise

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, holding on to its task."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def admit(self, connection: _Connection) -> None:
        """A dialler has connected."""
        self._connections.add(connection)

    def forget(self, connection: _Connection) -> None:
        """Both ends of a connection are gone."""
        self._connections.discard(connection)

    async def _listen_or_not(self) -> None:
        async with self._serving:
            wanted = not self.refuses and (self.is_cut or not self._is_dark)
            if wanted and self._server is None:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(lambda: _Connection(self).dialler, LOOPBACK, self._port)
            elif not wanted and self._server is not None:
                self._server.close()
                self._server = None

    async def _look_after_target(self) -> None:
        await self._listen_or_not()
        while self._is_dark:
            self._is_dark = not await self._target_listens()
            await asyncio.sleep(LOOK_INTERVAL_S)
        await self._listen_or_not()

    async def _target_listens(self) -> bool:
        try:
            _reader, writer = await asyncio.open_connection(LOOPBACK, self._target_port)
        except OSError:
            return False
        writer.close()
        return True


class _End(asyncio.Protocol):
    """One of the two ends of a connection."""

    def __init__(self, connection: _Connection) -> None:
        self.transport: asyncio.Transport | None = None
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.on_made(self)

    def data_received(self, data: bytes) -> None:
        self._connection.wire_from(self).feed(data)

    def pause_writing(self) -> None:
        self._connection.wire_to(self).on_sink_full(True)

    def resume_writing(self) -> None:
        self._connection.wire_to(self).on_sink_full(False)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._connection.on_lost(self)

    def reset(self) -> None:
        """End at once, in a way that the other side notices as an error."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()

    # wire.Source and wire.Sink, for an end that may be gone

    @property
    def is_there(self) -> bool:
        return self.transport is not None

    def pause_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


class _Connection:
    """A dialler's connection and the one made to the target for it."""

    def __init__(self, link: Link) -> None:
        self.dialler = _End(self)
        self._target = _End(self)
        self._link = link
        self._forth = Wire(link.forward, self.dialler, self._target, self.reset)
        self._back = Wire(link.backward, self._target, self.dialler, self.reset)

    def wire_from(self, end: _End) -> Wire:
        """The wire that takes what `end` says."""
        return self._forth if end is self.dialler else self._back

    def wire_to(self, end: _End) -> Wire:
        """The wire that ends in `end`."""
        return self._back if end is self.dialler else self._forth

    def on_made(self, end: _End) -> None:
        """The dialler is there: dial for it. Or the target is: it gets what the dialler has said meanwhile."""
        if end is not self.dialler:
            self._forth.pump()
            return
        self._link.admit(self)
        if self._link.refuses:
            self.reset()
        else:
            self._link.spawn(self._dial())

    def on_lost(self, end: _End) -> None:
        """One end is gone; the other one learns of it when what is under way has arrived."""
        self.wire_to(end).stop()
        self.wire_from(end).end()
        if not self.dialler.is_there and not self._target.is_there:
            self._link.forget(self)

    def reset(self) -> None:
        """Reset both ends; what is under way is lost."""
        self._forth.stop()
        self._back.stop()
        self.dialler.reset()
        self._target.reset()

    def pump(self) -> None:
        """The link is treated differently now."""
        self._forth.pump()
        self._back.pump()

    async def _dial(self) -> None:
        await self._link.wait_until_whole()
        try:
            await self._link.dial(self._target)
        except OSError:
            self.reset()
        if not self.dialler.is_there:  # it has given up meanwhile
            self._target.reset()
