"""The client port of one node, on real sockets: greetings, limits, and clients that do not read (H1, H5, H7, P33)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from paxoskv.kv import commands
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.kv.queries import Page, Query
from paxoskv.net import protocol, stream
from paxoskv.net.frames import frame
from paxoskv.node.clients import PAUSE_BYTES, Clients, ClientStream
from paxoskv.node.service import Bounds
from tests.cluster.wire import PlainClient, Wire, plain_client, wire
from tests.node.kit import OPEN, Event, Lab, serve
from tests.support import LOOPBACK, eventually

LIMITS = KvLimits(key_bytes_max=64, value_bytes_max=1 << 17)
REQUESTS_MAX = 8
CONNECTIONS_MAX = 4


class CountingMachine(Machine):
    """A state machine that counts the ranges it has to read."""

    ranges = 0

    def query(self, query: Query) -> Page:
        self.ranges += 1
        return super().query(query)


class Port:
    """The client port of a cluster of one, in the test's own loop. leader: what clients are told."""

    def __init__(self) -> None:
        self.lab = Lab(1, LIMITS, CountingMachine)
        self.lab.elect()
        self.lab.disk.note = self._sync_soon
        bounds = Bounds(1 << 20, 1_000, 100)
        self.service = serve(self.lab, LIMITS, self._no_link, asyncio.get_running_loop(), bounds)
        self.leader = (1, "127.0.0.1:7301")
        self.clients = Clients(
            self.service.requests,
            self.service.watch_requests,
            ("c1", 1),
            lambda: self.leader,
            REQUESTS_MAX,
            CONNECTIONS_MAX,
        )
        self.number = 0

    @property
    def served(self) -> int:
        """Ranges that were read so far."""
        machine = self.lab.engine.machine
        assert isinstance(machine, CountingMachine)
        return machine.ranges

    async def listen(self) -> asyncio.Server:
        """Open the port."""
        server = await asyncio.get_running_loop().create_server(lambda: ClientStream(self.clients), LOOPBACK, 0)
        self.number = server.sockets[0].getsockname()[1]
        return server

    def _sync_soon(self, event: Event) -> None:
        """A disk that is as quick as the loop."""
        asyncio.get_running_loop().call_soon(self.lab.disk.sync)

    @staticmethod
    def _no_link(leader: int, number: int, command: bytes) -> bool:
        return False


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    """An open port."""
    port = Port()
    server = await port.listen()
    yield port
    server.close()
    port.clients.close("the test is over")
    await eventually(lambda: not len(port.clients))


async def fill(port: Port, count: int, value_bytes: int) -> None:
    """Put `count` keys."""
    async with plain_client(port.number) as client:
        session = (await client.request(protocol.WRITE, OPEN))[2][3]
        for seq in range(1, count + 1):
            put = commands.put(session, seq, seq - 1, b"k%04d" % seq, b"v" * value_bytes)
            assert (await client.request(protocol.WRITE, put))[0] == protocol.OK


def ranges(numbers: range, mode: int) -> bytes:
    """Return the frames of range requests over everything."""
    return b"".join(frame(protocol.encode(protocol.RANGE, number, mode, b"", b"", 0, 0)) for number in numbers)


async def test_the_welcome_names_cluster_node_and_leader(port: Port) -> None:
    async with wire(port.number) as connection:
        connection.send(protocol.MAGIC, protocol.PROTOCOL)
        assert await connection.receive() == (protocol.MAGIC, 1, "c1", 1, 1, "127.0.0.1:7301")


async def test_everybody_is_told_of_a_new_leader_once_they_have_said_hello(port: Port) -> None:
    async with plain_client(port.number) as client, wire(port.number) as silent:
        await eventually(lambda: len(port.clients) == 2)
        port.leader = (2, "127.0.0.1:7302")
        port.clients.on_leader()
        assert await client.receive() == (0, protocol.LEADER, 2, "127.0.0.1:7302")
        port.clients.close("going down")
        assert await client.until_closed() == [(0, protocol.GOODBYE, "going down")]
        assert await silent.until_closed() == []


async def test_connections_beyond_the_limit_are_turned_away_until_one_ends(port: Port) -> None:
    clients = [await PlainClient.dial(port.number) for _ in range(CONNECTIONS_MAX)]
    for client in clients:
        await client.hello()
    async with wire(port.number) as surplus:
        said = await surplus.until_closed()
        assert said == [(protocol.MAGIC, 0, "this node serves at most 4 connections: try another one")]
    assert (await clients[0].request(protocol.STATUS))[0] == protocol.OK
    await clients.pop().close()
    await eventually(lambda: len(port.clients) < CONNECTIONS_MAX)
    async with plain_client(port.number) as client:
        assert (await client.request(protocol.STATUS))[0] == protocol.OK
    for client in clients:
        await client.close()


