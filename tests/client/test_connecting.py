"""The first connection: wrong ports, absent nodes, and what the user is told."""

from __future__ import annotations

import asyncio
import socket

import pytest

import paxoskv.client as client
from paxoskv.errors import ProtocolMismatch, Unavailable
from paxoskv.net import protocol
from paxoskv.net.frames import frame
from tests.client.fake import FakeNode, hold, refuse
from tests.support import PortLease, eventually

pytestmark = pytest.mark.usefixtures("each_client")

WRONG_PORTS = {
    "http": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "redis": b"-ERR unknown command\r\n",
    "noise": bytes(range(256)),
    "damaged frame": frame(b"\x91\x01")[:-1] + b"\x02",
    "not msgpack": frame(b"\xc1"),
    "not an array": frame(b"\x01"),
    "another magic": frame(protocol.encode("paxoskv-peer", 0, "this port is for peers")),
    "another version": frame(protocol.encode(protocol.MAGIC, 2, "c1", 1, 1, "127.0.0.1:7301")),
    "short welcome": frame(protocol.encode(protocol.MAGIC, protocol.PROTOCOL, "c1")),
    "wrong types": frame(protocol.encode(protocol.MAGIC, protocol.PROTOCOL, b"c1", "1", 1, "127.0.0.1:7301")),
    "wrong leader": frame(protocol.encode(protocol.MAGIC, protocol.PROTOCOL, "c1", 1, 1, "nowhere")),
}


@pytest.mark.parametrize("greeting", WRONG_PORTS.values(), ids=WRONG_PORTS.keys())
async def test_wrong_port_is_told_at_once(node: FakeNode, greeting: bytes) -> None:
    node.greeting = greeting
    with pytest.raises(ProtocolMismatch, match="check the port") as told:
        async with client.connect(node.endpoint, timeout_s=30):
            pytest.fail("nobody to talk to")
    assert node.endpoint in str(told.value)


async def test_one_wrong_port_among_good_ones_is_passed_over(trio: list[FakeNode]) -> None:
    trio[1].greeting = WRONG_PORTS["http"]
    async with client.connect([trio[1].endpoint, trio[0].endpoint]) as kv:
        await kv.put("k", "v")


async def test_refusal_is_told_with_its_reason(node: FakeNode) -> None:
    node.greeting = frame(protocol.encode(protocol.MAGIC, 0, "this node serves at most 4 connections"))
    with pytest.raises(Unavailable, match="refused: this node serves at most 4 connections"):
        async with client.connect(node.endpoint, timeout_s=0.2):
            pytest.fail("nobody to talk to")
    assert node.accepted > 1, "a refusal may pass, so it is worth another try"


async def test_nobody_listening_is_told_after_the_timeout(ports: PortLease) -> None:
    where = ",".join(f"127.0.0.1:{port}" for port in ports.take(2))
    with pytest.raises(Unavailable, match=r"no node answered within 0.2 s.*refused.*refused"):
        async with client.connect(where, timeout_s=0.2):
            pytest.fail("nobody to talk to")


async def test_silent_listener_is_told_after_the_timeout(node: FakeNode) -> None:
    node.greeting = b""
    with pytest.raises(Unavailable, match="no welcome within"):
        async with client.connect(node.endpoint, timeout_s=0.3):
            pytest.fail("nobody to talk to")


async def test_full_accept_queue_counts_as_silence() -> None:
    """The kernel completes the connection for a process that never accepts it (SIGSTOP)."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with pytest.raises(Unavailable):
            async with client.connect(f"127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.3):
                pytest.fail("nobody to talk to")


async def test_silent_first_node_does_not_use_up_the_timeout(trio: list[FakeNode]) -> None:
    trio[1].greeting = b""
    async with client.connect([trio[1].endpoint, trio[0].endpoint], timeout_s=1.0) as kv:
        await kv.get("k")


async def test_unresolvable_host_is_unavailable() -> None:
    for host in ("no-such-host.invalid", "a..b"):
        with pytest.raises(Unavailable, match=host.replace(".", r"\.")):
            async with client.connect(f"{host}:7301", timeout_s=0.3):
                pytest.fail("nobody to talk to")


@pytest.mark.asyncio_client
async def test_cancelled_entering_leaves_nothing_behind(node: FakeNode) -> None:
    node.greeting = b""
    entering = asyncio.create_task(client.connect(node.endpoint).__aenter__())
    await eventually(lambda: node.connections)
    entering.cancel()
    await asyncio.wait([entering])
    assert entering.cancelled()
    await eventually(lambda: not node.connections)


async def test_status_of_a_named_node_needs_no_client(node: FakeNode) -> None:
    assert (await client.node_status(node.endpoint))["role"] == "leader"
    await eventually(lambda: not node.connections, what="its connection is closed")


async def test_status_of_a_node_that_cannot_answer_is_unavailable(node: FakeNode, ports: PortLease) -> None:
    with pytest.raises(Unavailable, match="refused"):
        await client.node_status(f"127.0.0.1:{ports.take(1)[0]}")
    node.plan["status"] += [hold, refuse(protocol.UNAVAILABLE)]
    with pytest.raises(Unavailable, match="no answer within"):
        await client.node_status(node.endpoint, timeout_s=0.1)
    with pytest.raises(Unavailable, match="scripted refusal"):
        await client.node_status(node.endpoint)
    node.greeting = WRONG_PORTS["http"]
    with pytest.raises(ProtocolMismatch):
        await client.node_status(node.endpoint)
