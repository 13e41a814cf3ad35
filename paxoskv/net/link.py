"""Our own connection to one peer: what we say to it leaves here; what it says arrives on a connection of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from paxoskv.net.frames import PEER_FRAME_BYTES_MAX
from paxoskv.net.peering import Card, Life, Refused, decode_card
from paxoskv.net.protocol import ProtocolError
from paxoskv.net.stream import FrameStream

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 1.0
_RETRY_S_MIN = 0.02
_RETRY_S_MAX = 0.25
_REFUSED_RETRY_S = 2.0


class LinkOwner(Protocol):
    """Who hears what becomes of a link."""

    async def admit(self, card: Card, peer: int) -> None:
        """The peer has welcomed us. Raises: Refused, if we do not want it after all."""

    def on_link_up(self, peer: int) -> None:
        """From now on frames leave."""

    def on_link_down(self, peer: int) -> None:
        """What was sent lately may be lost."""

    def on_peer_gone(self, peer: int) -> None:
        """Nobody listens at the peer's address: its process does not exist."""

    def on_refused(self, peer: int, refused: Refused) -> None:
        """The peer will not talk to us."""


class _Outbound(FrameStream):
    """The dialler's end: a hello out, a welcome in, then only our frames.

    hello: makes the card when the connection stands, so that what it announces is not older than that (P4).
    """

    def __init__(self, hello: Callable[[], Card], write_bytes_max: int) -> None:
        super().__init__(write_bytes_max)
        self.welcome: asyncio.Future[Card] = asyncio.get_running_loop().create_future()
        self.welcome.add_done_callback(_look_at)
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._hello = hello
        self._introduced_as: Life | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        card = self._hello()
        self._introduced_as = card.life
        self.send(card.encode())

    def on_payload(self, payload: bytes) -> None:
        if self.welcome.done():
            raise ProtocolError("a peer says nothing on this connection after its welcome")
        try:
            card = decode_card(payload)
        except Refused as refused:
            if refused.forgotten not in (None, self._introduced_as):
                raise ProtocolError("not our hello was refused, but a late copy of an earlier one") from refused
            self.welcome.set_exception(refused)
        else:
            self.hello_done(PEER_FRAME_BYTES_MAX)
            self.welcome.set_result(card)

    def on_closed(self, reason: str) -> None:
        if not self.welcome.done():
            self.welcome.set_exception(ConnectionError(reason))
        if not self.closed.done():
            self.closed.set_result(reason)


def _look_at(welcome: asyncio.Future[Card]) -> None:
    """A failure that came after the dialler gave up is nobody's concern any more."""
    if not welcome.cancelled():
        welcome.exception()


class PeerLink:
    """Dials one peer for ever, and sends while the connection stands.

    Nothing is kept for a peer that is away (P31, P33): it asks for what it missed.
    """

    def __init__(
        self, peer: int, address: tuple[str, int], hello: Callable[[], Card], owner: LinkOwner, queue_bytes_max: int
    ) -> None:
        self.peer = peer
        self._address = address
        self._hello = hello
        self._owner = owner
        self._queue_bytes_max = queue_bytes_max
        self._stream: _Outbound | None = None

    @property
    def is_up(self) -> bool:
        """Whether frames leave."""
        return self._stream is not None and self._stream.is_open

    def send(self, payload: bytes) -> None:
        """Send one frame, or lose it."""
        if self._stream is not None:
            self._stream.send(payload)

    def send_at_once(self, payload: bytes) -> None:
        """Send one frame, or lose it, without waiting for what else this turn of the loop brings."""
        if self._stream is not None:
            self._stream.send(payload)
            self._stream.flush()

    def reset(self, reason: str) -> None:
        """Drop the connection and dial again."""
        if self._stream is not None:
            self._stream.abort(reason)

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        retry_s, complaint = _RETRY_S_MIN, ""
        while True:
            try:
                await self._connect_once()
                retry_s, complaint = _RETRY_S_MIN, ""
                continue
            except ConnectionRefusedError:
                problem = "nobody listens there"
                self._owner.on_peer_gone(self.peer)
            except Refused as refused:
                problem = f"refused: {refused}"
                retry_s = _REFUSED_RETRY_S
                self._owner.on_refused(self.peer, refused)
            except (OSError, TimeoutError) as error:
                problem = str(error) or type(error).__name__
            if problem != complaint:
                complaint = problem
                log.warning("peer unreachable", extra={"peer": self.peer, "reason": problem})
            await asyncio.sleep(retry_s * random.uniform(0.5, 1.0))
            retry_s = min(_RETRY_S_MAX, retry_s * 2) if retry_s < _REFUSED_RETRY_S else _RETRY_S_MAX

    async def _connect_once(self) -> None:
        """Dial, introduce ourselves, and stay until the connection ends.

        Raises: OSError, TimeoutError or Refused if no welcome came of it.
        """
        loop = asyncio.get_running_loop()
        stream = _Outbound(self._hello, self._queue_bytes_max)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(lambda: stream, *self._address)
                card = await asyncio.shield(stream.welcome)
                await self._owner.admit(card, self.peer)
            self._stream = stream
            log.info("peer connected", extra={"peer": self.peer})
            self._owner.on_link_up(self.peer)
            reason = await asyncio.shield(stream.closed)
            log.warning("peer connection lost", extra={"peer": self.peer, "reason": reason})
        finally:
            stream.close("link ended")
            if self._stream is stream:
                self._stream = None
                self._owner.on_link_down(self.peer)
