"""Reads under a lease, in clusters of real processes and clocks (P24)."""

from __future__ import annotations

from pathlib import Path

import pytest

from paxoskv.errors import BadRequest
from paxoskv.net import protocol
from paxoskv.node.exits import QUARANTINED
from tests.cluster.kit import Cluster, NodeProcess
from tests.cluster.wire import plain_client
from tests.support import PortLease

LEASES = ("--lease-reads", "--lease-s", "1", "--clock-drift-max", "0.05")


async def test_reads_under_a_lease_see_every_write_whoever_leads(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports, flags=LEASES) as cluster, cluster.connect() as kv:
        for number in range(3):
            value = str(number).encode()
            written = await kv.put("k", value)
            found = await kv.get("k", consistency="lease")
            assert (found.value, found.slot >= written.slot) == (value, True)
            assert [entry.value for entry in (await kv.range("", consistency="lease")).entries] == [value]
            leader = await cluster.leader()
            leader.kill()
            assert (await kv.get("k", consistency="lease")).value == value
            leader.start()
            await cluster.all_serve()


async def test_a_leader_that_slept_answers_nothing_old_under_its_lease(tmp_path: Path, ports: PortLease) -> None:
    """R22: it wakes up in a later world; requests that came meanwhile wait in its sockets, and its lease is over."""
    async with Cluster(tmp_path, ports, flags=LEASES) as cluster:
        async with cluster.connect() as kv:
            await kv.put("k", "old")
        leader = await cluster.leader()
        others = [number for number in cluster.nodes if number != leader.number]
        async with plain_client(leader.client_port) as client:
            assert (await client.request(protocol.GET, protocol.LEASE_READ, b"k"))[0] == protocol.OK
            leader.pause()
            await cluster.leader(others)
            async with cluster.connect() as kv:
                await kv.put("k", "new")
            asked = [client.ask(protocol.GET, protocol.LEASE_READ, b"k") for _ in range(20)]
            leader.resume()
            for number in asked:
                status, *rest = await client.answer(number)
                assert status == protocol.UNAVAILABLE or rest[3][0] == b"new", rest


async def test_where_no_leases_are_granted_the_client_is_told_what_it_takes(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports, count=1) as cluster, cluster.connect() as kv:
        with pytest.raises(BadRequest, match="--lease-reads"):
            await kv.get("k", consistency="lease")


async def test_leases_are_agreed_on_once(tmp_path: Path, ports: PortLease) -> None:
    """A node that starts with other ones has perhaps granted more than it would wait for: it does not start."""
    async with Cluster(tmp_path, ports, count=1, flags=LEASES) as cluster:
        node: NodeProcess = cluster[1]
        assert await node.stop() == 0
        node.start("--lease-s", "0.5")
        assert await node.ended() == QUARANTINED
        assert "leases" in node.said()
        node.start()
        await node.serves()
