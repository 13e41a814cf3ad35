"""The mesh: one connection from each peer, one to each, and nothing believed that was not introduced (P31, P34)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from paxoskv.net import codec, protocol
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX, FrameReader, frame
from paxoskv.net.peering import PEER_MAGIC, Card, encode_refusal
from paxoskv.node.answers import Waiter
from paxoskv.node.exits import QUARANTINED, NodeFailure
from paxoskv.node.introductions import Introductions
from paxoskv.node.memory import PeerMemory
from paxoskv.node.mesh import FORWARD, FORWARDED, STRANGERS_MAX, Inbound, Mesh
from paxoskv.node.supervisor import Supervisor
from paxoskv.paxos.ballot import Ballot
from paxoskv.paxos.messages import Accepted, Ask, CatchUp, HeartbeatAck, Message
from paxoskv.paxos.plausibility import Implausible
from paxoskv.storage.identity import Identity
from paxoskv.storage.records import PeerRecord
from tests.cluster.wire import Wire
from tests.support import LOOPBACK, eventually

ME = Identity("c1", 1, "life-1")


class Node:
    """Node 1 with a mesh and nothing behind it. Members are 1, 2 and 3; node 2 is played by the test.

    heard: what came from peers, in order. saving: cleared to keep introductions waiting for the disk.
    seq: of its journal. memory: of its peers.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.failures: list[NodeFailure] = []
        self.wires: list[Wire] = []
        self.seq = 10
        self.saving = asyncio.Event()
        self.saving.set()
        self.supervisor = Supervisor()
        self.memory = PeerMemory({}, self._save)
        introductions = Introductions(
            ME, [1, 2, 3], "127.0.0.1:7301", self.memory, lambda: self.seq, self.failures.append
        )
        self.mesh = Mesh(introductions, self.supervisor)
        self.mesh.connect(self)
        self.port = 0

    async def dial(self) -> Wire:
        """Return a new connection to node 1; it is closed at the end of the test."""
        self.wires.append(wire := await Wire.dial(self.port))
        return wire

    async def _save(self, peers: Mapping[int, PeerRecord]) -> None:
        await self.saving.wait()

    # PeerEvents

    def on_message(self, peer: int, message: Message) -> None:
        if isinstance(message, CatchUp):
            raise Implausible("catching up is not played here")
        self.heard.append(("message", peer, message))

    def on_forward(self, command: bytes, waiter: Waiter) -> None:
        self.heard.append(("forward", command))
        waiter.sink.answer(waiter.number, protocol.OK, "done")

    def on_forwarded(self, peer: int, number: int, fields: tuple[Any, ...]) -> None:
        self.heard.append(("forwarded", peer, number, *fields))

    def on_broken(self, peer: int) -> None:
        self.heard.append(("broken", peer))

    def on_gone(self, peer: int) -> None:
        self.heard.append(("gone", peer))


