"""What strangers send to the client port of a real node: refused in words or hung up on, and everybody else is served.

Ids H1 to H7. After every attack the cluster writes, reads, agrees, and has not grown.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from paxoskv.kv import commands
from paxoskv.net import protocol
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX, frame
from tests.cluster.kit import Cluster
from tests.cluster.prey import Prey
from tests.cluster.wire import PlainClient, Wire, plain_client, wire
from tests.support import PortLease

HELLO = frame(protocol.encode(protocol.MAGIC, protocol.PROTOCOL))
BOMB = b"\x91" * 1_000
"""An array in an array in an array, never closed."""
GREEDY = b"\xdd\x00\x01\x00\x00" * 500
"""The same, each claiming 65,536 items."""
EXTENSION = b"\x92\x01\xc7\x03\x05abc"
BAD_TEXT = b"\x92\xa2\xff\xfe\x01"


@pytest.fixture(autouse=True)
async def unharmed(prey: Prey) -> AsyncIterator[None]:
    """Every test here is an attack, and has to leave no trace."""
    before = prey.look()
    yield
    await prey.check(before)


async def answer_to(port: int, raw: bytes) -> list[tuple[Any, ...]]:
    """Send bytes and nothing more; return all that is said until the node closes."""
    async with wire(port) as connection:
        connection.write(raw)
        connection.write_end()
        return await connection.until_closed()


def is_refusal(said: list[tuple[Any, ...]]) -> bool:
    """Whether the node said nothing, or no more than why it closes."""
    return not said or (len(said) == 1 and said[0][:2] == (protocol.MAGIC, 0))


async def test_a_greeting_cut_at_any_byte_welcomes_nobody(prey: Prey) -> None:
    for cut in range(len(HELLO)):
        assert await answer_to(prey.victim.client_port, HELLO[:cut]) == []


async def test_a_greeting_with_any_byte_changed_welcomes_nobody(prey: Prey) -> None:
    for position in range(len(HELLO)):
        damaged = bytearray(HELLO)
        damaged[position] ^= 0x21
        assert is_refusal(await answer_to(prey.victim.client_port, bytes(damaged)))


async def test_noise_welcomes_nobody(prey: Prey) -> None:
    rng = random.Random(7)
    for size in (1, 7, 8, 9, 100, 4_096, 100_000):
        for _ in range(5):
            assert is_refusal(await answer_to(prey.victim.client_port, rng.randbytes(size)))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (struct.pack(">II", 0, 0), "frame length 0"),
        (struct.pack(">II", 4_097, 0), "frame length 4097"),
        (struct.pack(">II", 1 << 31, 0), "frame length 2147483648"),
        (struct.pack(">II", (1 << 32) - 1, 0), "frame length 4294967295"),
        (HELLO[:-1] + b"\x02", "fails its checksum"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "not a paxoskv peer"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), "not a paxoskv peer"),
        (b"*1\r\n$4\r\nPING\r\n", "not a paxoskv peer"),
        (frame(b"\xc0"), "non-empty array"),
        (frame(b"\x90"), "non-empty array"),
        (frame(b"\x81\xa1a\x01"), "non-empty array"),
        (frame(b"\xc1"), "not a msgpack array"),
        (frame(BOMB), "not a msgpack array"),
        (frame(GREEDY), "not a msgpack array"),
        (frame(EXTENSION), "not a msgpack array"),
        (frame(BAD_TEXT), "not a msgpack array"),
        (frame(protocol.encode("redis", 1)), "a client begins with 'paxoskv'"),
        (frame(protocol.encode(protocol.MAGIC)), "a client begins with 'paxoskv'"),
        (frame(protocol.encode(protocol.MAGIC, 2)), "client speaks protocol 2, this node 1"),
        (frame(protocol.encode(protocol.MAGIC, "1")), "client speaks protocol '1', this node 1"),
        (frame(protocol.encode("paxoskv-peer", 1, "c", 2, "life", "h:1", 1, [], 1)), "this is the port for clients"),
    ],
    ids=str,
)
async def test_what_is_no_greeting_is_told_why(prey: Prey, raw: bytes, reason: str) -> None:
    async with wire(prey.victim.client_port) as connection:
        connection.write(raw)
        ((magic, zero, told),) = await connection.until_closed()
    assert (magic, zero) == (protocol.MAGIC, 0)
    assert reason in told


def put(key: bytes, value: bytes = b"v", session: int = 1, seq: int = 1, acked: int = 0) -> bytes:
    """A put as clients encode it."""
    return commands.put(session, seq, acked, key, value)


W, G, R, S = protocol.WRITE, protocol.GET, protocol.RANGE, protocol.STATUS
WATCH = protocol.WATCH
LIN, STALE = protocol.LINEARIZABLE, protocol.STALE


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ((W,), "a request is"),
        ((W, 0, b""), "a request is"),
        ((W, -1, b""), "expected a number"),
        ((W, 1 << 63, b""), "expected a number"),
        ((W, (1 << 64) - 1, b""), "expected a number"),
        ((W, "1", b""), "expected a number"),
        ((W, None, b""), "expected a number"),
        ((W, 1), "a write has 3 items"),
        ((W, 1, b"", b""), "a write has 3 items"),
        ((W, 1, "text"), "expected bytes"),
        ((W, 1, [b"put"]), "expected bytes"),
        ((G, 1, LIN), "a request of kind 2 has 4 to 6 items"),
        ((G, 1, LIN, "text"), "expected bytes"),
        ((G, 1, LIN, None), "expected bytes"),
        ((R, 1, LIN, b"", b"", 1), "a request of kind 3 has 7 to 13 items"),
        ((R, 1, LIN, "a", b"", 1, 0), "expected bytes"),
        ((R, 1, LIN, b"", b"", -1, 0), "expected a number"),
        ((R, 1, LIN, b"", b"", 1 << 63, 0), "expected a number"),
        ((R, 1, LIN, b"", b"", 1.5, 0), "expected a number"),
        ((R, 1, LIN, b"", b"", 1, "yes"), "expected a number"),
        ((WATCH, 1, b"", b"", 0), "expected an array of 6"),
        ((WATCH, 1, b"", b"", -1, 0), "expected a number"),
        ((WATCH, 1, None, b"", 0, 0), "expected bytes"),
        ((protocol.CANCEL, 1, "1"), "expected a number"),
        ((protocol.SYNC, 1), "a sync has 3 or 4 items"),
        ((protocol.LEASE, 1, LIN), "a request of kind 5 has 4 to 7 items"),
        ((protocol.LEASES, 1, LIN, "", 0), "expected a number"),
    ],
    ids=str,
)
async def test_a_request_of_the_wrong_shape_costs_the_connection(
    prey: Prey, items: tuple[Any, ...], reason: str
) -> None:
    async with plain_client(prey.victim.client_port) as client:
        client.send(*items)
        (goodbye,) = [said for said in await client.until_closed() if said[:2] != (0, protocol.LEADER)]
    assert goodbye[:2] == (0, protocol.GOODBYE)
    assert reason in goodbye[2]


@pytest.mark.parametrize(
    "raw",
    [
        frame(b"\xc0"),
        frame(b"\x90"),
        frame(b"\x81\xa1a\x01"),
        frame(BOMB),
        frame(GREEDY),
        frame(EXTENSION),
        frame(BAD_TEXT),
        struct.pack(">II", 0, 0),
        struct.pack(">II", CLIENT_FRAME_BYTES_MAX + 1, 0),
        struct.pack(">II", (1 << 32) - 1, 0),
        frame(b"x" * 100)[:-1] + b"y",
        frame(protocol.encode(*range(100))),
    ],
    ids=["nil", "empty", "map", "bomb", "greedy", "ext", "utf8", "0", "2 MiB + 1", "4 GiB", "crc", "100 items"],
)
async def test_bytes_that_are_no_request_cost_the_connection(prey: Prey, raw: bytes) -> None:
    async with plain_client(prey.victim.client_port) as client:
        client.write(raw)
        said = [items for items in await client.until_closed() if items[:2] != (0, protocol.LEADER)]
    assert [items[:2] for items in said] == [(0, protocol.GOODBYE)]


@pytest.mark.parametrize(
    ("items", "status"),
    [
        ((99, b""), protocol.BAD_REQUEST),
        ((-1,), protocol.BAD_REQUEST),
        (("PUT", b"k", b"v"), protocol.BAD_REQUEST),
        ((None,), protocol.BAD_REQUEST),
        ((True, b""), protocol.BAD_REQUEST),
        ((float("nan"),), protocol.BAD_REQUEST),
        ((W, b""), protocol.BAD_REQUEST),
        ((W, b"\xff" * 10), protocol.BAD_REQUEST),
        ((W, BOMB), protocol.BAD_REQUEST),
        ((W, GREEDY), protocol.BAD_REQUEST),
        ((W, EXTENSION), protocol.BAD_REQUEST),
        ((W, BAD_TEXT), protocol.BAD_REQUEST),
        ((W, msgpack.packb([99, 1, 1, 0])), protocol.BAD_REQUEST),
        ((W, msgpack.packb([1, 1, 1, 0, b"k"])), protocol.BAD_REQUEST),
        ((W, msgpack.packb([1, 1, 1, 0, "k", b"v", 0])), protocol.BAD_REQUEST),
        ((W, msgpack.packb([1, 1, 1, 0, b"k", None, 0])), protocol.BAD_REQUEST),
        ((W, msgpack.packb([1, 1, 1, 0, b"k", b"v", -7])), protocol.BAD_REQUEST),
        ((W, msgpack.packb([3, 1, 1, 0, b"k", b"v", 9, None])), protocol.BAD_REQUEST),
        ((W, put(b"")), protocol.BAD_REQUEST),
        ((W, put(b"k", session=0)), protocol.BAD_REQUEST),
        ((W, put(b"k", session=1 << 63)), protocol.BAD_REQUEST),
        ((W, put(b"k", seq=0)), protocol.BAD_REQUEST),
        ((W, put(b"k", seq=5, acked=5)), protocol.BAD_REQUEST),
        ((W, put(b"k" * 5_120)), protocol.TOO_LARGE),
        ((W, put(b"k", b"v" * ((1 << 20) + 1))), protocol.TOO_LARGE),
        ((W, put(b"k", b"v" * (2 << 20))[: CLIENT_FRAME_BYTES_MAX - 100]), protocol.BAD_REQUEST),
        ((G, LIN, b""), protocol.BAD_REQUEST),
        ((G, STALE, b"k" * 5_120), protocol.TOO_LARGE),
        ((G, 7, b"k"), protocol.BAD_REQUEST),
        ((G, "linearizable", b"k"), protocol.BAD_REQUEST),
        ((G, None, b"k"), protocol.BAD_REQUEST),
        ((R, 7, b"", b"", 1, 0), protocol.BAD_REQUEST),
        ((R, LIN, b"k" * 5_120, b"", 1, 0), protocol.TOO_LARGE),
        ((R, LIN, b"", b"k" * 5_120, 1, 0), protocol.TOO_LARGE),
        ((R, LIN, b"z", b"a", 1, 0), protocol.OK),
        ((R, LIN, b"", b"", (1 << 63) - 1, 7), protocol.OK),
        ((R, LIN, b"", b"", 1, 8), protocol.BAD_REQUEST),
        ((S, "more", "fields"), protocol.OK),
    ],
    ids=lambda value: f"{value!r:.60}",
)
async def test_a_wrong_request_gets_its_answer_and_the_connection_goes_on(
    prey: Prey, items: tuple[Any, ...], status: int
) -> None:
    async with plain_client(prey.victim.client_port) as client:
        kind, *fields = items
        told, *rest = await client.request(kind, *fields)
        assert told == status, rest
        if status != protocol.OK:
            message, retry_after_ms = rest
            assert message
            assert retry_after_ms == 0, "to try again does not help"
        assert (await client.request(protocol.STATUS))[0] == protocol.OK


async def test_a_session_that_nobody_opened_executes_nothing(prey: Prey) -> None:
    async with plain_client((await prey.cluster.leader()).client_port) as client:
        for session in (77, (1 << 63) - 1):
            status, _, reply = await client.request(W, put(b"nobody", session=session))
            assert (status, reply[0]) == (protocol.OK, 2), "session expired"
        assert (await client.request(G, LIN, b"nobody"))[4] is None


async def test_a_number_used_twice_at_the_same_time_confuses_only_its_owner(prey: Prey) -> None:
    async with plain_client(prey.victim.client_port) as client, plain_client(prey.victim.client_port) as other:
        for _ in range(3):
            client.send(G, 5, LIN, b"k")
        assert [(await client.answer(5))[0] for _ in range(3)] == [protocol.OK] * 3
        assert (await other.request(G, LIN, b"k"))[0] == protocol.OK


async def test_the_largest_value_is_written_and_read(prey: Prey) -> None:
    """The limit itself is within the limits, on every way: client, log, peer (P32)."""
    async with prey.cluster.connect() as kv:
        key, value = b"k" * 4_096, b"v" * (1 << 20)
        await kv.put(key, value)
        assert (await kv.get(key)).value == value
        await kv.delete(key)


async def test_slow_greetings_end_in_time_and_disturb_nobody(prey: Prey) -> None:
    """H5: a hundred connections to each port that drip a byte now and then."""
    ports = [prey.victim.client_port, prey.victim.peer_port] * 50
    connections = [await Wire.dial(port) for port in ports]
    dripping = asyncio.create_task(_drip(connections))
    async with prey.cluster.connect() as kv:
        for number in range(50):
            await kv.put(b"meanwhile", b"%d" % number)
    ends = await asyncio.gather(*(connection.until_closed() for connection in connections))
    dripping.cancel()
    reasons = {said[0][2] for said in ends if said}  # a reset may overtake the reason
    assert reasons <= {"no hello within 5 s", "more than 32 connections wait for their welcome"}
    for connection in connections:
        await connection.close()


async def _drip(connections: list[Wire]) -> None:
    for byte in b"\x00\x00\x0f\xa0" + bytes(100):
        for connection in connections:
            connection.write(bytes([byte]))
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("mode", [LIN, STALE], ids=["linearizable", "stale"])
async def test_a_client_that_asks_for_everything_and_reads_nothing(prey: Prey, mode: int) -> None:
    """H5: it gets no more memory and no more time than a few pages take, and everybody else is served."""
    async with prey.cluster.connect() as kv:
        await asyncio.gather(*(kv.put(b"large/%d" % number, b"x" * 50_000) for number in range(30)))
        leader = await prey.cluster.leader()
        rss_bytes = leader.rss_bytes
        async with plain_client(leader.client_port) as hog:
            hog.pause_reading()
            for _ in range(1_000):
                hog.ask(R, mode, b"", b"", 0, 0)
            for number in range(100):
                await kv.put(b"meanwhile", b"%d" % number)
            assert leader.rss_bytes - rss_bytes < 32 << 20


async def test_many_clients_that_come_and_go(prey: Prey) -> None:
    clients = [await PlainClient.dial(prey.victim.client_port) for _ in range(300)]
    for client in clients[::2]:
        await client.hello()
    for client in clients:
        await client.close()


async def test_connections_beyond_the_limit(tmp_path: Path, ports: PortLease) -> None:
    """H7: turned away in words; those inside are served, and a place that becomes free is taken."""
    async with Cluster(tmp_path, ports, count=1, flags=["--connections-max", "10"]) as cluster:
        node = cluster[1]
        inside = [await PlainClient.dial(node.client_port) for _ in range(10)]
        for client in inside:
            await client.hello()
        for _ in range(20):
            async with wire(node.client_port) as surplus:
                ((magic, zero, reason),) = await surplus.until_closed()
                assert (magic, zero, "at most 10 connections" in reason) == (protocol.MAGIC, 0, True)
        assert (await inside[0].request(S))[0] == protocol.OK
        for client in inside:
            await client.close()
        async with cluster.connect() as kv:
            await kv.put("k", "v")


async def test_clients_that_do_not_fit_below_the_limit_of_open_files(tmp_path: Path, ports: PortLease) -> None:
    """The node keeps enough of them for itself and its peers, whatever --connections-max says."""
    cluster = Cluster(tmp_path, ports, count=1)
    node = cluster[1]
    node.through = ["sh", "-c", 'ulimit -n 120 && exec "$@"', "sh"]
    node.start("--bootstrap")
    try:
        await cluster.leader()
        assert "fewer clients than configured fit" in node.said()
        crowd = [await Wire.dial(node.client_port) for _ in range(60)]
        ((magic, zero, reason),) = await crowd[-1].until_closed()
        assert (magic, zero, "serves at most 24 connections" in reason) == (protocol.MAGIC, 0, True)
        for connection in crowd:
            await connection.close()
    finally:
        cluster.clean_up()


async def test_a_node_without_free_file_descriptors_serves_those_it_has(tmp_path: Path, ports: PortLease) -> None:
    """R24: whoever is connected goes on, and when others leave, new ones are taken again."""
    cluster = Cluster(tmp_path, ports, count=1)
    node = cluster[1]
    node.through = ["sh", "-c", 'ulimit -n 60 && exec "$@"', "sh"]
    node.start("--bootstrap")
    try:
        await cluster.leader()
        async with plain_client(node.client_port) as inside:
            crowd = [await Wire.dial(node.client_port) for _ in range(100)]
            session = (await inside.request(W, commands.open_session()))[2][3]
            assert (await inside.request(W, put(b"k", session=session)))[0] == protocol.OK
            for connection in crowd:
                await connection.close()
            async with cluster.connect() as kv:
                assert (await kv.get("k")).value == b"v"
        assert await node.stop() == 0
    finally:
        cluster.clean_up()
