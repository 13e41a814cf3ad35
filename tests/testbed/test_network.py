"""The process of the proxies: orders, answers, and that nothing outlives the owner of the cluster."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from paxoskv.net.frames import frame
from paxoskv.testbed.links.disturbance import CLIENTS, Disturbance
from paxoskv.testbed.links.network import Addresses, Network
from paxoskv.testbed.ports import LOOPBACK, Ports
from tests.support import can_bind, eventually


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    """Two nodes' proxies; behind each peer port somebody listens."""
    ports = Ports()
    addresses = {node: Addresses(ports.take(), ports.take()) for node in (1, 2)}
    servers = [await asyncio.start_server(swallow, LOOPBACK, addresses[node].peer) for node in (1, 2)]
    opened = await Network.open(addresses, ports, seed=1)
    yield opened
    await opened.close()
    for server in servers:
        server.close()
    ports.release()


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.read(1 << 16):
            pass
    except ConnectionResetError:
        pass
    writer.close()


async def send(network: Network, whence: int, whither: int) -> None:
    """One frame on one directed link."""
    _, writer = await asyncio.open_connection(LOOPBACK, network.port(whence, whither))
    writer.write(frame(b"x"))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_every_directed_link_has_a_port_and_counts_of_its_own(network: Network) -> None:
    ends: list[tuple[int | str, int]] = [(1, 2), (2, 1), (CLIENTS, 1), (CLIENTS, 2)]
    assert len({network.port(*end) for end in ends}) == len(ends)
    await send(network, 1, 2)

    async def is_counted() -> bool:
        counts = await network.counts()
        return counts["1>2"].get("frames") == 1 and counts["2>1"] == {}

    await eventually(is_counted)


async def test_orders_concern_the_named_directions_and_heal_all(network: Network) -> None:
    await network.disturb([(1, 2)], Disturbance(drop=1.0))
    await send(network, 1, 2)
    await send(network, 2, 1)

    async def are_counted() -> bool:
        counts = await network.counts()
        return counts["1>2"].get("dropped") == 1 and counts["2>1"].get("frames") == 1

    await eventually(are_counted)
    assert "dropped" not in (await network.counts())["2>1"]
    await network.heal()
    await send(network, 1, 2)
    await eventually(lambda: passed(network, "1>2", 2))
    assert (await network.counts())["1>2"]["dropped"] == 1


async def passed(network: Network, direction: str, frames: int) -> bool:
    return (await network.counts())[direction].get("frames") == frames


async def test_a_cancelled_order_does_not_shift_the_answers(network: Network) -> None:
    order = asyncio.create_task(network.disturb([(1, 2)], Disturbance(cut=True)))
    await asyncio.sleep(0)
    order.cancel()
    with pytest.raises(asyncio.CancelledError):
        await order
    assert set(await network.counts()) == {"1>2", "2>1", "c>1", "1>c", "c>2", "2>c"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs handles of processes (Linux)")
async def test_guarded_processes_die_with_the_owner(network: Network) -> None:
    """If the owner is killed nobody else would end its nodes."""
    orphan = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(600)")
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    await network.guard(ended.pid)
    await network.guard(orphan.pid)
    await network.close()
    async with asyncio.timeout(10):
        assert await orphan.wait() == -signal.SIGKILL


async def test_held_ports_are_nobody_elses_and_come_back() -> None:
    ports = Ports()
    port = ports.take()
    for _ in range(2):
        server = await asyncio.start_server(swallow, LOOPBACK, port)
        server.close()
        await server.wait_closed()
    ports.release()
    assert can_bind(port)
