"""A cluster of real nodes for one or more tests, and what can be done to it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import unittest
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from paxoskv.testbed.cluster import Cluster
from paxoskv.testbed.links.disturbance import CLIENTS, Disturbance
from paxoskv.testbed.links.network import Direction
from paxoskv.testbed.shim.compiled import prepare

NODES_MAX = 9
PATIENCE_S = 60.0
"""For starting and electing: a loaded machine is slow, a broken cluster never gets there."""

SETTINGS = {"ballast_bytes": 0}
"""Of every node unless a test says otherwise: a cluster that lives for a test needs no reserve for a full disk."""

_LOG_TAIL_BYTES = 4096


class CannotSlowDisk(unittest.SkipTest):
    """The library that slows disks down does not work on this machine; the message says why.

    Test runners, pytest too, count a test that ends with it as skipped.
    """


class ClusterEngine:
    """The nodes, on the loop on which `open` was called. Every call that names a node raises ValueError for one that
    does not exist.

    settings: of every node, by their names in a configuration file. directory: for everything; None for a temporary
    one, which does not outlive the cluster.
    """

    def __init__(self, count: int, settings: Mapping[str, object], directory: Path | None) -> None:
        if not 1 <= count <= NODES_MAX:
            raise ValueError(f"a cluster of {count} nodes: choose 1 to {NODES_MAX}")
        self._count = count
        self._settings = {**SETTINGS, "cluster_token": uuid.uuid4().hex, **settings}
        self._directory = directory
        self._is_temporary = directory is None
        self._cluster: Cluster
        self._complaints: list[str] = []
        self._trouble: str | None = None

    @property
    def nodes(self) -> list[int]:
        """The numbers of all nodes, from 1."""
        return list(range(1, self._count + 1))

    @property
    def endpoints(self) -> str:
        """Where clients connect, for `paxoskv.connect`; through proxies, so that they can be cut off."""
        return ",".join(self._cluster.endpoints)

    async def open(self) -> None:
        """Start all nodes and wait for a leader. Raises: TimeoutError, with what the nodes said last."""
        root = self._directory = self._directory or Path(tempfile.mkdtemp(prefix="paxoskv-"))
        try:
            shim = await asyncio.to_thread(prepare, root)
            self._trouble = shim.trouble
            self._cluster = await Cluster.found(root, self._count, shim, seed=0, settings=self._settings)
        except BaseException:
            self._remove()
            raise
        try:
            await self._start(root)
        except BaseException:
            await self._cluster.close()
            self._remove()
            raise

    async def close(self) -> None:
        """Kill every node. Raises: AssertionError if one had ended that no test had killed."""
        try:
            await self._cluster.close()
        finally:
            self._remove()
        if self._complaints:
            raise AssertionError("; ".join(self._complaints))

    # Processes

    async def kill(self, node: int) -> None:
        """Kill a node as a crash would (SIGKILL), and wait until it is gone; nothing if it does not run."""
        await self._cluster.kill(self._known(node))

    async def restart(self, node: int) -> None:
        """Kill a node if it runs, start it, and wait until it has caught up with those that answer.

        Raises: TimeoutError.
        """
        await self.kill(node)
        await self._cluster.start(node)
        await self._wait_for_answer(node)
        if not await self._cluster.wait_until_caught_up(node, PATIENCE_S):
            raise TimeoutError(f"node {node} has not caught up within {PATIENCE_S:g} s: {self.log(node)}")

    async def pause(self, node: int) -> None:
        """Stop a node in mid-step (SIGSTOP): its connections stay open and silent. Raises: ValueError if it is dead."""
        if not self._cluster.member(self._known(node)).runs:
            raise ValueError(f"node {node} does not run: restart it before you pause it")
        self._cluster.pause(node)

    async def resume(self, node: int) -> None:
        """Let a paused node go on."""
        self._cluster.resume(self._known(node))

    # Links and disks

    async def partition(self, *groups: Collection[int], clients: Collection[int] | None = None) -> None:
        """Cut, silently, every link between nodes of different groups; nodes not named make up one more group.
        Raises: ValueError for a node in two groups.

        clients: the nodes that clients still reach, all of them unless given. What was cut before stays cut.
        """
        named = [self._known(node) for group in groups for node in group]
        if len(named) != len(set(named)):
            raise ValueError(f"a node is in one group only, not {[sorted(group) for group in groups]}")
        rest = [node for node in self.nodes if node not in named]
        sides = [*groups, rest]
        links: list[Direction] = [
            (one, other) for side in sides for one in side for other in self.nodes if other not in side
        ]
        if clients is not None:
            lost = set(self.nodes) - {self._known(node) for node in clients}
            links += [direction for node in lost for direction in ((CLIENTS, node), (node, CLIENTS))]
        await self._cluster.network.disturb(links, Disturbance(cut=True))

    async def slow_disk(self, node: int, delay_s: float) -> None:
        """Make every sync of a node take so much longer, until `heal`. Raises: CannotSlowDisk, ValueError."""
        page = self._cluster.member(self._known(node)).page
        if page is None:
            raise CannotSlowDisk(f"disks cannot be slowed down here: {self._trouble}")
        if not 0 <= delay_s <= PATIENCE_S:
            raise ValueError(f"a delay of {delay_s} s: choose 0 to {PATIENCE_S:g}")
        page.sync(delay_ms=round(delay_s * 1000))

    async def heal(self) -> None:
        """Mend every link and every disk, and let every paused node go on; what was killed stays down."""
        await self._cluster.heal()

    async def restore(self) -> None:
        """Heal, start every node that does not run, and wait for a leader: for clusters that tests share."""
        await self.heal()
        down = [node for node in self.nodes if not self._cluster.member(node).runs]
        await asyncio.gather(*(self.restart(node) for node in down))
        await self.leader()

    # What nodes say

    async def leader(self, within_s: float = PATIENCE_S) -> int:
        """Wait until one node leads and a majority follows it; return it. Raises: TimeoutError."""
        leader = await self._cluster.wait_for_leader(within_s)
        if leader is None:
            raise TimeoutError(f"no leader within {within_s:g} s: {self.logs()}")
        return leader

    async def status(self, node: int) -> dict[str, Any] | None:
        """Return what a node says about itself, as `paxoskv.node_status` does; None if it does not answer."""
        return await self._cluster.status(self._known(node))

    def log(self, node: int) -> str:
        """Return the end of what a node has logged, over all its lives."""
        file = self._cluster.member(self._known(node)).log
        return file.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace") if file.exists() else ""

    def logs(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(f"--- node {node}\n{self.log(node)}" for node in self.nodes)

    # Inside

    async def _start(self, root: Path) -> None:
        self._cluster.on_end = self._on_end
        if self._is_temporary:
            await self._cluster.network.sweep(root)
        for node in self.nodes:
            await self._cluster.start(node)
        for node in self.nodes:
            await self._wait_for_answer(node)
        await self.leader()

    async def _wait_for_answer(self, node: int) -> None:
        if not await self._cluster.wait_until_it_answers(node, PATIENCE_S):
            raise TimeoutError(f"node {node} does not answer: {self.log(node)}")

    def _on_end(self, node: int, code: int, words: str) -> None:
        self._complaints.append(f"node {node} ended by itself with exit code {code}: {words}")

    def _known(self, node: int) -> int:
        if node not in self.nodes:
            raise ValueError(f"there is no node {node!r}: this cluster has nodes 1 to {self._count}")
        return node

    def _remove(self) -> None:
        if self._is_temporary and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)  # the proxies may have swept it
