"""The asyncio client: what a program connects, calls, and leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from types import TracebackType
from typing import Self

from paxoskv.client.channel import Channel
from paxoskv.client.chores import Chores
from paxoskv.client.clock import boot_s
from paxoskv.client.endpoints import parse_endpoints
from paxoskv.client.keeper import Keeper
from paxoskv.client.navigator import Navigator
from paxoskv.client.session import Writer
from paxoskv.client.store import Store
from paxoskv.client.vigil import Vigil
from paxoskv.client.wire import Wire
from paxoskv.errors import BadRequest

SILENCE_S_MAX = 1.0
"""Longest silence of a node that owes answers before the client asks another one."""


def connect(endpoints: str | Sequence[str], *, timeout_s: float = 5.0, max_in_flight: int = 1024) -> Client:
    """Return a client for the cluster at `endpoints`, for use in `async with`. Does no I/O yet.

    endpoints: "host:port,host:port" or a sequence of "host:port"; one that answers suffices, the rest is learnt.
    timeout_s: how long any call may take, its retries included. max_in_flight: requests sent and unanswered on the
    connection; further calls wait for their turn, within their timeout. Nodes allow 1,024 by default.
    Raises: BadRequest.
    """
    if not timeout_s > 0:
        raise BadRequest(f"timeout_s is {timeout_s}: it must be more than 0")
    if max_in_flight < 1:
        raise BadRequest(f"max_in_flight is {max_in_flight}: it must be at least 1")
    return Client(endpoints, timeout_s, max_in_flight)


class Client(Store):
    """A connection to a cluster, made by `connect`; any number of tasks may call it at the same time.

    Entering makes the first connection and raises Unavailable or ProtocolMismatch if that fails within the timeout.
    It is a `Store`: everything that the cluster can be asked is there.
    """

    def __init__(self, endpoints: str | Sequence[str], timeout_s: float, max_in_flight: int) -> None:
        super().__init__(Wire(), b"", timeout_s)
        self._endpoints = parse_endpoints(endpoints)
        self._max_in_flight = max_in_flight
        self._chores = Chores(self._fail)
        self._navigator: Navigator

    async def __aenter__(self) -> Self:
        wire = self._wire
        if wire.loop is not None:
            raise RuntimeError("a client is entered once: connect again for another one")
        wire.loop = asyncio.get_running_loop()
        silence_s = min(SILENCE_S_MAX, self._timeout_s / 3)
        random = Random()
        wire.channel = Channel(silence_s, self._max_in_flight, random)
        wire.writer = Writer(wire.channel, random)
        wire.vigil = Vigil(wire.channel, self._chores)
        wire.keeper = Keeper(wire.writer, boot_s, self._chores)
        self._navigator = Navigator(wire.channel, self._endpoints, silence_s / 2, random)
        try:
            await self._navigator.enter(self._timeout_s)
        except BaseException:
            await self._disconnect()
            raise
        self._chores.begin(self._navigator.run(), "navigator")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            deadline_s = self._wire.now_s() + min(SILENCE_S_MAX, self._timeout_s)
            await self._wire.writer.close(deadline_s)
        finally:
            await self._disconnect()

    async def _disconnect(self) -> None:
        """End everything that this client has in the event loop; operations still open fail."""
        self._end("the client was closed")
        await self._chores.close()
        self._wire.keeper.close()
        await self._navigator.wait_closed()

    def _fail(self, reason: str) -> None:
        """A part of the client has died: let no call, watch or lease wait for it (P38)."""
        self._end(reason)
        self._wire.keeper.close()

    def _end(self, reason: str) -> None:
        channel = self._wire.channel
        channel.close(reason)
        channel.leave(reason)
