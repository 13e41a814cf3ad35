"""An answer that comes twice, or to a request that waits for its next attempt, means nothing (P31)."""

from __future__ import annotations

import pytest

import paxoskv.client as client
from paxoskv.net import protocol
from paxoskv.net.frames import frame
from tests.client.fake import BALLOT, FakeConnection, FakeNode, Request, serve

pytestmark = pytest.mark.usefixtures("each_client")


def refuse_twice(connection: FakeConnection, request: Request) -> None:
    """Say twice that there is too much to do, in one write: what is written apart may arrive apart."""
    connection.transport.write(2 * frame(protocol.encode(request[1], protocol.OVERLOADED, "scripted refusal", 0)))


def serve_twice(connection: FakeConnection, request: Request) -> None:
    """Answer, and answer something else again."""
    serve(connection, request)
    connection.send(request[1], protocol.OK, BALLOT, (0, 99, 99))


async def test_a_refusal_that_comes_twice_is_one_refusal(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted twice, it would end two pauses, after each of which the request is sent again."""
    monkeypatch.setattr("paxoskv.client.channel.backoff_s", lambda retries, random: 0.0)
    async with client.connect(node.endpoint) as kv:
        node.plan["put"].append(refuse_twice)
        await kv.put("k", "v")
        assert len(node.received("put")) == 2, "what is written at once arrives together"
        await kv.put("k", "w")
        assert len(node.received("put")) == 3


async def test_an_answer_that_comes_twice_is_one_answer(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        node.plan["put"].append(serve_twice)
        first = await kv.put("a", "1")
        second = await kv.put("b", "2")
    assert (first.revision, second.revision) == (1, 2)
