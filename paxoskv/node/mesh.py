"""Every node's connections with every other: what it says leaves on its own links, what it hears comes in here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from paxoskv.net import codec, protocol
from paxoskv.net.frames import PEER_FRAME_BYTES_MAX, FrameError
from paxoskv.net.link import PeerLink
from paxoskv.net.peering import Card, Refused, decode_card, encode_refusal
from paxoskv.net.protocol import ProtocolError
from paxoskv.net.stream import FrameStream
from paxoskv.node.answers import Sink, Waiter
from paxoskv.node.introductions import Introductions
from paxoskv.node.supervisor import Supervisor
from paxoskv.paxos.ballot import NodeId
from paxoskv.paxos.messages import Message
from paxoskv.paxos.plausibility import Implausible

log = logging.getLogger(__name__)

FORWARD = 20
FORWARDED = 21
_INBOUND_WRITE_BYTES_MAX = 1 << 16
STRANGERS_MAX = 32
"""Connections that may wait for their welcome at the same time; a peer's takes milliseconds (H7)."""


class PeerEvents(Protocol):
    """Who hears what comes from peers."""

    def on_message(self, peer: NodeId, message: Message) -> None:
        """A core message arrived. Raises: Implausible."""

    def on_forward(self, command: bytes, waiter: Waiter) -> None:
        """A follower passes a client's write on."""

    def on_forwarded(self, peer: NodeId, number: int, fields: tuple[Any, ...]) -> None:
        """The leader answers a write that we passed on."""

    def on_broken(self, peer: NodeId) -> None:
        """A connection with `peer`, of either direction, ended."""

    def on_gone(self, peer: NodeId) -> None:
        """The process of `peer` does not exist."""


class Mesh:
    """The links to all peers, and one incoming connection from each."""

    def __init__(self, introductions: Introductions, supervisor: Supervisor) -> None:
        self.introductions = introductions
        self._supervisor = supervisor
        self._events: PeerEvents | None = None
        self._links: dict[NodeId, PeerLink] = {}
        self._inbound: dict[NodeId, Inbound] = {}
        self._strangers: dict[Inbound, None] = {}
        self._sinks: dict[NodeId, Sink] = {}
        self._last: tuple[Message | None, bytes] = (None, b"")

    def connect(self, events: PeerEvents) -> None:
        """Name who hears of the peers; before `start`."""
        self._events = events

    def start(self, addresses: Mapping[int, tuple[str, int]], queue_bytes_max: int) -> None:
        """Begin to dial every peer."""
        for peer, address in addresses.items():
            link = PeerLink(peer, address, self._hello_to(peer), self, queue_bytes_max)
            self._links[peer] = link
            self._sinks[peer] = _PeerSink(link)
            self._supervisor.spawn(link.run(), f"link to node {peer}")

    @property
    def _heard(self) -> PeerEvents:
        assert self._events is not None, "the mesh has no listener yet"
        return self._events

    @property
    def connected(self) -> list[int]:
        """The peers to which frames leave just now."""
        return sorted(peer for peer, link in self._links.items() if link.is_up)

    def send(self, to: int, message: Message) -> None:
        """Send a core message; the same object to several peers is encoded once."""
        if type(message) in codec.ANNOUNCING:
            self._links[to].send_at_once(codec.encode(message, self.introductions.seq()))
            return
        if self._last[0] is not message:
            self._last = (message, codec.encode(message))
        self._links[to].send_at_once(self._last[1])

    def forward(self, leader: int, number: int, command: bytes) -> bool:
        """Pass a client's write on; return whether a connection took it, and another one can bring the answer."""
        link = self._links[leader]
        is_heard = link.is_up and leader in self._inbound
        if is_heard:
            link.send(protocol.encode(FORWARD, number, command))
        return is_heard

    def redial(self, peer: int, reason: str) -> None:
        """Drop the connection to a peer, which is good for nothing, and make a new one."""
        self._links[peer].reset(reason)

    def close(self, reason: str) -> None:
        """Close what comes in; the links end with their tasks."""
        for inbound in list(self._inbound.values()):
            inbound.close(reason)

    # net.link.LinkOwner

    async def admit(self, card: Card, peer: int) -> None:
        try:
            await self.introductions.admit(card, expected=peer)
        except Refused as refused:
            raise Refused(str(refused)) from refused  # it is the peer that lost its memory, not we

    def on_link_up(self, peer: int) -> None:
        pass

    def on_link_down(self, peer: int) -> None:
        self._heard.on_broken(peer)

    def on_peer_gone(self, peer: int) -> None:
        self._heard.on_gone(peer)

    def on_refused(self, peer: int, refused: Refused) -> None:
        if refused.forgotten is not None:
            self.introductions.on_forgotten(peer, str(refused))

    # For Inbound

    def on_stranger(self, inbound: Inbound) -> None:
        """Somebody has connected; of too many who do not introduce themselves, the one that waited longest goes."""
        self._strangers[inbound] = None
        if len(self._strangers) > STRANGERS_MAX:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.refuse(f"more than {STRANGERS_MAX} connections wait for their welcome")

    def welcome(self, inbound: Inbound, card: Card) -> None:
        """Check a hello, which may take a write, and answer it."""
        self._supervisor.spawn(self._welcome(inbound, card), f"welcome of node {card.node}")

    def on_inbound_closed(self, inbound: Inbound, reason: str) -> None:
        """A connection to us ended, a peer's or a stranger's."""
        self._strangers.pop(inbound, None)
        peer = inbound.peer
        if peer is not None and self._inbound.get(peer) is inbound:
            del self._inbound[peer]
            log.warning("peer hung up", extra={"peer": peer, "reason": reason})
            self._heard.on_broken(peer)

    def on_payload(self, peer: int, payload: bytes) -> None:
        """A welcomed peer said something. Raises: ProtocolError, Implausible."""
        fields = protocol.decode(payload)
        if fields[0] == FORWARD:
            _, number, command = codec.items(fields, 3)
            self._heard.on_forward(codec.blob(command), Waiter(self._sinks[peer], codec.number(number)))
        elif fields[0] == FORWARDED:
            if len(fields) < 3:
                raise ProtocolError("an answer to a forward has a number and a status")
            self._heard.on_forwarded(peer, codec.number(fields[1]), fields[2:])
        elif fields[0] in codec.ANNOUNCING_TAGS and len(fields) > 1:
            message = codec.decode(fields[:-1])
            self.introductions.memory.note(peer, codec.number(fields[-1]))
            self._heard.on_message(peer, message)
        else:
            self._heard.on_message(peer, codec.decode(fields))

    async def _welcome(self, inbound: Inbound, card: Card) -> None:
        try:
            await self.introductions.admit(card)
        except Refused as refused:
            inbound.refuse_peer(refused)
            return
        if not inbound.is_open:  # it ended while the introduction was written down
            return
        former = self._inbound.pop(card.node, None)
        if former is not None:
            former.abort(f"node {card.node} has connected anew")
            self._heard.on_broken(card.node)
        self._inbound[card.node] = inbound
        self._strangers.pop(inbound, None)
        inbound.welcomed(card.node, self.introductions.card(card.node).encode())

    def _hello_to(self, peer: int) -> Callable[[], Card]:
        return lambda: self.introductions.card(peer)


