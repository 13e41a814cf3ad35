"""The proxies: what they are told happens to real connections, and bytes are unharmed otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from paxoskv.net.frames import FrameError, FrameReader, frame
from paxoskv.testbed.links.disturbance import HEALTHY, Direction, Disturbance
from paxoskv.testbed.links.link import Link
from paxoskv.testbed.ports import LOOPBACK, Ports
from tests.support import eventually

FRAME_BYTES_MAX = 1 << 22


class Listener:
    """The target of a link. got: every byte it was sent, over all connections. It echoes when told to."""

    def __init__(self, port: int) -> None:
        self.got = bytearray()
        self.connections = 0
        self.ended = 0
        self.echoes = False
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self._port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    @property
    def payloads(self) -> list[bytes]:
        """What a node would have read; raises FrameError if a frame is damaged."""
        return FrameReader(FRAME_BYTES_MAX).feed(bytes(self.got))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while data := await reader.read(1 << 16):
                self.got += data
                if self.echoes:
                    writer.write(data)
        except OSError:
            pass
        self.ended += 1
        writer.close()


class Path:
    """One link from here to a listener."""

    def __init__(self, ports: Ports) -> None:
        target = ports.take()
        self.port = ports.take()
        self.listener = Listener(target)
        self.forth = Direction("1>2", Random(1))
        self.back = Direction("2>1", Random(2))
        self.link = Link(self.port, target, self.forth, self.back)
        self._writers: list[asyncio.StreamWriter] = []

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        self._writers.append(writer)
        return reader, writer

    async def treat(self, forth: Disturbance = HEALTHY, back: Disturbance = HEALTHY) -> None:
        self.forth.disturbance, self.back.disturbance = forth, back
        await self.link.apply()

    async def close(self) -> None:
        await self.treat(Disturbance(refuse=True))
        for writer in self._writers:
            writer.transport.abort()
        await self.listener.stop()


@pytest.fixture
async def path() -> AsyncIterator[Path]:
    ports = Ports()
    made = Path(ports)
    await made.listener.listen()
    await made.link.apply()
    yield made
    await made.close()
    ports.release()


def payloads(count: int, size: int = 40) -> list[bytes]:
    return [b"%06d" % number + bytes(size) for number in range(count)]


async def read_end(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, in order or by a reset."""
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def test_frames_pass_unharmed_however_they_are_cut(path: Path) -> None:
    random = Random(3)
    wanted = [random.randbytes(random.randrange(1, 5000)) for _ in range(300)]
    stream = b"".join(map(frame, wanted))
    _, writer = await path.dial()
    at = 0
    while at < len(stream):
        size = random.choice((1, 7, 100, 10_000))
        writer.write(stream[at : at + size])
        at += size
        await writer.drain()
    await eventually(lambda: len(path.listener.got) == len(stream))
    assert path.listener.payloads == wanted


async def test_bytes_that_are_no_frames_pass_as_they_are(path: Path) -> None:
    """A port scanner, a browser: the node behind the proxy has to cope with it, not the proxy."""
    garbage = b"\xff" * 8 + b"GET / HTTP/1.1\r\n\r\n"
    _, writer = await path.dial()
    writer.write(garbage)
    await eventually(lambda: bytes(path.listener.got) == garbage)


async def test_answers_come_back(path: Path) -> None:
    path.listener.echoes = True
    reader, writer = await path.dial()
    writer.write(frame(b"question"))
    assert await reader.readexactly(len(frame(b"question"))) == frame(b"question")
    assert path.back.counts["frames"] == 1


async def test_the_end_of_a_connection_passes_on_both_ways(path: Path) -> None:
    _, writer = await path.dial()
    writer.write(frame(b"last words"))
    writer.close()
    await eventually(lambda: path.listener.ended == 1)
    assert path.listener.payloads == [b"last words"]
    reader, _ = await path.dial()
    await eventually(lambda: path.listener.connections == 2)
    await path.listener.stop()
    assert await read_end(reader) == b""