async def test_requests_beyond_the_limit_of_a_connection_are_surely_not_applied(port: Port) -> None:
    async with plain_client(port.number) as client:
        frames = [frame(protocol.encode(protocol.WRITE, number, OPEN)) for number in range(1, REQUESTS_MAX + 3)]
        client.write(b"".join(frames))
        answers: dict[int, int] = {}
        while len(answers) < len(frames):
            items = await client.receive()
            assert items is not None
            answers[items[0]] = items[1]
        overloaded = [number for number, status in answers.items() if status == protocol.OVERLOADED]
        assert overloaded == [REQUESTS_MAX + 1, REQUESTS_MAX + 2]
        assert port.lab.engine.machine.sessions == REQUESTS_MAX
        assert (await client.answer(client.ask(protocol.STATUS)))[0] == protocol.OK


async def test_a_client_that_never_says_hello_is_cut_off(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HELLO_TIMEOUT_S", 0.05)
    async with wire(port.number) as connection:
        connection.write(frame(protocol.encode(protocol.MAGIC, 1))[:5])
        assert await connection.until_closed() == [(protocol.MAGIC, 0, "no hello within 0.05 s")]


async def test_a_client_that_said_hello_may_be_silent(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HELLO_TIMEOUT_S", 0.05)
    async with plain_client(port.number) as client:
        await asyncio.sleep(0.1)
        assert (await client.request(protocol.STATUS))[0] == protocol.OK


@pytest.mark.parametrize("mode", [protocol.LINEARIZABLE, protocol.STALE], ids=["linearizable", "stale"])
async def test_answers_for_a_client_that_does_not_read_are_not_even_made(port: Port, mode: int) -> None:
    """H5: it costs a few pages of memory and of time, however much it asks for; then it is served as it reads."""
    await fill(port, 100, 100_000)
    port.clients.requests_max = 1000
    async with plain_client(port.number) as client:
        client.pause_reading()
        client.write(ranges(range(1, 301), mode))
        served = await _standstill(lambda: port.served)
        assert 0 < served < 100
        async with plain_client(port.number) as other:
            assert (await other.request(protocol.GET, protocol.LINEARIZABLE, b"k0001"))[0] == protocol.OK
        client.resume_reading()
        for number in range(1, 301):
            assert (await client.answer(number))[0] == protocol.OK
        assert port.served == 300


async def test_what_a_client_wanted_to_read_is_forgotten_when_it_goes(port: Port) -> None:
    await fill(port, 100, 100_000)
    port.clients.requests_max = 1000
    client = await PlainClient.dial(port.number)
    await client.hello()
    client.pause_reading()
    client.write(ranges(range(1, 301), protocol.STALE))
    served = await _standstill(lambda: port.served)
    await client.close()
    await eventually(lambda: not len(port.clients))
    assert port.served == served


class Deaf(asyncio.Transport):
    """A transport that takes everything and notices nothing before the turn is over, as uvloop's does."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def abort(self) -> None:
        pass


async def test_what_one_turn_may_bring_is_bounded_whatever_the_transport_notices(port: Port) -> None:
    """H5, P33: a page after the other would be made in one turn of the loop, for somebody who reads nothing."""
    stream = ClientStream(port.clients)
    stream.connection_made(Deaf())
    states, made = [], []
    for size_bytes in (PAUSE_BYTES - 100, 100):
        stream.push(b"x" * size_bytes)
        states.append(stream.is_writable)
    stream.hold(lambda: made.append(stream.is_writable))
    assert (states, made) == ([True, False], [])
    await eventually(lambda: made)
    assert made == [True]
    stream.abort("the test is over")
    assert not stream.is_writable
    stream.connection_lost(None)


async def test_a_hello_for_the_peer_port_is_told_so(port: Port) -> None:
    async with wire(port.number) as connection:
        connection.send("paxoskv-peer", 1, "c1", 2, "life", "127.0.0.1:7302", 1, [])
        ((magic, zero, reason),) = await connection.until_closed()
    assert (magic, zero) == (protocol.MAGIC, 0)
    assert "this is the port for clients" in reason


async def test_a_whole_connection_of_dials_welcome_nobody_twice(port: Port) -> None:
    """A second hello is a request like any other, and a wrong one."""
    async with plain_client(port.number) as client:
        client.send(protocol.MAGIC, protocol.PROTOCOL)
        ((number, status, message, _),) = [await client.receive() or ()]
        assert (number, status) == (1, protocol.BAD_REQUEST)
        assert "unknown request kind 'paxoskv'" in message


async def _standstill(value: Callable[[], int]) -> int:
    """Return a number once it has not changed for a while."""
    while True:
        before = value()
        await asyncio.sleep(0.3)
        if value() == before:
            return before


async def test_dialling_and_leaving_at_once_leaves_nothing(port: Port) -> None:
    for _ in range(50):
        await (await Wire.dial(port.number)).close()
    await eventually(lambda: not len(port.clients))