class Peer:
    """Node 2 as the listener that node 1 dials. answer: what it sends to a hello. got: all frames after hellos."""

    def __init__(self) -> None:
        self.answer = frame(CARD.encode())
        self.got: list[tuple[Any, ...]] = []
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def is_alone(self) -> bool:
        """Whether no connection is left."""
        return not self._writers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet one connection, then only listen."""
        self._writers.add(writer)
        frames, greeted = FrameReader(CLIENT_FRAME_BYTES_MAX), False
        try:
            while data := await reader.read(1 << 16):
                for payload in frames.feed(data):
                    if greeted:
                        self.got.append(protocol.decode(payload))
                    else:
                        greeted = True
                        writer.write(self.answer)
        except ConnectionError:
            return
        finally:
            writer.close()
            self._writers.discard(writer)

    def cut(self) -> None:
        """Cut what node 1 has dialled."""
        for writer in list(self._writers):
            writer.transport.abort()


CARD = Card("c1", 2, "life-2", "127.0.0.1:7302", to_node=1, known={}, seq=20)
"""How node 2 introduces itself."""
REBORN = replace(CARD, incarnation="life-2b", seq=1)
"""The same after its directory was emptied."""


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    """Node 1, listening; it dials nobody yet."""
    node = Node()
    server = await asyncio.get_running_loop().create_server(lambda: Inbound(node.mesh), LOOPBACK, 0)
    node.port = server.sockets[0].getsockname()[1]
    yield node
    server.close()
    for wire in node.wires:
        await wire.close()
    await node.supervisor.cancel()


@pytest.fixture
async def peer(node: Node) -> AsyncIterator[Peer]:
    """Node 2, listening, and dialled by node 1 from now on."""
    peer = Peer()
    server = await asyncio.start_server(peer.serve, LOOPBACK, 0)
    peer.port = server.sockets[0].getsockname()[1]
    node.mesh.start({2: (LOOPBACK, peer.port)}, 1 << 20)
    yield peer
    server.close()
    await node.supervisor.cancel()
    peer.cut()
    await eventually(lambda: peer.is_alone)


async def welcomed(node: Node) -> Wire:
    """A connection of node 2 that node 1 has welcomed."""
    wire = await node.dial()
    wire.write(frame(CARD.encode()))
    welcome = await wire.receive()
    assert welcome is not None
    assert welcome[:5] == (PEER_MAGIC, protocol.PROTOCOL, "c1", 1, "life-1")
    return wire


async def test_messages_of_a_welcomed_peer_are_heard_under_its_number(node: Node) -> None:
    wire = await welcomed(node)
    wire.write(frame(codec.encode(Ask(7))) + frame(codec.encode(Ask(8))))
    await eventually(lambda: len(node.heard) == 2)
    assert node.heard == [("message", 2, Ask(7)), ("message", 2, Ask(8))]
    await wire.close()
    await eventually(lambda: node.heard[-1] == ("broken", 2))


async def test_what_is_said_to_a_peer_arrives_in_order_and_nothing_is_kept_for_one_that_is_away(
    node: Node, peer: Peer
) -> None:
    node.mesh.send(2, Ask(1))
    await eventually(lambda: node.mesh.connected == [2])
    node.mesh.send(2, Ask(2))
    node.mesh.send(2, Ask(3))
    await eventually(lambda: len(peer.got) == 2)
    assert [codec.decode(items) for items in peer.got] == [Ask(2), Ask(3)]
    peer.cut()
    await eventually(lambda: ("broken", 2) in node.heard)


async def test_a_peer_that_connects_anew_replaces_its_former_connection(node: Node) -> None:
    """P31: bytes of the old one mean nothing any more, and answers that it may have lost are given up."""
    old = await welcomed(node)
    new = await welcomed(node)
    assert node.heard == [("broken", 2)]
    assert await old.receive() is None
    new.write(frame(codec.encode(Ask(9))))
    await eventually(lambda: node.heard[-1] == ("message", 2, Ask(9)))
    assert node.heard.count(("broken", 2)) == 1


async def test_a_connection_that_ended_before_its_welcome_replaces_nothing(node: Node) -> None:
    node.saving.clear()
    passing = await node.dial()
    passing.write(frame(CARD.encode()))
    await asyncio.sleep(0)
    await passing.close()
    third = await node.dial()
    third.write(frame(replace(CARD, node=3, incarnation="life-3").encode()))
    node.saving.set()
    assert await third.receive() is not None
    good = await welcomed(node)
    good.write(frame(codec.encode(Ask(5))))
    await eventually(lambda: ("message", 2, Ask(5)) in node.heard)
    assert ("broken", 2) not in node.heard


async def test_who_speaks_before_the_welcome_is_shown_the_door(node: Node) -> None:
    node.saving.clear()
    wire = await node.dial()
    wire.write(frame(CARD.encode()) + frame(codec.encode(Ask(7))))
    said = await wire.until_closed()
    assert [items[2] for items in said] == ["a peer waits for its welcome before it speaks"]
    node.saving.set()
    await welcomed(node)
    assert ("message", 2, Ask(7)) not in node.heard


async def test_of_too_many_strangers_the_one_that_waited_longest_goes(node: Node) -> None:
    """H7: nobody can keep the peers out by connecting and saying nothing."""
    strangers = [await node.dial() for _ in range(STRANGERS_MAX + 5)]
    for early in strangers[:5]:
        ((_, zero, reason, _),) = await early.until_closed()
        assert (zero, reason) == (0, f"more than {STRANGERS_MAX} connections wait for their welcome")
    await welcomed(node)
    for late in strangers[6:]:
        late.write(frame(protocol.encode("paxoskv")))
        assert len(await late.until_closed()) == 1


async def test_an_implausible_message_costs_the_connection_and_nothing_else(node: Node) -> None:
    wire = await welcomed(node)
    wire.write(frame(codec.encode(CatchUp(1, 2))))
    said = await wire.until_closed()
    assert [items[:3] for items in said] == [(PEER_MAGIC, 0, "catching up is not played here")]
    await welcomed(node)


async def test_a_forward_is_answered_on_our_own_link(node: Node, peer: Peer) -> None:
    await eventually(lambda: node.mesh.connected == [2])
    wire = await welcomed(node)
    wire.send(FORWARD, 12, b"command")
    await eventually(lambda: peer.got)
    assert node.heard == [("forward", b"command")]
    assert peer.got == [(FORWARDED, 12, protocol.OK, "done")]


async def test_a_write_is_passed_on_only_where_its_answer_can_come_back(node: Node, peer: Peer) -> None:
    """The answer travels on the leader's own connection: without one the client would wait in vain."""
    await eventually(lambda: node.mesh.connected == [2])
    assert not node.mesh.forward(2, 1, b"command")
    wire = await welcomed(node)
    assert node.mesh.forward(2, 2, b"command")
    await eventually(lambda: peer.got)
    assert peer.got == [(FORWARD, 2, b"command")]
    wire.send(FORWARDED, 2, protocol.OK, (1, 2))
    await eventually(lambda: node.heard)
    assert node.heard == [("forwarded", 2, 2, protocol.OK, (1, 2))]