async def test_lost_frames_are_whole_frames(path: Path) -> None:
    await path.treat(Disturbance(drop=0.3))
    _, writer = await path.dial()
    writer.write(b"".join(map(frame, payloads(300))))
    writer.close()
    await eventually(lambda: path.listener.ended == 1)
    got = path.listener.payloads
    assert got == sorted(got)
    assert set(got) < set(payloads(300))
    assert len(got) == 300 - path.forth.counts["dropped"]


async def test_a_stream_passes_nothing_after_a_frame_that_was_lost(path: Path) -> None:
    """TCP makes no holes, so a client cannot look for them: a watch would miss an event and never know (P29)."""
    path.forth.is_stream = path.back.is_stream = path.listener.echoes = True
    reader, writer = await path.dial()
    writer.write(frame(b"before"))
    await reader.readexactly(len(frame(b"before")))
    await path.treat(back=Disturbance(cut=True))
    writer.write(frame(b"unheard"))
    await eventually(lambda: path.back.counts["dropped"] == 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reader.read(1)
    await path.treat()
    assert await read_end(reader) == b""
    await path.treat(back=Disturbance(drop=1.0))
    reader, writer = await path.dial()
    writer.write(frame(b"vanishes"))
    assert await read_end(reader) == b""
    await path.treat()
    reader, writer = await path.dial()
    writer.write(frame(b"whole"))
    assert await reader.readexactly(len(frame(b"whole"))) == frame(b"whole")


async def test_a_frame_that_a_cut_overtakes_is_a_hole_in_a_stream_as_well(path: Path) -> None:
    """It was under way already: what is sent after the cut must not pass in its stead."""
    path.forth.is_stream = True
    await path.treat(Disturbance(delay_ms=50))
    reader, writer = await path.dial()
    writer.write(frame(b"under way"))
    await eventually(lambda: path.forth.counts["delayed"] == 1)
    await path.treat(Disturbance(cut=True))
    await eventually(lambda: path.forth.counts["dropped"] == 1)
    await path.treat()
    assert await read_end(reader) == b""
    assert path.listener.payloads == []


async def test_doubled_frames_come_twice_and_none_is_lost(path: Path) -> None:
    await path.treat(Disturbance(duplicate=0.3))
    _, writer = await path.dial()
    writer.write(b"".join(map(frame, payloads(300))))
    doubled = await eventually(lambda: path.forth.counts["duplicated"])
    await eventually(lambda: len(path.listener.payloads) == 300 + doubled)
    assert set(path.listener.payloads) == set(payloads(300))


async def test_frames_overtake_each_other_and_none_is_lost(path: Path) -> None:
    await path.treat(Disturbance(reorder=0.3))
    _, writer = await path.dial()
    writer.write(b"".join(map(frame, payloads(300))))
    await eventually(lambda: len(path.listener.payloads) == 300)
    assert path.listener.payloads != payloads(300)
    assert sorted(path.listener.payloads) == payloads(300)


async def test_flipped_bits_arrive_and_are_noticed(path: Path) -> None:
    await path.treat(Disturbance(corrupt=1.0))
    _, writer = await path.dial()
    sent = frame(b"x" * 1000)
    writer.write(sent)
    await eventually(lambda: len(path.listener.got) == len(sent))
    try:
        assert path.listener.payloads == []
    except FrameError:
        assert bytes(path.listener.got) != sent


async def test_delayed_frames_take_their_time(path: Path) -> None:
    await path.treat(Disturbance(delay_ms=150))
    _, writer = await path.dial()
    loop = asyncio.get_running_loop()
    sent_s = loop.time()
    writer.write(b"".join(map(frame, payloads(10))))
    await eventually(lambda: len(path.listener.payloads) == 10)
    assert loop.time() - sent_s >= 0.15
    assert path.listener.payloads == payloads(10)


async def test_a_cut_is_silent_and_afterwards_the_same_connection_goes_on(path: Path) -> None:
    _, writer = await path.dial()
    writer.write(frame(b"before"))
    await eventually(lambda: path.listener.got)
    await path.treat(Disturbance(cut=True))
    writer.write(frame(b"lost"))
    await eventually(lambda: path.forth.counts["dropped"])
    await path.treat()
    writer.write(frame(b"after"))
    await eventually(lambda: len(path.listener.payloads) == 2)
    assert path.listener.payloads == [b"before", b"after"]
    assert path.listener.connections == 1


async def test_a_cut_of_one_direction_leaves_the_other_whole(path: Path) -> None:
    path.listener.echoes = True
    await path.treat(back=Disturbance(cut=True))
    _, writer = await path.dial()
    await path.treat(back=HEALTHY)  # no connection is made through a cut: this one is now
    await eventually(lambda: path.listener.connections)
    await path.treat(back=Disturbance(cut=True))
    writer.write(frame(b"heard"))
    await eventually(lambda: path.listener.payloads == [b"heard"])
    await eventually(lambda: path.back.counts["dropped"] == 1)


async def test_nobody_learns_through_a_cut_that_a_connection_has_ended(path: Path) -> None:
    """R22: the other end believes in a connection that exists no more, until the cut is healed."""
    _, writer = await path.dial()
    writer.write(frame(b"hello"))
    await eventually(lambda: path.listener.got)
    await path.treat(Disturbance(cut=True))
    writer.close()
    await writer.wait_closed()
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert path.listener.ended == 0
    await path.treat()
    await eventually(lambda: path.listener.ended == 1)


async def test_a_connection_through_a_cut_is_made_when_it_heals(path: Path) -> None:
    await path.treat(Disturbance(cut=True))
    await path.dial()
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert path.listener.connections == 0
    await path.treat()
    await eventually(lambda: path.listener.connections == 1)


async def test_a_refusing_link_resets_what_is_there_and_takes_nothing_new(path: Path) -> None:
    reader, _ = await path.dial()
    await eventually(lambda: path.listener.connections == 1)
    await path.treat(Disturbance(refuse=True))
    assert await read_end(reader) == b""
    await eventually(lambda: path.listener.ended == 1)
    with pytest.raises(ConnectionRefusedError):
        await path.dial()
    await path.treat()
    await path.dial()
    await eventually(lambda: path.listener.connections == 2)


async def test_a_reset_hits_both_ends(path: Path) -> None:
    reader, writer = await path.dial()
    await eventually(lambda: path.listener.connections == 1)
    await path.treat(Disturbance(reset=1.0))
    writer.write(frame(b"x"))
    assert await read_end(reader) == b""
    await eventually(lambda: path.listener.ended == 1)
    assert path.forth.counts["resets"] == 1


async def test_a_dead_target_looks_dead_and_lives_again(path: Path) -> None:
    """A node draws conclusions from a refused connection: the proxy must not hide it."""
    await path.listener.stop()

    async def is_refused() -> bool:
        try:
            _, writer = await path.dial()
        except ConnectionRefusedError:
            return True
        writer.close()
        return False

    await eventually(is_refused)
    await path.listener.listen()
    before = path.listener.connections

    async def is_served() -> bool:
        return not await is_refused() and path.listener.connections > before

    await eventually(is_served)


async def test_what_a_dead_process_has_sent_still_arrives(path: Path) -> None:
    """P31: late frames of a connection that is gone already."""
    await path.treat(Disturbance(delay_ms=100))
    _, writer = await path.dial()
    writer.write(b"".join(map(frame, payloads(5))))
    await eventually(lambda: path.forth.counts["frames"] == 5)
    writer.transport.abort()
    await eventually(lambda: path.listener.ended == 1)
    assert path.listener.payloads == payloads(5)


async def test_a_target_that_does_not_read_slows_the_dialler_down(path: Path) -> None:
    """The proxy keeps some megabytes, not everything: a paused node is a slow one (P33)."""
    await path.treat(Disturbance(delay_ms=60_000))
    _, writer = await path.dial()
    sent = 0
    big = frame(bytes(1 << 20))
    for _ in range(200):
        writer.write(big)
        sent += 1
        try:
            async with asyncio.timeout(0.5):
                await writer.drain()
        except TimeoutError:
            break
    assert sent < 200
