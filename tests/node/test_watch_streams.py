"""Watches on real sockets: frames, a client that stops reading, and what ends with a connection (P29, P33, H5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from paxoskv.kv import commands, operations, requests
from paxoskv.net import protocol
from paxoskv.node.clients import PAUSE_BYTES
from tests.cluster.wire import PlainClient, plain_client
from tests.node.test_clients import Port
from tests.support import eventually

VALUE = b"v" * 100_000


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    """An open port."""
    port = Port()
    server = await port.listen()
    yield port
    server.close()
    port.clients.close("the test is over")
    await eventually(lambda: not len(port.clients))


async def put(client: PlainClient, keys: range, value: bytes = VALUE) -> None:
    """Put keys, in a session of their own."""
    session = (await client.request(protocol.WRITE, commands.open_session()))[2][3]
    for seq, key in enumerate(keys, 1):
        assert (await client.request(protocol.WRITE, commands.put(session, seq, seq - 1, b"k%d" % key, value)))[0] == 0


async def events(client: PlainClient, watch: int, last: int) -> list[tuple[Any, ...]]:
    """Return the changes that a watch is told, up to the revision `last`."""
    changes: list[tuple[Any, ...]] = []
    while True:
        kind, *rest = await client.answer(watch)
        assert kind == protocol.EVENTS, (kind, rest)
        changes += rest[1]
        if rest[0] >= last:
            return changes


async def test_a_client_that_stops_reading_is_told_the_rest_when_it_reads_again(port: Port) -> None:
    """It costs the node its place in the history, and a transport that is full."""
    async with plain_client(port.number) as slow, plain_client(port.number) as quick:
        watch = slow.ask(protocol.WATCH, b"", b"", 0, 0)
        assert (await slow.answer(watch))[0] == protocol.OK
        slow.pause_reading()
        await put(quick, range(200))
        assert port.service.watches.behind == 1
        waiting = [stream._transport.get_write_buffer_size() for stream in port.clients._streams if stream._transport]
        assert max(waiting) < PAUSE_BYTES + 10 * len(VALUE), "what it does not read is not kept for it"
        slow.resume_reading()
        told = await events(slow, watch, 200)
        assert [(revision, key) for revision, ((key, _, _),) in told] == [(n + 1, b"k%d" % n) for n in range(200)]
        await eventually(lambda: not port.service.watches.behind)
        await put(quick, range(200, 201))
        assert [revision for revision, _ in await events(slow, watch, 201)] == [201]


async def test_an_event_may_hold_the_largest_values_twice(port: Port) -> None:
    largest = b"x" * (1 << 17)
    async with plain_client(port.number) as client:
        await put(client, range(1), largest)
        watch = client.ask(protocol.WATCH, b"", b"", 0, protocol.PREVIOUS)
        assert (await client.answer(watch))[0] == protocol.OK
        async with plain_client(port.number) as other:
            await put(other, range(1), largest[::-1])
        ((revision, ((key, record, previous),)),) = await events(client, watch, 2)
        assert (revision, key, record[0], previous[0]) == (2, b"k0", largest[::-1], largest)


async def test_watches_end_with_their_connection(port: Port) -> None:
    client = await PlainClient.dial(port.number)
    await client.hello()
    for _ in range(5):
        assert (await client.request(protocol.WATCH, b"", b"", 0, 0))[0] == protocol.OK
    assert len(port.service.watches) == 5
    await client.close()
    await eventually(lambda: not len(port.service.watches))


async def test_a_node_that_stops_says_goodbye_after_what_it_has_told(port: Port) -> None:
    async with plain_client(port.number) as client, plain_client(port.number) as other:
        watch = client.ask(protocol.WATCH, b"", b"", 0, 0)
        assert (await client.answer(watch))[0] == protocol.OK
        await put(other, range(3), b"v")
        port.clients.close("going down")
        said = await client.until_closed()
        assert said[-1] == (0, protocol.GOODBYE, "going down")
        assert [revision for _, _, _, changes, _ in said[:-1] for revision, _ in changes] == [1, 2, 3]


async def test_a_flood_of_watches_is_refused_and_hurts_nobody_else(port: Port) -> None:
    """H16."""
    async with plain_client(port.number) as hostile, plain_client(port.number) as other:
        numbers = [hostile.ask(protocol.WATCH, b"", b"", 0, 0) for _ in range(1_000)]
        statuses = [(await hostile.answer(number))[0] for number in numbers]
        assert statuses == [protocol.OK] * 100 + [protocol.TOO_MANY_WATCHES] * 900
        await put(other, range(1), b"v")
        assert (await other.request(protocol.WATCH, b"", b"", 0, 0))[0] == protocol.OK


async def test_a_malformed_watch_costs_its_connection_and_all_its_watches(port: Port) -> None:
    async with plain_client(port.number) as hostile:
        assert (await hostile.request(protocol.WATCH, b"", b"", 0, 0))[0] == protocol.OK
        hostile.ask(protocol.WATCH, b"", b"", "now", 0)
        ((number, kind, reason),) = await hostile.until_closed()
        assert (number, kind) == (0, protocol.GOODBYE)
        assert "expected a number" in reason
    await eventually(lambda: not len(port.service.watches))


async def test_every_write_command_passes_through_the_port(port: Port) -> None:
    """What the state machine can do, a client can ask for."""
    async with plain_client(port.number) as client:
        session = (await client.request(protocol.WRITE, commands.open_session()))[2][3]
        writes = [
            operations.incr(b"n", 5),
            operations.append(b"log", b"x"),
            operations.put_with(b"k", b"v"),
            operations.delete_range(b"k", b"l"),
            operations.txn([], [operations.put(b"a", b"1"), operations.get(b"n")]),
        ]
        for seq, operation in enumerate(writes, 1):
            status, _, reply = await client.request(protocol.WRITE, requests.write(session, seq, seq - 1, operation))
            assert (status, reply[0]) == (protocol.OK, 0)
        grant = await client.request(protocol.WRITE, requests.grant(session, 6, 5, 1_000))
        lease = grant[2][3]
        assert (await client.request(protocol.WRITE, requests.keep_alive([lease, 77])))[2][3] == (1_000, 0)
        assert (await client.request(protocol.WRITE, requests.revoke(session, 7, 6, lease)))[2][0] == 0
        assert (await client.request(protocol.WRITE, requests.compact(session, 8, 7, 3)))[2][0] == 0
        assert (await client.request(protocol.WRITE, requests.extend()))[0] == protocol.BAD_REQUEST
