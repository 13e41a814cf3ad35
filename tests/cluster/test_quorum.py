"""Without a quorum: refused in time, never a lie, never a hang. With one: business as usual, whoever is missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path

import pytest

from paxoskv.errors import Unavailable
from paxoskv.kv import commands
from paxoskv.net import protocol
from tests.cluster.kit import Cluster, NodeProcess
from tests.cluster.wire import plain_client
from tests.cluster.workload import Workload, check
from tests.support import PortLease, eventually

TIMEOUT_S = 1.0
LATE_S = 30.0
"""How late a timeout may come on a machine that has other things to do."""


async def test_the_last_node_refuses_and_serves_again_when_another_returns(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        async with cluster.connect() as kv:
            await kv.put("k", "v")
        await cluster.agreement()
        last, *dead = cluster
        cluster.kill(*(node.number for node in dead))
        await _knows_no_leader(last)
        async with cluster.connect(TIMEOUT_S) as kv:
            await _ends_unavailable(kv.get("k"))
            await _ends_unavailable(kv.range(""))
            await _ends_unavailable(kv.put("x", "1"))
            await _ends_unavailable(kv.cas("k", "w", expect="v"))
            assert (await kv.get("k", consistency="stale")).value == b"v"
        dead[0].start()
        async with cluster.connect() as kv:
            assert (await kv.get("k")).value == b"v"
            assert (await kv.get("x")).entry is None
            await kv.put("x", "2")
        cluster.start()
        await cluster.agreement()


async def test_a_write_that_lost_its_quorum_is_unknown_and_a_retry_gets_the_first_reply(
    tmp_path: Path, ports: PortLease
) -> None:
    """The leader has voted for it, and nobody else has: it may still be chosen later (P25)."""
    async with Cluster(tmp_path, ports) as cluster:
        put = await eventually(lambda: _lose_the_quorum(cluster), 120, "a write that lost its quorum")
        first = await _retry(cluster[1].client_port, put)
        assert {await _retry(node.client_port, put) for node in cluster} == {first}
        async with cluster.connect() as kv:
            entry = (await kv.get("k")).entry
            assert entry is not None
            assert (entry.value, entry.version, entry.modified) == (b"v", 1, first[1])
        await cluster.agreement()


async def _lose_the_quorum(cluster: Cluster) -> bytes | None:
    """Write at the leader while the others are paused; return the command, None if it did not lead any more."""
    leader = await cluster.leader()
    others = [node for node in cluster if node is not leader]
    async with plain_client(leader.client_port) as client:
        status, *rest = await client.request(protocol.WRITE, commands.open_session())
        if status != protocol.OK:
            return None
        put = commands.put(rest[1][3], 1, 0, b"k", b"v")
        for node in others:
            node.pause()
        status, *rest = await client.request(protocol.WRITE, put)
        for node in others:
            node.resume()
    assert status in (protocol.OUTCOME_UNKNOWN, protocol.UNAVAILABLE), rest
    return put if status == protocol.OUTCOME_UNKNOWN else None


async def test_clients_under_a_lost_quorum_are_told_the_truth(tmp_path: Path, ports: PortLease) -> None:
    """What was called unavailable never happens, what was called unknown happens once or never."""
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            account = load.account
            await load.progress(200)
            followers = await cluster.followers()
            for node in followers:
                node.pause()
            await eventually(lambda: len(account.refused) >= 3, 120, "refusals")
            for node in followers:
                node.resume()
            await load.progress(200)
        await check(cluster, account)


async def test_five_nodes_bear_two_deaths_and_not_three(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports, count=5) as cluster:
        cluster.kill(1, 2)
        async with cluster.connect() as kv:
            await kv.put("k", "two")
        cluster.kill(3)
        await _knows_no_leader(cluster[4], cluster[5])
        async with cluster.connect(TIMEOUT_S) as kv:
            await _ends_unavailable(kv.put("k", "three"))
        cluster.start(1)
        async with cluster.connect() as kv:
            assert (await kv.get("k")).value == b"two"
        cluster.start()
        await cluster.agreement()


async def test_a_small_phase_2_quorum_writes_on_with_two_of_five(tmp_path: Path, ports: PortLease) -> None:
    """Flexible quorums: two votes choose, so four promises elect. What two chose, the next leader finds (P2c)."""
    async with Cluster(tmp_path, ports, count=5, flags=["--phase2-quorum", "2"]) as cluster:
        leader, *others = await cluster.leader(), *await cluster.followers()
        cluster.kill(*(node.number for node in others[:3]))
        async with cluster.connect() as kv:
            for number in range(20):
                await kv.put(f"k{number}", "v")
        leader.kill()
        await _knows_no_leader(others[3])
        async with cluster.connect(TIMEOUT_S) as kv:
            await _ends_unavailable(kv.get("k1"))
        for node in others[:3]:
            node.start()
        async with cluster.connect() as kv:
            assert len((await kv.range("k", keys_only=True)).entries) == 20
        cluster.start()
        await cluster.agreement()


async def _retry(client_port: int, command: bytes) -> tuple[int, ...]:
    """Send the very same write at a node until it has an outcome; return its reply."""
    async with plain_client(client_port) as client:
        while True:
            status, *rest = await client.request(protocol.WRITE, command)
            if status == protocol.OK:
                reply: tuple[int, ...] = rest[1]
                return reply
            assert status in (protocol.UNAVAILABLE, protocol.OUTCOME_UNKNOWN), rest
            await asyncio.sleep(rest[1] / 1000)


async def _knows_no_leader(*nodes: NodeProcess) -> None:
    for node in nodes:

        async def lost(node: NodeProcess = node) -> bool:
            return bool((await node.status())["leader"] == 0)

        await eventually(lost, 60, f"node {node.number} without a leader")


async def _ends_unavailable(call: Awaitable[object]) -> None:
    """The call fails near its timeout, and says that nothing was done."""
    began_s = time.monotonic()
    with pytest.raises(Unavailable):
        await call
    assert time.monotonic() - began_s < TIMEOUT_S + LATE_S
