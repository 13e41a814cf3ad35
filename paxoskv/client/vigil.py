"""Sees to it that watches are never stuck with a node that tells nothing because it hears nothing (P20, P29)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from paxoskv.client import answers
from paxoskv.client.answers import SyncAnswer
from paxoskv.client.channel import Channel
from paxoskv.client.chores import Chores
from paxoskv.client.stream import Stream
from paxoskv.errors import PaxoskvError
from paxoskv.net import protocol

QUIET_S = 1.0
"""For so long watches may be told nothing before their node has to prove itself."""

_PROOF_TIMEOUT_S = 3.0


class Vigil:
    """Asks, while watches are open and nothing is heard, for a read of nothing that needs a quorum.

    A node that is cut off refuses it, one that stands still is silent: the channel leaves both of them, and the
    watches go on elsewhere. The answer of a good one says how far the watches have been told everything.
    """

    def __init__(self, channel: Channel, chores: Chores) -> None:
        self._channel = channel
        self._chores = chores
        self._loop = asyncio.get_running_loop()
        self._keeping: asyncio.Task[None] | None = None

    async def sync(self, deadline_s: float) -> SyncAnswer:
        """Return where the store stands now, and note that the watches have been told all up to there.

        deadline_s: loop time. Raises: PaxoskvError.
        """
        channel = self._channel
        operation = channel.operation(self._synced, deadline_s, False, protocol.SYNC, protocol.LINEARIZABLE)
        answer: SyncAnswer = await channel.perform(operation)
        return answer

    def open(self, stream: Stream) -> None:
        """Begin a watch, and keep vigil as long as there is any. Raises: RuntimeError if the client is closed."""
        if self._channel.closed_because:
            raise RuntimeError(self._channel.closed_because)
        streams = self._channel.streams
        streams.open(stream)
        if self._channel.connection is None:
            self._channel.attention.set()
        if self._keeping is None:
            streams.confirmed_s = self._loop.time()
            self._keeping = self._chores.begin(self._keep(), "vigil")

    def close_stream(self, stream: Stream) -> None:
        """End a watch."""
        self._channel.streams.close(stream)
        if not len(self._channel.streams) and self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    def refill(self, stream: Stream) -> None:
        """Something of a watch was read."""
        self._channel.streams.refill(stream)

    async def _keep(self) -> None:
        streams = self._channel.streams
        while True:
            quiet_s = self._loop.time() - streams.confirmed_s
            if quiet_s < QUIET_S:
                await asyncio.sleep(QUIET_S - quiet_s)
                continue
            with suppress(PaxoskvError):  # what fails has made the channel look elsewhere; the next try may not
                await self.sync(self._loop.time() + _PROOF_TIMEOUT_S)
            streams.confirmed_s = self._loop.time()

    def _synced(self, answer: tuple[Any, ...]) -> SyncAnswer:
        checked = answers.sync_answer(answer)
        self._channel.streams.on_progress(checked.revision, True)
        return checked
