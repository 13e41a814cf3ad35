"""The ports of a whole node under arbitrary bytes, byte strings chosen to fail (H1, H2, H5, H7, P31, P33)."""

from __future__ import annotations

import asyncio
import tracemalloc
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paxoskv.net import protocol, stream
from paxoskv.net.frames import frame
from paxoskv.net.protocol import ProtocolError
from paxoskv.net.stream import FrameStream
from scripts.fuzz import samples
from scripts.fuzz.noise import packed
from scripts.fuzz.ports import conditions
from scripts.fuzz.town import Town
from scripts.fuzz.victim import CONNECTIONS_MAX, Pipe
from tests.support import eventually

HELLO = frame(packed(samples.HELLO))
CARD = frame(packed(samples.cards(1)[0]))

chunks = st.lists(st.binary(min_size=1, max_size=300), max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.binary(max_size=20) | st.text(max_size=9)
)
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=8), max_leaves=20)
payloads = st.lists(st.lists(trees, min_size=1, max_size=9).map(packed), max_size=12)


async def served_after(begin: bytes, pieces: list[bytes], port: str) -> None:
    """Feed a connection of node 1 with `begin` and `pieces`; the cluster of 1 and 3 goes on to serve a client."""
    with conditions():
        town = Town((1, 2, 3), (1, 3), seed=7)
        await town.serve_a_client(b"before")
        node = town.nodes[1]
        connection: FrameStream
        connection, pipe = node.client() if port == "client" else node.peer()
        for piece in [begin, *pieces]:
            if connection.is_open:
                connection.data_received(piece)
            await town.turn()
        pipe.hang_up()
        await town.serve_a_client(b"after")
        assert town.failure is None


@pytest.mark.parametrize("port", ["client", "peer"])
@given(bytes_of_a_stranger=chunks)
@settings(max_examples=15, deadline=None)
def test_bytes_of_a_stranger(port: str, bytes_of_a_stranger: list[bytes]) -> None:
    asyncio.run(served_after(bytes_of_a_stranger[0] if bytes_of_a_stranger else b"x", bytes_of_a_stranger[1:], port))


@pytest.mark.parametrize(("port", "hello"), [("client", HELLO), ("peer", CARD)], ids=["client", "peer"])
@given(said=chunks)
@settings(max_examples=15, deadline=None)
def test_bytes_after_a_hello(port: str, hello: bytes, said: list[bytes]) -> None:
    asyncio.run(served_after(hello, said, port))


@given(said=payloads)
@settings(max_examples=20, deadline=None)
def test_arrays_in_sound_frames_of_a_client(said: list[bytes]) -> None:
    asyncio.run(served_after(HELLO, [frame(payload) for payload in said], "client"))


def prefixes(arrays: list[Any]) -> list[bytes]:
    """Return every array cut after each of its items."""
    return [packed(array[:length]) for array in arrays for length in range(len(array) + 1)]


@pytest.mark.parametrize(
    ("port", "hello", "arrays"),
    [
        ("client", b"", [samples.HELLO]),
        ("client", HELLO, samples.requests(Random(1))),
        ("peer", b"", samples.cards()),
        ("peer", CARD, samples.peer_payloads(Random(1))),
    ],
    ids=["first words of a client", "requests", "first words of a peer", "words of a peer"],
)
async def test_an_array_that_ends_early_is_refused(port: str, hello: bytes, arrays: list[Any]) -> None:
    """H1. The fuzzer ended a node with `["paxoskv-peer"]` alone, and with a tag without its fields."""
    with conditions():
        town = Town((1, 2, 3), (1, 3), seed=7)
        await town.serve_a_client(b"before")
        for payload in prefixes(arrays):
            node = town.nodes[1]
            connection, pipe = node.client() if port == "client" else node.peer()
            for framed in (hello, frame(payload)):
                if framed:
                    connection.data_received(framed)
                await town.turn()
                await town.turn()
            pipe.hang_up()
            await town.turn()
            assert town.failure is None, f"{payload!r} stopped the node"
        await town.serve_a_client(b"after")


async def test_what_a_request_claims_is_not_reserved() -> None:
    """H3: a stranger's 100 KB of array headers, each inside the one before, would cost 500 MB."""
    with conditions():
        town = Town((1,), (1,), seed=7)
        connection, pipe = town.nodes[1].client()
        connection.data_received(HELLO)
        bomb = frame(b"\xdd\x00\x00\xff\xff" * 20_000)
        tracemalloc.start()
        try:
            connection.data_received(bomb)
            assert tracemalloc.get_traced_memory()[1] < 4 * len(bomb)
        finally:
            tracemalloc.stop()
        assert pipe.is_closed