@pytest.mark.parametrize(
    "items",
    [(FORWARD,), (FORWARD, 1), (FORWARD, 1, "text"), (FORWARD, -1, b""), (FORWARDED, 1), (FORWARDED, "x", 0), (22,)],
    ids=str,
)
async def test_a_malformed_forward_costs_the_connection(node: Node, peer: Peer, items: tuple[Any, ...]) -> None:
    wire = await welcomed(node)
    wire.send(*items)
    said = await wire.until_closed()
    assert [answer[:2] for answer in said] == [(PEER_MAGIC, 0)]


async def test_a_peer_whose_port_refuses_is_gone(node: Node, peer: Peer) -> None:
    """Its process does not exist: no need to wait for its silence."""
    node.mesh.start({3: (LOOPBACK, 1)}, 1 << 20)
    await eventually(lambda: ("gone", 3) in node.heard)


async def test_a_peer_that_knew_us_in_another_life_ends_this_node(node: Node, peer: Peer) -> None:
    peer.answer = frame(encode_refusal("another incarnation", node.mesh.introductions.card(2).life))
    peer.cut()
    await eventually(lambda: node.failures)
    assert node.failures[0].code == QUARANTINED


async def test_a_peer_in_its_second_life_does_not_end_this_node(node: Node, peer: Peer) -> None:
    """The one that forgot is the other one, whoever dialled whom."""
    await welcomed(node)
    peer.answer = frame(REBORN.encode())
    peer.cut()
    await eventually(lambda: node.mesh.connected == [])
    wire = await node.dial()
    wire.write(frame(REBORN.encode()))
    said = await wire.until_closed()
    assert [(items[1], items[3]) for items in said] == [(0, REBORN.life)]
    peer.cut()
    with pytest.raises(AssertionError, match="not within"):
        await eventually(lambda: node.failures, within_s=0.5)


async def test_what_speaks_of_the_journal_announces_how_far_it_is(node: Node, peer: Peer) -> None:
    """P4: on promises, votes and answers to heartbeats; the number is the durable one of the moment it leaves."""
    await eventually(lambda: node.mesh.connected == [2])
    node.mesh.send(2, Accepted(Ballot(1, 2), 7))
    node.seq = 11
    node.mesh.send(2, HeartbeatAck(Ballot(1, 2), 5, Ballot(1, 2)))
    node.mesh.send(2, Ask(1))
    await eventually(lambda: len(peer.got) == 3)
    assert peer.got == [(8, (1, 2), 7, 10), (2, (1, 2), 5, (1, 2), 11), (3, 1)]


async def test_what_a_peer_announces_is_remembered(node: Node) -> None:
    wire = await welcomed(node)
    for seq in (21, 25, 24):
        wire.write(frame(codec.encode(Accepted(Ballot(1, 1), 7), seq)))
    await eventually(lambda: len(node.heard) == 3)
    assert node.memory.seen(2) == 25


@pytest.mark.parametrize("seq", [-1, 1 << 63, "25", None])
async def test_a_malformed_announcement_costs_the_connection(node: Node, seq: object) -> None:
    wire = await welcomed(node)
    wire.write(frame(protocol.encode(8, (1, 1), 7, seq)))
    await wire.until_closed()
    assert node.memory.seen(2) == 20
