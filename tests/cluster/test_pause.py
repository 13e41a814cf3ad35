"""SIGSTOP: a node that stands still and does not know it, with its clients still connected (R6, I4)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from paxoskv.kv import commands
from paxoskv.net import protocol
from tests.cluster.kit import Cluster
from tests.cluster.wire import PlainClient, plain_client
from tests.cluster.workload import Workload, check
from tests.support import PortLease

WARM = 200
READERS = 4


async def test_the_leader_is_paused_and_the_others_go_on(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
            leader = await cluster.leader()
            leader.pause()
            await cluster.leader(number for number in cluster.nodes if number != leader.number)
            await load.progress(WARM)
            leader.resume()
            await load.progress(WARM)
        await check(cluster, load.account)


async def test_short_pauses_of_whoever_leads(tmp_path: Path, ports: PortLease) -> None:
    """About as long as the election timeout: some leaders are deposed in their sleep, some wake up just in time."""
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            for pause_s in (0.1, 1.3, 1.5, 1.7):
                leader = await cluster.leader()
                leader.pause()
                await asyncio.sleep(pause_s)
                leader.resume()
                await load.progress(WARM)
        await check(cluster, load.account)


async def test_a_deposed_leader_that_wakes_up_serves_nothing_stale(tmp_path: Path, ports: PortLease) -> None:
    """Reads that arrived in its sleep are the first thing it finds, before any word of its successor (P23)."""
    async with Cluster(tmp_path, ports) as cluster, cluster.connect() as kv:
        await kv.put("k", "old")
        leader = await cluster.leader()
        clients = [await PlainClient.dial(leader.client_port) for _ in range(READERS)]
        for client in clients:
            await client.hello()
        assert [await _read(client) for client in clients] == [b"old"] * READERS
        leader.pause()
        asked = [(client, client.ask(protocol.GET, protocol.LINEARIZABLE, b"k")) for client in clients for _ in "123"]
        await cluster.leader(number for number in cluster.nodes if number != leader.number)
        async with cluster.connect() as other:
            await other.put("k", "new")
        leader.resume()
        for client, number in asked:
            status, *rest = await client.answer(number)
            assert status == protocol.UNAVAILABLE or rest[3][0] == b"new", rest
        assert [await _read(client) for client in clients] == [b"new"] * READERS
        for client in clients:
            await client.close()


async def test_writes_that_wait_at_a_sleeping_leader_happen_once_or_never(tmp_path: Path, ports: PortLease) -> None:
    """Its answers must agree with what is found later: done, or surely not, or unknown."""
    async with Cluster(tmp_path, ports) as cluster:
        leader = await cluster.leader()
        async with plain_client(leader.client_port) as client:
            session = (await client.request(protocol.WRITE, commands.open_session()))[2][3]
            leader.pause()
            keys = [b"k%d" % number for number in range(1, 21)]
            asked = [
                client.ask(protocol.WRITE, commands.put(session, seq, 0, key, b"v")) for seq, key in enumerate(keys, 1)
            ]
            await cluster.leader(number for number in cluster.nodes if number != leader.number)
            leader.resume()
            statuses = dict(zip(keys, [(await client.answer(number))[0] for number in asked], strict=True))
        await cluster.agreement()
        async with cluster.connect() as kv:
            for key, status in statuses.items():
                entry = (await kv.get(key)).entry
                assert status in (protocol.OK, protocol.UNAVAILABLE, protocol.OUTCOME_UNKNOWN)
                assert entry is None or entry.version == 1
                assert status != protocol.OK or entry is not None, f"{key!r} was acknowledged and is lost"
                assert status != protocol.UNAVAILABLE or entry is None, f"{key!r} was not to happen, and did"


async def test_a_paused_follower_is_missed_by_nobody(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
            follower = (await cluster.followers())[0]
            follower.pause()
            await load.progress(10 * WARM)
            follower.resume()
        await check(cluster, load.account)


async def _read(client: PlainClient) -> bytes:
    """Read `k`, again while the node says that it cannot."""
    while True:
        status, *rest = await client.request(protocol.GET, protocol.LINEARIZABLE, b"k")
        if status == protocol.OK:
            value: bytes = rest[3][0]
            return value
        assert status == protocol.UNAVAILABLE, rest
        await asyncio.sleep(rest[1] / 1000)
