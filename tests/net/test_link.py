"""Our connection to a peer: dialled for ever, introduced before it is used, and nothing kept while it is down (P31)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from paxoskv.net import protocol
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX, FrameReader, frame
from paxoskv.net.link import PeerLink
from paxoskv.net.peering import Card, Life, Refused, decode_card, encode_refusal
from tests.support import LOOPBACK, eventually

QUEUE_BYTES_MAX = 8 << 20
HELLO = Card("c1", 1, "life-1", "127.0.0.1:7301", to_node=2, known={}, seq=5)
WELCOME = Card("c1", 2, "life-2", "127.0.0.1:7302", to_node=1, known={}, seq=7)


class Owner:
    """Hears of the link. events: what happened, in order. objection: why the peer is not wanted, if it is not."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.objection: Refused | None = None

    async def admit(self, card: Card, peer: int) -> None:
        self.events.append(("admit", card.node, peer))
        if self.objection is not None:
            raise self.objection

    def on_link_up(self, peer: int) -> None:
        self.events.append(("up", peer))

    def on_link_down(self, peer: int) -> None:
        self.events.append(("down", peer))

    def on_peer_gone(self, peer: int) -> None:
        self.events.append(("gone", peer))

    def on_refused(self, peer: int, refused: Refused) -> None:
        self.events.append(("refused", peer, str(refused), refused.forgotten))