# One connection


class Listener(FrameStream):
    """Hears payloads; "bad" is one it does not understand."""

    def __init__(self, write_bytes_max: int = 1 << 20) -> None:
        super().__init__(write_bytes_max)
        self.heard: list[bytes] = []
        self.closed: list[str] = []

    def on_payload(self, payload: bytes) -> None:
        if payload == b"bad":
            raise ProtocolError("bad")
        self.heard.append(payload)
        if payload == b"go":
            self.close("told to go")

    def on_closed(self, reason: str) -> None:
        self.closed.append(reason)

    def refusal(self, reason: str) -> bytes | None:
        return reason.encode()


def connected(listener: Listener) -> Pipe:
    pipe = Pipe()
    pipe.connect(listener)
    return pipe


@pytest.mark.parametrize("last", [b"go", b"bad"])
async def test_nothing_is_heard_after_the_end(last: bytes) -> None:
    """P31: what arrives with, or after, what ended the connection means nothing."""
    listener = Listener()
    pipe = connected(listener)
    listener.data_received(frame(b"one") + frame(last) + frame(b"two"))
    listener.data_received(frame(b"three"))
    await asyncio.sleep(0)
    assert listener.heard in ([b"one"], [b"one", b"go"])
    assert pipe.is_closed
    assert len(listener.closed) == 1


@pytest.mark.parametrize("wrong", [frame(b"bad"), b"\0" * 8, b"GET / HTTP/1.1\r\n\r\n", frame(b"x")[:-1] + b"y"])
async def test_wrong_bytes_end_the_connection_and_are_told_why(wrong: bytes) -> None:
    listener = Listener()
    pipe = connected(listener)
    listener.data_received(wrong)
    assert pipe.is_closed
    assert len(pipe.written) > 8, "the other side is told why"
    assert not listener.is_open


async def test_a_stranger_without_a_hello_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """H5: a connection costs something as long as it stands."""
    monkeypatch.setattr(stream, "HELLO_TIMEOUT_S", 0.01)
    listener = Listener()
    pipe = connected(listener)
    for byte in frame(b"one")[:5]:
        listener.data_received(bytes([byte]))
    await eventually(lambda: listener.closed)
    assert "no hello" in listener.closed[0]
    assert pipe.is_closed


async def test_a_known_partner_may_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HELLO_TIMEOUT_S", 0.01)
    listener, other = Listener(), Listener()
    pipe, others = connected(listener), connected(other)
    listener.hello_done(1 << 20)
    await eventually(lambda: others.is_closed)
    assert not pipe.is_closed


async def test_a_reader_too_slow_for_its_queue_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """P33, H5: what waits to be read by the other side is bounded."""
    listener = Listener(write_bytes_max=1000)
    pipe = connected(listener)
    monkeypatch.setattr(pipe, "get_write_buffer_size", lambda: len(pipe.written))
    listener.send(b"x" * 900)
    await asyncio.sleep(0)
    assert listener.closed == []
    listener.send(b"x" * 200)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert pipe.is_closed
    assert "wait to be read" in listener.closed[0]


# The client port of a node


async def test_connections_beyond_the_limit_are_turned_away() -> None:
    """H7: the others go on."""
    with conditions():
        town = Town((1,), (1,), seed=1)
        await town.serve_a_client(b"before")
        held = [town.nodes[1].client() for _ in range(CONNECTIONS_MAX)]
        one_more, pipe = town.nodes[1].client()
        assert not one_more.is_open
        assert "at most 64 connections" in pipe.payloads()[0][2]
        held[0][0].data_received(HELLO)
        await town.turn()
        assert held[0][1].payloads()[0][:2] == (protocol.MAGIC, protocol.PROTOCOL)
        for _, other in held:
            other.hang_up()
        await town.turn()
        await town.serve_a_client(b"after")


@pytest.mark.parametrize(
    "hello",
    [
        ("paxoskv",),
        ("paxoskv", 2),
        ("paxoskv", True + 1),
        ("paxoskv-peer", 1),
        (b"paxoskv", 1),
        (0, 1),
    ],
)
async def test_a_wrong_hello_is_refused_with_its_reason(hello: tuple[Any, ...]) -> None:
    """P34: a client of another protocol, or of another port, is told so."""
    with conditions():
        town = Town((1,), (1,), seed=1)
        connection, pipe = town.nodes[1].client()
        connection.data_received(frame(packed(hello)))
        assert not connection.is_open
        [(magic, version, reason)] = pipe.payloads()
        assert (magic, version) == (protocol.MAGIC, 0)
        assert reason