class Inbound(FrameStream):
    """The listener's end of a peer's link: its hello, our welcome, then only its frames."""

    faults = (FrameError, ProtocolError, Implausible)

    def __init__(self, mesh: Mesh) -> None:
        super().__init__(_INBOUND_WRITE_BYTES_MAX)
        self.peer: int | None = None
        self._mesh = mesh
        self._introduced = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._mesh.on_stranger(self)

    def welcomed(self, peer: int, welcome: bytes) -> None:
        """The hello was accepted."""
        self.peer = peer
        self.hello_done(PEER_FRAME_BYTES_MAX)
        self.send(welcome)

    def refuse_peer(self, refused: Refused) -> None:
        """The hello was not accepted: say why, and whether the peer has lost its memory."""
        log.warning("peer refused", extra={"remote": self.peername, "reason": str(refused)})
        self.send(encode_refusal(str(refused), refused.forgotten))
        self.close(str(refused))

    def on_payload(self, payload: bytes) -> None:
        if self.peer is not None:
            self._mesh.on_payload(self.peer, payload)
        elif self._introduced:
            raise ProtocolError("a peer waits for its welcome before it speaks")
        else:
            try:
                card = decode_card(payload)
            except Refused as refused:
                raise ProtocolError(f"a hello was expected, not a refusal: {refused}") from None
            self._introduced = True
            self._mesh.welcome(self, card)

    def on_closed(self, reason: str) -> None:
        self._mesh.on_inbound_closed(self, reason)

    def refusal(self, reason: str) -> bytes | None:
        return encode_refusal(reason)


class _PeerSink:
    """Where the answers to a follower's forwarded writes go; they are small."""

    is_writable = True

    def __init__(self, link: PeerLink) -> None:
        self._link = link

    def hold(self, work: Callable[[], object]) -> None:
        work()

    def answer(self, number: int, *fields: Any) -> None:
        self._link.send(protocol.encode(FORWARDED, number, *fields))
