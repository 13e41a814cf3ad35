"""One connection that carries frames: greetings in time, reasons given, bounded queues, few writes (H1, H5, P33)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from paxoskv.net import protocol, stream
from paxoskv.net.frames import HELLO_FRAME_BYTES_MAX, frame
from paxoskv.net.protocol import ProtocolError
from paxoskv.net.stream import FrameStream
from tests.cluster.wire import Wire
from tests.support import LOOPBACK, eventually

WRITE_BYTES_MAX = 1 << 20


class CountingTransport:
    """Passes everything on to the real transport, and counts what is written."""

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.writes = 0
        self._transport = transport

    def write(self, data: bytes) -> None:
        self.writes += 1
        cast(asyncio.Transport, self._transport).write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Listener(FrameStream):
    """The listener's end. got: payloads. ended: why it was closed, once it was. A payload `bad` is a fault."""

    counter: CountingTransport

    def __init__(self) -> None:
        super().__init__(WRITE_BYTES_MAX)
        self.got: list[bytes] = []
        self.ended: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.counter = CountingTransport(transport)
        super().connection_made(cast(asyncio.Transport, self.counter))

    def on_payload(self, payload: bytes) -> None:
        if payload == protocol.encode("bad"):
            raise ProtocolError("this payload is bad")
        self.got.append(payload)

    def on_closed(self, reason: str) -> None:
        self.ended.append(reason)

    def refusal(self, reason: str) -> bytes | None:
        return protocol.encode("refused", reason)


class House:
    """A listening port. streams, wires: the two ends of every connection, in their order."""

    def __init__(self) -> None:
        self.streams: list[Listener] = []
        self.wires: list[Wire] = []
        self.port = 0

    def open_door(self) -> Listener:
        self.streams.append(Listener())
        return self.streams[-1]

    async def pair(self) -> tuple[Wire, Listener]:
        """Return both ends of a new connection."""
        count = len(self.streams)
        self.wires.append(wire := await Wire.dial(self.port))
        await eventually(lambda: len(self.streams) > count and self.streams[-1].is_open)
        return wire, self.streams[-1]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """An open port."""
    house = House()
    server = await asyncio.get_running_loop().create_server(house.open_door, LOOPBACK, 0)
    house.port = server.sockets[0].getsockname()[1]
    yield house
    server.close()
    for wire in house.wires:
        await wire.close()
    await eventually(lambda: all(listener.ended for listener in house.streams))


async def test_payloads_go_both_ways_in_order(house: House) -> None:
    wire, listener = await house.pair()
    wire.send("one")
    wire.send("two")
    await eventually(lambda: len(listener.got) == 2)
    assert listener.got == [protocol.encode("one"), protocol.encode("two")]
    listener.send(protocol.encode("three"))
    listener.send(protocol.encode("four"))
    assert [await wire.receive(), await wire.receive()] == [("three",), ("four",)]
    await wire.close()
    await eventually(lambda: listener.ended)


async def test_a_fault_in_the_bytes_ends_the_connection_with_its_reason(house: House) -> None:
    wire, listener = await house.pair()
    wire.send("good")
    wire.send("bad")
    wire.send("never looked at")
    assert await wire.until_closed() == [("refused", "this payload is bad")]
    await eventually(lambda: listener.ended)
    assert listener.ended == ["this payload is bad"]
    assert listener.got == [protocol.encode("good")]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x00\x00\x00\x00\x00\x00\x00\x00", "frame length 0"),
        (b"\x80\x00\x00\x00\x00\x00\x00\x00", "frame length 2147483648"),
        (b"\xff\xff\xff\xff\x00\x00\x00\x00", "frame length 4294967295"),
        (frame(b"payload")[:-1] + b"D", "fails its checksum"),
        (frame(b"x" * (HELLO_FRAME_BYTES_MAX + 1)), "is outside 1..4096"),
    ],
    ids=["0", "2 GiB", "4 GiB", "damaged", "before the hello"],
)
async def test_what_is_not_a_frame_ends_it_too(house: House, raw: bytes, reason: str) -> None:
    wire, listener = await house.pair()
    wire.write(raw)
    ((_, told),) = await wire.until_closed()
    assert reason in told
    await eventually(lambda: listener.ended)
    assert listener.got == []


async def test_after_the_hello_larger_frames_pass(house: House) -> None:
    wire, listener = await house.pair()
    listener.hello_done(1 << 20)
    wire.send(b"x" * 100_000)
    await eventually(lambda: listener.got)


async def test_who_says_nothing_is_told_so_in_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that sends a byte now and then: only a whole greeting counts (H5)."""
    monkeypatch.setattr(stream, "HELLO_TIMEOUT_S", 0.1)
    wire, _ = await house.pair()
    hello = frame(protocol.encode("hello there, how are you"))
    dripping = asyncio.create_task(_drip(wire, hello))
    assert await wire.until_closed() == [("refused", "no hello within 0.1 s")]
    dripping.cancel()


async def _drip(wire: Wire, data: bytes) -> None:
    for byte in data:
        wire.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def test_the_other_side_may_vanish(house: House) -> None:
    wire, listener = await house.pair()
    await wire.close()
    await eventually(lambda: listener.ended)
    assert not listener.is_open
    listener.send(b"into the void")
    listener.close("too late")
    listener.refuse("too late")
    assert len(listener.ended) == 1


async def test_a_reader_that_is_too_slow_is_cut_off(house: House) -> None:
    """P33: its queue is bounded, and so is the memory of the node."""
    wire, listener = await house.pair()
    wire.pause_reading()
    sent = 0
    while listener.is_open:
        listener.send(b"x" * (WRITE_BYTES_MAX // 4))
        sent += 1
        assert sent < 1000, "nothing bounds the queue"
        await asyncio.sleep(0)
    await eventually(lambda: listener.ended)
    assert f"more than {WRITE_BYTES_MAX} bytes wait to be read by" in listener.ended[0]


async def test_closing_lets_what_was_said_leave_first(house: House) -> None:
    wire, listener = await house.pair()
    for number in range(100):
        listener.send(protocol.encode(number, b"x" * 10_000))
    listener.close("enough")
    assert [items[0] for items in await wire.until_closed()] == list(range(100))


async def test_aborting_waits_for_nobody(house: House) -> None:
    wire, listener = await house.pair()
    wire.pause_reading()
    listener.send(b"x" * 500_000)
    await asyncio.sleep(0)
    listener.abort("enough")
    await eventually(lambda: listener.ended)
    assert listener.ended == ["enough"]


async def test_all_frames_of_a_turn_leave_in_one_write(house: House) -> None:
    wire, listener = await house.pair()
    for number in range(50):
        listener.send(protocol.encode(number))
    for number in range(50):
        assert await wire.receive() == (number,)
    assert listener.counter.writes == 1
