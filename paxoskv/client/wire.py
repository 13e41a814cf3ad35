"""What a client and all its views send through."""

from __future__ import annotations

import asyncio

from paxoskv.client.channel import Channel
from paxoskv.client.keeper import Keeper
from paxoskv.client.session import Writer
from paxoskv.client.vigil import Vigil


class Wire:
    """The parts of a client that work in its event loop, once it is entered.

    channel: sends and retries. writer: exactly once. vigil: opens and closes watches. keeper: keeps leases alive.
    """

    __slots__ = ("channel", "keeper", "loop", "vigil", "writer")

    channel: Channel
    writer: Writer
    vigil: Vigil
    keeper: Keeper

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None

    def now_s(self) -> float:
        """Return the loop's time. Raises: RuntimeError if the client is not entered."""
        if self.loop is None:
            raise RuntimeError("the client is not entered: use `async with paxoskv.connect(...) as kv`")
        return self.loop.time()
