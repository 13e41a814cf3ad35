"""A live cluster for the tests of faults: nodes, proxies, an observer, and a client that never stops writing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from paxoskv import PaxoskvError, connect
from paxoskv.testbed.cluster import Cluster
from paxoskv.testbed.shim.compiled import prepare
from paxoskv.verifier.observer import Observer
from paxoskv.verifier.stage import Stage
from paxoskv.verifier.torment import mend
from tests.support import eventually

START_TIMEOUT_S = 60


@dataclass(slots=True)
class Live:
    """A cluster under a little load. written: what was acknowledged last. shim_trouble: why disks cannot be broken."""

    stage: Stage
    shim_trouble: str | None
    written: int = 0

    @property
    def cluster(self) -> Cluster:
        return self.stage.cluster

    async def progresses(self) -> None:
        """Wait until more writes are acknowledged."""
        before = self.written
        await eventually(lambda: self.written > before + 2, within_s=60, what="writes go on")

    async def is_sound(self) -> None:
        """Wait until all nodes stand at the same slot and hold the same; no surprise may have been noted."""
        await mend(self.stage)
        await self.progresses()
        assert self.stage.surprises == []
        assert self.stage.observer.disagreements == []

    async def write(self) -> None:
        while True:
            with suppress(PaxoskvError):
                async with connect(self.cluster.endpoints, timeout_s=1) as kv:
                    while True:
                        with suppress(PaxoskvError):
                            await kv.put("key", str(self.written + 1))
                            self.written += 1
                        await asyncio.sleep(0.002)


@asynccontextmanager
async def live_cluster(root: Path, nodes: int) -> AsyncIterator[Live]:
    shim = await asyncio.to_thread(prepare, root)
    cluster = await Cluster.found(root, nodes, shim, seed=1)
    tasks: list[asyncio.Task[None]] = []
    try:
        for node in cluster.nodes:
            await cluster.start(node)
        for node in cluster.nodes:
            assert await cluster.wait_until_it_answers(node, START_TIMEOUT_S)
        observer = Observer(cluster)
        live = Live(Stage(cluster, observer), shim.trouble)
        tasks = [asyncio.create_task(observer.run()), asyncio.create_task(live.write())]
        await live.progresses()
        yield live
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await cluster.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """Three nodes that the tests of a module break one after the other; in the end they must hold the same."""
    async with live_cluster(tmp_path_factory.mktemp("live"), 3) as live:
        yield live


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live_five(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """Five nodes."""
    async with live_cluster(tmp_path_factory.mktemp("five"), 5) as live:
        yield live
