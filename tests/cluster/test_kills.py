"""kill -9 under concurrent writers: of the leader, of a follower, of all at once, again and again (R1-R4).

Whatever dies, at the end every acknowledged write is there once, nothing is there that nobody wrote, counters are
what their increments add up to, and all replicas are equal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

import paxoskv
from tests.cluster.kit import Cluster
from tests.cluster.workload import Workload, check
from tests.support import PortLease, eventually

WARM = 200
"""Acknowledged changes before the first blow: sessions are open, counters exist, logs have grown."""
STEP = 30
KILLS = 12
MISSED_SLOTS = 3_000
"""Nodes keep 1,024 chosen slots in memory for those that lag behind."""


@pytest.mark.parametrize("count", [3, 5])
async def test_the_leader_is_killed(tmp_path: Path, ports: PortLease, count: int) -> None:
    async with Cluster(tmp_path, ports, count) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
            leader = await cluster.leader()
            leader.kill()
            successor = await cluster.leader(number for number in cluster.nodes if number != leader.number)
            assert successor is not leader
            await load.progress(WARM)
            leader.start()
            await leader.serves()
            await load.progress(WARM)
        await check(cluster, load.account)


async def test_a_follower_is_killed(tmp_path: Path, ports: PortLease) -> None:
    """The others do not even hold an election."""
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
            follower = (await cluster.followers())[0]
            follower.kill()
            await load.progress(WARM)
            follower.start()
            await follower.serves()
            await load.progress(WARM)
        await check(cluster, load.account)


async def test_all_nodes_are_killed_at_once(tmp_path: Path, ports: PortLease) -> None:
    """What a quorum had acknowledged was on its disks (P1)."""
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
            cluster.kill()
            cluster.start()
            await cluster.all_serve()
            await load.progress(WARM)
        await check(cluster, load.account)


async def test_a_node_that_was_away_for_thousands_of_slots_catches_up_and_counts_again(
    tmp_path: Path, ports: PortLease
) -> None:
    """What it missed has long left the others' memory and comes from their journals; then it is one of a majority."""
    async with Cluster(tmp_path, ports, flags=["--batch-commands-max", "1"]) as cluster:
        async with Workload(cluster, writers=12) as load:
            await load.progress(WARM)
            away, stays = await cluster.followers()
            away.kill()
            missed_from = (await stays.status())["commit_slot"]

            async def far_enough() -> bool:
                return bool((await stays.status())["commit_slot"] > missed_from + MISSED_SLOTS)

            await eventually(far_enough, within_s=240, what=f"{MISSED_SLOTS} slots")
            away.start()
            await away.serves()
            await load.progress(WARM)
        await cluster.agreement()
        (await cluster.leader()).kill()
        await cluster.leader(node.number for node in cluster if node.is_running)
        cluster.start()
        await cluster.all_serve()
        await check(cluster, load.account)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_storm_of_kills(tmp_path: Path, ports: PortLease, seed: int) -> None:
    """Any nodes, one or all, also while they are starting: safety needs no luck (R4)."""
    rng = Random(seed)
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
            for _ in range(KILLS):
                victims = rng.sample(list(cluster.nodes), k=rng.choice([1, 1, 1, 2, 3]))
                cluster.kill(*victims)
                if sum(node.is_running for node in cluster) >= cluster.majority:
                    await load.progress(STEP)
                cluster.start(*victims)
                if rng.random() < 0.6:
                    await load.progress(STEP)
            await cluster.all_serve()
            await load.progress(STEP)
        await check(cluster, load.account)


async def test_orderly_ends_and_crashes_leave_the_same_data(tmp_path: Path, ports: PortLease) -> None:
    """The state is what the journal holds: no restart, of whatever kind, changes the digest of what was applied."""
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
        for end in ("kill", "stop"):
            slot, _ = await cluster.agreement()
            before = {entry.key: entry async for entry in _everything(cluster)}
            if end == "kill":
                cluster.kill()
            else:
                assert [await node.stop() for node in cluster] == [0, 0, 0]
            cluster.start()
            await cluster.all_serve()
            assert {entry.key: entry async for entry in _everything(cluster)} == before
            assert (await cluster.agreement())[0] > slot
        await check(cluster, load.account)


async def _everything(cluster: Cluster) -> AsyncIterator[paxoskv.Entry]:
    async with cluster.connect() as kv:
        async for entry in kv.scan(b""):
            yield entry
