"""An answer that comes twice, or to a request that waits for its next attempt, means nothing (P31)."""

from __future__ import annotations

import asyncio

import paxoskv.client as client
from paxoskv.net import protocol
from tests.client.fake import BALLOT, FakeConnection, FakeNode, Request, hold, serve
from tests.support import eventually


def refuse_twice(connection: FakeConnection, request: Request) -> None:
    """Say twice that there is too much to do."""
    for _ in range(2):
        connection.send(request[1], protocol.OVERLOADED, "scripted refusal", 0)


def serve_twice(connection: FakeConnection, request: Request) -> None:
    """Answer, and answer something else again."""
    serve(connection, request)
    connection.send(request[1], protocol.OK, BALLOT, (0, 99, 99))


async def test_a_refusal_that_comes_twice_is_one_refusal(node: FakeNode) -> None:
    """Counted twice, it would leave room for a request more in flight than may be."""
    async with client.connect(node.endpoint, max_in_flight=1) as kv:
        node.plan["put"].append(refuse_twice)
        await kv.put("k", "v")
        node.always["put"] = hold
        puts = [asyncio.create_task(kv.put(key, "v")) for key in ("a", "b", "c")]
        await eventually(lambda: node.held)
        assert len(node.held) == 1, "requests of one turn arrive together"
        node.always.clear()
        node.release()
        await asyncio.gather(*puts)


async def test_an_answer_that_comes_twice_is_one_answer(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        node.plan["put"].append(serve_twice)
        first = await kv.put("a", "1")
        second = await kv.put("b", "2")
    assert (first.revision, second.revision) == (1, 2)
