"""A disk that fails or hangs under one node: it ends with a reason, the others go on (P6, P18, R8, R10)."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from paxoskv.node.exits import JOURNAL_FAILED
from paxoskv.testbed.shim import compiled
from paxoskv.testbed.shim.compiled import Shim
from paxoskv.testbed.shim.page import Page
from tests.cluster.kit import Cluster, NodeProcess
from tests.cluster.workload import Workload, check
from tests.support import PortLease

WARM = 200


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    """The library that makes disks bad. Skips where it cannot be built."""
    shim = compiled.prepare(tmp_path_factory.mktemp("shim"))
    if shim.trouble is not None:
        pytest.skip(f"disks cannot be made bad here: {shim.trouble}")
    return shim


@dataclass(frozen=True, slots=True)
class Lab:
    """A cluster, and the orders for the disk of each of its nodes."""

    cluster: Cluster
    pages: dict[int, Page]

    async def choose(self, role: str) -> NodeProcess:
        """Return the node whose disk goes bad."""
        return await self.cluster.leader() if role == "leader" else (await self.cluster.followers())[0]


@pytest.fixture
async def lab(tmp_path: Path, ports: PortLease, shim: Shim) -> AsyncIterator[Lab]:
    """Three nodes with the library under them."""
    cluster = Cluster(tmp_path, ports)
    pages = {node.number: Page(tmp_path / f"page{node.number}") for node in cluster}
    for node in cluster:
        node.directory.mkdir()  # the library asks where it is before the node could make it
        orders = shim.environment(pages[node.number].path, node.directory)
        node.through = ["env", *(f"{name}={value}" for name, value in orders.items())]
    async with cluster:
        yield Lab(cluster, pages)
    for page in pages.values():
        page.close()


@pytest.mark.parametrize("role", ["leader", "follower"])
async def test_a_disk_that_reports_an_error_ends_the_node(lab: Lab, role: str) -> None:
    """P6: what became of the write is unknown, so nothing more is said; a restart looks what is there."""
    async with Workload(lab.cluster) as load:
        await load.progress(WARM)
        victim = await lab.choose(role)
        page = lab.pages[victim.number]
        page.sync(errno=errno.EIO)
        assert await victim.ended() == JOURNAL_FAILED
        assert "Check the disk and the system's log" in victim.said()
        await load.progress(WARM)
        page.heal()
        victim.start()
        await victim.serves()
        await load.progress(WARM)
    await check(lab.cluster, load.account)


@pytest.mark.parametrize("role", ["leader", "follower"])
async def test_a_disk_that_hangs_costs_one_node_and_its_process_can_still_be_ended(lab: Lab, role: str) -> None:
    """P18: heartbeats do not wait for the disk, and still a leader that cannot write does not lead."""
    async with Workload(lab.cluster) as load:
        await load.progress(WARM)
        victim = await lab.choose(role)
        page = lab.pages[victim.number]
        page.sync(hangs=True)
        await lab.cluster.leader(node.number for node in lab.cluster if node is not victim)
        await load.progress(WARM)
        assert await victim.stop() == JOURNAL_FAILED
        assert "the disk did not take the journal's last" in victim.said()
        page.heal()
        victim.start()
        await victim.serves()
        await load.progress(WARM)
    await check(lab.cluster, load.account)
