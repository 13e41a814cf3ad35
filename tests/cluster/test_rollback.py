"""An older copy of a node's directory in the place of the newer one: peers remember more than the node (P4, R14)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cluster.kit import Cluster, NodeProcess
from tests.cluster.workload import Workload, check
from tests.support import PortLease, eventually

QUARANTINED = 5
CHANGES = 50


@pytest.mark.parametrize("restarted", [False, True], ids=["peers ran on", "all restarted"])
async def test_a_restored_directory_is_recognised_and_stays_out(
    tmp_path: Path, ports: PortLease, restarted: bool
) -> None:
    """It would have forgotten votes that others counted. What it is told is noted, so it needs nobody the next time."""
    copy = tmp_path / "copy"
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(CHANGES)
            victim = (await cluster.followers())[0]
            assert await victim.stop() == 0
            shutil.copytree(victim.directory, copy)
            victim.start()
            await takes_part(victim)
            await load.progress(CHANGES)
        await cluster.agreement()
        if restarted:
            for node in cluster:
                assert await node.stop() == 0
        else:
            victim.kill()
        restore(victim, copy)
        for _ in range(3 if restarted else 1):
            victim.start()
            if restarted:  # nobody is there to recognise it yet
                await victim.serves()
                victim.kill()
        others = [node.number for node in cluster if node is not victim]
        cluster.start()
        assert await victim.ended() == QUARANTINED
        assert "though it had announced" in victim.said()
        assert "put the original directory back, or replace the node" in victim.said()
        cluster.kill(*others)
        victim.start()
        assert await victim.ended() == QUARANTINED
        assert "is in quarantine" in victim.said()
        cluster.start(*others)
        await cluster.leader(others)


async def test_the_original_directory_is_taken_back(tmp_path: Path, ports: PortLease) -> None:
    """Putting it back is one of the two remedies."""
    copy, original = tmp_path / "copy", tmp_path / "original"
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            victim = (await cluster.followers())[0]
            assert await victim.stop() == 0
            shutil.copytree(victim.directory, copy)
            victim.start()
            await takes_part(victim)
            await load.progress(CHANGES)
            assert await victim.stop() == 0
            shutil.copytree(victim.directory, original)
            restore(victim, copy)
            victim.start()
            assert await victim.ended() == QUARANTINED
            restore(victim, original)
            victim.start()
            await victim.serves()
            await load.progress(CHANGES)
        await check(cluster, load.account)


async def takes_part(node: NodeProcess) -> None:
    """Wait until a node has written more than the copy holds, and for long enough that its peers have heard of it."""
    await node.serves()
    before = int((await node.status())["applied_slot"])

    async def has_written() -> bool:
        return int((await node.status())["applied_slot"]) > before + CHANGES

    await eventually(has_written, within_s=60.0, what=f"node {node.number} takes part")


def restore(node: NodeProcess, copy: Path) -> None:
    """Put a copy in the place of a node's directory."""
    shutil.rmtree(node.directory)
    shutil.copytree(copy, node.directory)
