"""The client port: connections, their limits, and news for all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from paxoskv.net import protocol
from paxoskv.net.codec import number
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX
from paxoskv.net.peering import PEER_MAGIC
from paxoskv.net.protocol import ProtocolError
from paxoskv.net.stream import FrameStream
from paxoskv.node.answers import Waiter
from paxoskv.node.requests import Requests
from paxoskv.node.watchrequests import WatchRequests

WRITE_BYTES_MAX = 16 << 20
"""Answers that may wait for a client that does not read; beyond, it is cut off (H5)."""

PAUSE_BYTES = 1 << 20
"""While more answers wait for a client, its reads wait too, and nothing more is taken from it (H5)."""


class ClientStream(FrameStream):
    """One connection of a client: a hello, then requests in any depth.

    While the client does not read its answers, they pile up in the transport, no further. What a turn brings counts as
    well, since a transport may take notice of it only when the turn is over, as that of uvloop does.
    """

    def __init__(self, clients: Clients) -> None:
        super().__init__(WRITE_BYTES_MAX)
        self._clients = clients
        self._welcomed = False
        self._in_flight = 0
        self._is_paused = False
        self._held: deque[Callable[[], object]] = deque()

    def on_payload(self, payload: bytes) -> None:
        fields = protocol.decode(payload, protocol.REQUEST_ITEMS_MAX)
        if self._welcomed:
            self._on_request(fields)
        else:
            self._on_hello(fields)

    @property
    def is_writable(self) -> bool:
        """Whether there is room for more than small answers."""
        return not self._is_paused and self._turn_bytes < PAUSE_BYTES and self.closed_because is None

    def answer(self, request: int, *fields: Any) -> None:
        """Answer one request of this connection."""
        self._in_flight -= 1
        self.send(protocol.encode(request, *fields))

    def push(self, payload: bytes) -> None:
        """Send a payload that answers no request."""
        self.send(payload)

    def hold(self, work: Callable[[], object]) -> None:
        """Make an answer when the client has read more of those before."""
        self._held.append(work)

    def tell(self, news: bytes) -> None:
        """Send news, once the client is known to understand them."""
        if self._welcomed:
            self.send(news)

    def on_closed(self, reason: str) -> None:
        self._held.clear()
        self._clients.forget(self)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=PAUSE_BYTES)
        self._clients.admit(self)

    def pause_writing(self) -> None:
        """Called by the transport above PAUSE_BYTES."""
        self._is_paused = True
        if self._transport and self.is_open:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Called by the transport when most of it has left."""
        self._is_paused = False
        self.on_turn()
        if not self._is_paused and self._transport and self.is_open:
            self._transport.resume_reading()

    def on_turn(self) -> None:
        """Make the answers that wait, as far as there is room."""
        while self._held and self.is_writable:
            self._held.popleft()()

    def refusal(self, reason: str) -> bytes | None:
        if self._welcomed:
            return protocol.encode(0, protocol.GOODBYE, reason)
        return protocol.encode(protocol.MAGIC, 0, reason)

    def _on_hello(self, fields: tuple[Any, ...]) -> None:
        if fields[0] == PEER_MAGIC:
            raise ProtocolError("this is the port for clients; peers have another one: check the --cluster list")
        if fields[0] != protocol.MAGIC or len(fields) < 2:
            raise ProtocolError(f"a client begins with {protocol.MAGIC!r} and its protocol version")
        if fields[1] != protocol.PROTOCOL:
            raise ProtocolError(f"client speaks protocol {fields[1]!r:.20}, this node {protocol.PROTOCOL}")
        self._welcomed = True
        self.hello_done(CLIENT_FRAME_BYTES_MAX)
        self.send(self._clients.welcome())

    def _on_request(self, fields: tuple[Any, ...]) -> None:
        if len(fields) < 2 or not number(fields[1]):
            raise ProtocolError("a request is [kind, number, ...] with a number from 1")
        self._in_flight += 1
        waiter = Waiter(self, fields[1])
        if self._in_flight > self._clients.requests_max:
            waiter.fail(protocol.OVERLOADED, f"more than {self._clients.requests_max} requests on one connection")
        elif not self._clients.watches.handle(fields, self):
            self._clients.requests.handle(fields, waiter)


class Clients:
    """All client connections of the node.

    identity: (cluster, node). leader: returns the known leader and its client endpoint, (0, "") if there is none.
    """

    def __init__(
        self,
        requests: Requests,
        watches: WatchRequests,
        identity: tuple[str, int],
        leader: Callable[[], tuple[int, str]],
        requests_max: int,
        connections_max: int,
    ) -> None:
        self.requests = requests
        self.watches = watches
        self.requests_max = requests_max
        self._identity = identity
        self._leader = leader
        self._connections_max = connections_max
        self._streams: dict[ClientStream, None] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def admit(self, stream: ClientStream) -> None:
        """Count a new connection, or turn it away (H7)."""
        self._streams[stream] = None
        if len(self._streams) > self._connections_max:
            stream.refuse(f"this node serves at most {self._connections_max} connections: try another one")

    def forget(self, stream: ClientStream) -> None:
        """A connection is gone."""
        self._streams.pop(stream, None)
        self.watches.forget(stream)

    def welcome(self) -> bytes:
        """Return the answer to a hello."""
        return protocol.encode(protocol.MAGIC, protocol.PROTOCOL, *self._identity, *self._leader())

    def on_leader(self) -> None:
        """Tell everybody who leads now."""
        self._tell(protocol.encode(0, protocol.LEADER, *self._leader()))

    def close(self, reason: str) -> None:
        """Say goodbye to everybody."""
        self._tell(protocol.encode(0, protocol.GOODBYE, reason))
        for stream in list(self._streams):
            stream.close(reason)

    def _tell(self, payload: bytes) -> None:
        for stream in list(self._streams):
            stream.tell(payload)