class Peer:
    """The listener that is dialled. greeting: its answer to a hello, b"" for silence. hellos, got: what it was told."""

    def __init__(self) -> None:
        self.greeting = frame(WELCOME.encode())
        self.hellos: list[Card] = []
        self.got: list[tuple[Any, ...]] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection."""
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.transport.abort()

    def say(self, raw: bytes) -> None:
        """Say something on every connection."""
        for writer in self._writers:
            writer.write(raw)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        frames, greeted = FrameReader(CLIENT_FRAME_BYTES_MAX), False
        try:
            while data := await reader.read(1 << 16):
                for payload in frames.feed(data):
                    if greeted:
                        self.got.append(protocol.decode(payload))
                        continue
                    greeted = True
                    self.hellos.append(decode_card(payload))
                    writer.write(self.greeting)
        except ConnectionError:
            return
        finally:
            writer.close()


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
async def link(owner: Owner, peer: Peer) -> AsyncIterator[PeerLink]:
    """A link to the peer that is being kept up."""
    link = PeerLink(2, (LOOPBACK, peer.port), lambda: HELLO, owner, QUEUE_BYTES_MAX)
    running = asyncio.create_task(link.run())
    yield link
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not link.is_up


async def test_a_link_introduces_itself_and_looks_at_the_answer_before_it_is_used(
    link: PeerLink, owner: Owner, peer: Peer
) -> None:
    assert not link.is_up
    link.send(protocol.encode("too early"))
    await eventually(lambda: link.is_up)
    assert peer.hellos == [HELLO]
    assert owner.events == [("admit", 2, 2), ("up", 2)]
    link.send(protocol.encode("now"))
    await eventually(lambda: peer.got)
    assert peer.got == [("now",)]


async def test_a_lost_connection_is_dialled_again_and_what_was_said_meanwhile_is_lost(
    link: PeerLink, owner: Owner, peer: Peer
) -> None:
    await eventually(lambda: link.is_up)
    await peer.stop()
    await eventually(lambda: ("down", 2) in owner.events)
    link.send(protocol.encode("into the void"))
    await peer.start()
    await eventually(lambda: link.is_up)
    link.send(protocol.encode("heard"))
    await eventually(lambda: peer.got)
    assert peer.got == [("heard",)]
    ups_and_downs = [event for event in owner.events if event[0] in ("up", "down")]
    assert ups_and_downs == [("up", 2), ("down", 2), ("up", 2)]


async def test_a_peer_whose_port_is_closed_is_gone_and_found_again(link: PeerLink, owner: Owner, peer: Peer) -> None:
    await eventually(lambda: link.is_up)
    await peer.stop()
    await eventually(lambda: ("gone", 2) in owner.events)
    await peer.start()
    await eventually(lambda: link.is_up)


@pytest.mark.parametrize("forgotten", [None, HELLO.life])
async def test_a_refusal_is_told_with_what_the_peer_knows_of_us(
    link: PeerLink, owner: Owner, peer: Peer, forgotten: Life | None
) -> None:
    peer.greeting = frame(encode_refusal("wrong cluster", forgotten))
    await eventually(lambda: owner.events)
    assert owner.events[0] == ("refused", 2, "wrong cluster", forgotten)
    assert not link.is_up
    peer.greeting = frame(WELCOME.encode())
    await eventually(lambda: link.is_up, what="the next try, which is not a hurried one")


async def test_a_refusal_of_an_earlier_hello_is_none(link: PeerLink, owner: Owner, peer: Peer) -> None:
    """P31: a late copy of it has come first. What it says of our memory would end this node for good."""
    peer.greeting = frame(encode_refusal("lost its memory", Life(HELLO.incarnation, HELLO.seq - 1)))
    await eventually(lambda: len(peer.hellos) >= 2)
    assert owner.events == []
    peer.greeting = frame(WELCOME.encode())
    await eventually(lambda: link.is_up)


async def test_a_peer_that_we_do_not_want_is_not_spoken_to(link: PeerLink, owner: Owner, peer: Peer) -> None:
    owner.objection = Refused("unknown life")
    await eventually(lambda: any(event[0] == "refused" for event in owner.events))
    link.send(protocol.encode("to nobody"))
    assert not link.is_up
    assert ("up", 2) not in owner.events
    owner.objection = None
    await eventually(lambda: link.is_up)
    assert peer.got == []


@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(protocol.encode("paxoskv", 1)), frame(b"\xc0"), b"\xff" * 100],
    ids=["http", "client port", "nil", "noise"],
)
async def test_what_does_not_greet_like_a_peer_is_left_and_tried_again(
    link: PeerLink, owner: Owner, peer: Peer, greeting: bytes
) -> None:
    peer.greeting = greeting
    await eventually(lambda: len(peer.hellos) >= 2)
    assert owner.events == []
    peer.greeting = frame(WELCOME.encode())
    await eventually(lambda: link.is_up)


async def test_a_listener_that_stays_silent_is_left_and_tried_again(link: PeerLink, owner: Owner, peer: Peer) -> None:
    peer.greeting = b""
    await eventually(lambda: len(peer.hellos) >= 2)
    assert owner.events == []


async def test_a_peer_says_nothing_on_a_connection_that_is_not_its_own(
    link: PeerLink, owner: Owner, peer: Peer
) -> None:
    """What a peer says arrives on the connection that it has dialled; anything here is a fault (P31)."""
    await eventually(lambda: link.is_up)
    peer.say(frame(protocol.encode(1, 2, 3)))
    await eventually(lambda: owner.events.count(("up", 2)) == 2)


async def test_a_link_can_be_reset(link: PeerLink, owner: Owner) -> None:
    await eventually(lambda: link.is_up)
    link.reset("the test wants it")
    assert not link.is_up
    await eventually(lambda: owner.events.count(("up", 2)) == 2)


async def test_a_peer_that_does_not_read_costs_a_bounded_queue(owner: Owner, peer: Peer) -> None:
    """P33: then the connection is dropped; the peer asks for what it missed."""
    link = PeerLink(2, (LOOPBACK, peer.port), lambda: HELLO, owner, queue_bytes_max=1 << 20)
    running = asyncio.create_task(link.run())
    await eventually(lambda: link.is_up)
    for writer in peer._writers:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads as well
    for _ in range(1000):
        link.send(b"x" * (1 << 18))
        if not link.is_up:
            break
        await asyncio.sleep(0)
    assert not link.is_up
    await eventually(lambda: ("down", 2) in owner.events)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
