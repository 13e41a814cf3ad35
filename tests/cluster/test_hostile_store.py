"""What strangers do to transactions, ranges, watches and leases of a real node: bounded, answered, and nothing is lost.

Ids H3, H5, H16, H17. After every attack the cluster writes, reads, agrees, and has not grown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

import paxoskv
from paxoskv import ops
from paxoskv.kv import commands, operations, requests
from paxoskv.net import protocol
from tests.cluster.kit import Cluster
from tests.cluster.prey import Prey
from tests.cluster.wire import plain_client
from tests.support import PortLease, eventually

PATIENCE_S = 60.0
SHORT_S = 0.5
"""The shortest lease there may be."""

BOMB = b"\x93\x90\x91\x94\x06\x90" * 10_000
"""A transaction in a transaction in a transaction, never closed."""


@pytest.fixture(autouse=True)
async def unharmed(prey: Prey) -> AsyncIterator[None]:
    """Every test here is an attack, and has to leave no trace."""
    before = prey.look()
    yield
    await prey.check(before)


def txn(body: bytes) -> bytes:
    """A transaction with this body, of whatever session."""
    packed: bytes = msgpack.packb((operations.TXN, 1, 1, 0, body))
    return packed


def nested(depth: int) -> operations.Operation:
    """Transactions within one another."""
    inner = operations.put(b"k", b"v")
    for _ in range(depth):
        inner = operations.txn([], [inner])
    return inner


def write(operation: operations.Operation) -> bytes:
    return requests.write(1, 1, 0, operation)


MANY_PUTS = [operations.put(b"%d" % number, b"v") for number in range(129)]
MANY_COMPARES = [operations.compare(operations.VERSION, operations.EQUAL, b"k", 0)] * 129


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (txn(BOMB), protocol.BAD_REQUEST),
        (txn(b"\x91" * 100_000), protocol.BAD_REQUEST),
        (txn(b"\xdd\xff\xff\xff\xff" * 1_000), protocol.BAD_REQUEST),
        (txn(b"\xdf\xff\xff\xff\xff"), protocol.BAD_REQUEST),
        (write(nested(5)), protocol.TOO_LARGE),
        (write(nested(100)), protocol.BAD_REQUEST),
        (write(operations.txn([], MANY_PUTS)), protocol.TOO_LARGE),
        (write(operations.txn([], MANY_PUTS[:65], MANY_PUTS[65:])), protocol.TOO_LARGE),
        (write(operations.txn(MANY_COMPARES, [])), protocol.TOO_LARGE),
        (write(operations.txn([], [operations.put(b"k" * 5_000, b"")])), protocol.TOO_LARGE),
        (write(operations.txn([], [operations.append(b"k", b"v" * ((1 << 20) + 1))])), protocol.TOO_LARGE),
        (requests.keep_alive(range(1, 1_026)), protocol.BAD_REQUEST),
        (requests.keep_alive([1 << 63]), protocol.BAD_REQUEST),
        (requests.grant(1, 1, 0, 1), protocol.BAD_REQUEST),
        (requests.grant(1, 1, 0, 1 << 62), protocol.BAD_REQUEST),
        (requests.extend(), protocol.BAD_REQUEST),
    ],
    ids=lambda part: f"{part[:24].hex()}x{len(part)}" if isinstance(part, bytes) else str(part),
)
async def test_a_command_beyond_all_bounds_is_answered_and_ordered_nowhere(
    prey: Prey, command: bytes, status: int
) -> None:
    """H3: before it takes a slot, and the connection goes on."""
    leader = await prey.cluster.leader()
    async with plain_client(leader.client_port) as client:
        told, message, *_ = await client.request(protocol.WRITE, command)
        assert (told, bool(message)) == (status, True), message
        assert (await client.request(protocol.STATUS))[0] == protocol.OK


async def test_a_write_that_would_read_everything_is_refused_whole(prey: Prey) -> None:
    """Nothing of it is done, and the reply that every node would have to keep does not exist (H16)."""
    async with prey.cluster.connect(PATIENCE_S) as kv:
        await asyncio.gather(*(kv.put(b"large/%d" % number, b"x" * 500_000) for number in range(8)))
        with pytest.raises(paxoskv.TooLarge):
            await kv.delete_range("large/", previous=True)
        with pytest.raises(paxoskv.TooLarge):
            await kv.txn(then=[ops.put("large/done", ""), *[ops.get(b"large/%d" % number) for number in range(8)]])
        assert (await kv.count("large/")).keys == 8
        assert (await kv.delete_range("large/")).deleted == 8


async def test_a_flood_of_watches_ends_at_the_limit(prey: Prey) -> None:
    """H17: of one connection; writes go on beside them, and nothing is left when it is gone."""
    async with prey.cluster.connect(PATIENCE_S) as kv:
        node = prey.victim
        async with plain_client(node.client_port) as hog:
            watches = [hog.ask(protocol.WATCH, b"%d" % number, b"%d\0" % number, 0, 0) for number in range(10_001)]
            told = [(await hog.answer(watch))[0] for watch in watches]
            assert told == [protocol.OK] * 10_000 + [protocol.TOO_MANY_WATCHES]
            for number in range(50):
                await kv.put(b"meanwhile", b"%d" % number)
            assert (await hog.request(protocol.CANCEL, watches[0]))[:2] == (protocol.OK, 1)
            assert (await hog.answer(hog.ask(protocol.WATCH, b"", b"", 0, 0)))[0] == protocol.OK
        await eventually(lambda: _watches(node.endpoint, 0), PATIENCE_S)


async def _watches(endpoint: str, count: int) -> bool:
    return bool((await paxoskv.node_status(endpoint))["watches"] == count)


async def test_watchers_that_never_read_cost_no_memory_and_no_writes(prey: Prey) -> None:
    """H5, P33: 200 of them, while 40 MB are written that all of them want to hear of."""
    async with prey.cluster.connect(PATIENCE_S) as kv:
        leader = await prey.cluster.leader()
        rss_bytes = leader.rss_bytes
        async with plain_client(leader.client_port) as hog, plain_client(leader.client_port) as reader:
            for client, count in ((hog, 200), (reader, 1)):
                for watch in [client.ask(protocol.WATCH, b"flood", b"", 0, 0) for _ in range(count)]:
                    assert (await client.answer(watch))[0] == protocol.OK
            hog.pause_reading()
            for number in range(40):
                await asyncio.gather(*(kv.put(b"flood/%d" % key, b"%d" % number * 50_000) for key in range(10)))
            assert leader.rss_bytes - rss_bytes < 64 << 20
            last = (await kv.put("flood/end", "")).revision
            while True:
                told = await reader.receive()
                assert told is not None
                if told[:2] == (0, protocol.EVENTS) and told[2] >= last:
                    break
        await kv.delete_range("flood")


async def test_more_tiny_leases_than_there_may_be(tmp_path: Path, ports: PortLease) -> None:
    """The one too many is refused by name; they end by themselves, all of them, and then there is room again."""
    cluster = Cluster(tmp_path, ports, count=1, flags=["--leases-max", "2000"])
    async with cluster, cluster.connect(PATIENCE_S) as kv:
        for _ in range(20):
            await asyncio.gather(*(kv.grant(30) for _ in range(100)))
        with pytest.raises(paxoskv.TooManyLeases):
            await kv.grant(SHORT_S)
        leases = [lease.lease async for lease in kv.leases()]
        await asyncio.gather(*(kv.revoke(lease) for lease in leases))
        for lease in await asyncio.gather(*(kv.grant(SHORT_S) for _ in range(2_000))):
            assert lease.ttl_s == SHORT_S
        await eventually(lambda: _has_no_leases(kv), PATIENCE_S)
        await kv.grant(SHORT_S)


async def _has_no_leases(kv: paxoskv.Client) -> bool:
    return not [lease async for lease in kv.leases()]


async def test_a_session_that_asks_for_large_replies_is_stopped(prey: Prey) -> None:
    """H16: what it does not acknowledge the state has to keep, so much and no more."""
    leader = await prey.cluster.leader()
    async with plain_client(leader.client_port) as client:
        session = (await client.request(protocol.WRITE, commands.open_session()))[2][3]
        put = operations.put_with(b"greedy", b"x" * 100_000, 0, operations.PREVIOUS)
        statuses: list[Any] = []
        for seq in range(1, 200):
            status, _, reply, *_ = await client.request(protocol.WRITE, requests.write(session, seq, 0, put))
            statuses.append((status, reply[0]))
        assert statuses[0] == (protocol.OK, 0)
        assert statuses[-1][1] != 0, "no bound was met"
        sweep = requests.write(session, 200, 199, operations.delete(b"greedy"))
        assert (await client.request(protocol.WRITE, sweep))[2][0] == 0, "what is acknowledged makes room"
