"""One connection to one node: hello and welcome, then answers and news in, requests out.

It remembers nothing about requests and decides nothing about nodes; its listener does.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from paxoskv.client.endpoints import Endpoint, parse_endpoint
from paxoskv.errors import BadRequest, ProtocolMismatch, Unavailable
from paxoskv.net import protocol
from paxoskv.net.codec import number, text
from paxoskv.net.frames import ANSWER_FRAME_BYTES_MAX, CLIENT_FRAME_BYTES_MAX
from paxoskv.net.protocol import ProtocolError
from paxoskv.net.stream import FLUSH_BYTES, FrameStream

WRITE_BYTES_MAX = 1 << 20
"""Requests that may wait in the transport; beyond, the connection asks for a pause (P41), and so is never cut off."""


class Listener(Protocol):
    """Who hears what a welcomed connection has to say."""

    def on_answer(self, connection: Connection, request: int, status: int, answer: tuple[Any, ...]) -> None:
        """An answer arrived. Raises: ProtocolError, which closes the connection."""

    def on_news(self, connection: Connection) -> None:
        """`leader` and `leader_endpoint` were told anew."""

    def on_events(self, connection: Connection, answer: tuple[Any, ...]) -> None:
        """Watches were told changes. Raises: ProtocolError, which closes the connection."""

    def on_progress(self, connection: Connection, revision: int, age_s: float | None) -> None:
        """Every watch of the connection was told all up to `revision`. age_s: since the node last was in touch."""

    def on_writable(self, connection: Connection) -> None:
        """The transport takes requests again."""

    def on_lost(self, connection: Connection, reason: str) -> None:
        """The connection is of no more use. Answers to what was sent will not come."""


class Connection(FrameStream):
    """A connection from its first byte to its end, made by `dial`.

    cluster, node: as the welcome named them. leader: the node that leads as far as this one knows, 0 if none;
    leader_endpoint: where it serves clients. heard_s: loop time of the last byte received, kept by `data_received`;
    the owner moves it on when it begins to wait. proven: whether it has done any work yet, kept by the owner.
    """

    def __init__(self, endpoint: Endpoint, listener: Listener) -> None:
        super().__init__(WRITE_BYTES_MAX + FLUSH_BYTES + 2 * CLIENT_FRAME_BYTES_MAX)
        self.endpoint = endpoint
        self.cluster = ""
        self.node = 0
        self.leader = 0
        self.leader_endpoint: Endpoint | None = None
        self.heard_s = 0.0
        self.proven = False
        self._listener = listener
        self._writable = True
        self._mismatch: ProtocolMismatch | None = None
        self._decided = self._loop.create_future()
        self._gone = self._loop.create_future()
        self._welcomed = False

    @property
    def can_send(self) -> bool:
        """Whether a request may be sent now."""
        return self._writable and self.closed_because is None

    async def welcome(self) -> None:
        """Wait until the node took us. Raises: Unavailable if it refused or closed, ProtocolMismatch."""
        await self._decided
        if self._mismatch is not None:
            raise self._mismatch
        if self.closed_because is not None:
            raise Unavailable(f"{self.endpoint}: {self.closed_because}")

    @property
    def is_gone(self) -> bool:
        """Whether nothing of the connection is left in the event loop."""
        return self._gone.done()

    async def wait_gone(self) -> None:
        """Wait for `is_gone`, after `abort`."""
        if self._transport is not None:
            await self._gone

    # FrameStream

    def on_payload(self, payload: bytes) -> None:
        fields = protocol.decode(payload)
        if not self._welcomed:
            self._on_welcome(fields)
            return
        request = fields[0]
        if type(request) is not int or len(fields) < 2 or type(fields[1]) is not int:
            raise ProtocolError("an answer begins with the number of its request and a status")
        if request:
            self._listener.on_answer(self, request, fields[1], fields)
        else:
            self._on_news(fields)

    def on_closed(self, reason: str) -> None:
        self._gone.set_result(None)
        self._decide()
        self._listener.on_lost(self, reason)

    def refuse(self, reason: str) -> None:
        """The node is at fault. It cannot act on our reason, so nothing is said and nothing waited for."""
        if not self._welcomed:
            self._mismatch = ProtocolMismatch(
                f"{self.endpoint} does not answer as a paxoskv node does on its client port ({reason}): check the port"
            )
        self.abort(reason)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=WRITE_BYTES_MAX)
        self.send(protocol.encode(protocol.MAGIC, protocol.PROTOCOL))

    def data_received(self, data: bytes) -> None:
        self.heard_s = self._loop.time()
        super().data_received(data)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._listener.on_writable(self)

    def _on_welcome(self, fields: tuple[Any, ...]) -> None:
        if fields[0] != protocol.MAGIC:
            raise ProtocolError(f"a welcome begins with {protocol.MAGIC!r}, not {fields[0]!r:.40}")
        if len(fields) >= 3 and fields[1] == 0:
            self.abort(f"refused: {text(fields[2])}")
            return
        if len(fields) < 6 or fields[1] != protocol.PROTOCOL:
            raise ProtocolError(f"a welcome of protocol {protocol.PROTOCOL} was expected")
        self.cluster, self.node = text(fields[2]), number(fields[3])
        self._take_leader(fields[4], fields[5])
        self._welcomed = True
        self.hello_done(ANSWER_FRAME_BYTES_MAX)
        self._decide()

    def _on_news(self, fields: tuple[Any, ...]) -> None:
        """Take news; kinds that a newer node may send mean nothing to us."""
        if fields[1] == protocol.EVENTS:
            self._listener.on_events(self, fields)
        elif fields[1] == protocol.GOODBYE:
            self.abort(f"the node said goodbye: {text(fields[2]) if len(fields) > 2 else ''}")
        elif fields[1] == protocol.LEADER:
            if len(fields) < 4:
                raise ProtocolError("news of a leader name the node and its endpoint")
            self._take_leader(fields[2], fields[3])
            self._listener.on_news(self)
        elif fields[1] == protocol.PROGRESS:
            if len(fields) < 4:
                raise ProtocolError("news of progress name a revision and an age")
            age_s = None if fields[3] is None else number(fields[3]) / 1000
            self._listener.on_progress(self, number(fields[2]), age_s)

    def _take_leader(self, leader: Any, endpoint: Any) -> None:
        try:
            self.leader_endpoint = parse_endpoint(text(endpoint)) if number(leader) and endpoint else None
        except BadRequest as error:
            raise ProtocolError(f"malformed endpoint of the leader: {error}") from None
        self.leader = number(leader)

    def _decide(self) -> None:
        if not self._decided.done():
            self._decided.set_result(None)


async def dial(endpoint: Endpoint, listener: Listener, timeout_s: float) -> Connection:
    """Connect to `endpoint` and exchange greetings, within `timeout_s` for both.

    The listener may be told of a loss at once, before it has the connection in hand.
    Raises: Unavailable if nobody listens, the node refuses or stays silent; ProtocolMismatch.
    """
    connection = Connection(endpoint, listener)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            await loop.create_connection(lambda: connection, endpoint.host, endpoint.port)
            await connection.welcome()
    except TimeoutError:
        connection.abort("no welcome in time")
        raise Unavailable(f"{endpoint}: no welcome within {timeout_s:g} s") from None
    except ConnectionRefusedError:
        raise Unavailable(f"{endpoint}: connection refused, nothing listens there") from None
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{endpoint}: {getattr(error, 'strerror', None) or error}") from None
    except BaseException:
        connection.abort("given up")
        raise
    return connection
