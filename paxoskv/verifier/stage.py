"""What faults act on: the cluster, who leads it, and a place to note what no correct node would have done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from random import Random

from paxoskv.testbed.cluster import Cluster
from paxoskv.testbed.links.disturbance import CLIENTS
from paxoskv.testbed.links.network import Direction
from paxoskv.testbed.process import NodeProcess
from paxoskv.verifier.observer import Observer

ANSWER_TIMEOUT_S = 120.0
"""A node that was started has to answer within this time, on however busy a machine."""

CATCH_UP_TIMEOUT_S = 120.0
END_TIMEOUT_S = 60.0
"""A node that has to end by itself has to do so within this time."""


class Stage:
    """A running cluster. surprises: what should not have happened, in words, each one a failure of the run."""

    def __init__(self, cluster: Cluster, observer: Observer) -> None:
        self.cluster = cluster
        self.observer = observer
        self.surprises: list[str] = []
        cluster.on_end = self._on_end

    def surprise(self, what: str) -> None:
        """Note what should not have happened."""
        self.surprises.append(what)

    # Choosing

    def victim(self, random: Random) -> int:
        """Return a node, every second time the leader if there is one."""
        leader = self.observer.leader
        if leader is not None and random.random() < 0.5:
            return leader
        return random.choice(self.cluster.nodes)

    def leader_or_any(self, random: Random) -> int:
        """Return the leader; any node if none is known."""
        leader = self.observer.leader
        return random.choice(self.cluster.nodes) if leader is None else leader

    def others(self, *nodes: int) -> list[int]:
        """Return all nodes but these."""
        return [node for node in self.cluster.nodes if node not in nodes]

    def between(self, some: Iterable[int], others: Iterable[int]) -> list[Direction]:
        """Return the directions between two groups of nodes, both ways."""
        pairs = [(one, other) for one in some for other in others if one != other]
        return [*pairs, *((other, one) for one, other in pairs)]

    def all_directions(self, *, with_clients: bool = False) -> list[Direction]:
        """Return every direction between nodes, and between them and the clients if wanted."""
        nodes = self.cluster.nodes
        directions: list[Direction] = [(one, other) for one in nodes for other in nodes if one != other]
        if with_clients:
            directions += [end for node in nodes for end in ((CLIENTS, node), (node, CLIENTS))]
        return directions

    # Processes

    async def bring_back(self, node: int, *, within_s: float = ANSWER_TIMEOUT_S) -> None:
        """Start a node, unless it runs, and wait until it answers, which it has to."""
        if not self.cluster.member(node).runs:
            await self.cluster.start(node)
        if not await self.cluster.wait_until_it_answers(node, within_s) and self.cluster.member(node).runs:
            self.surprise(f"node {node} does not answer {within_s:g} s after its start")

    async def bring_back_all(self, nodes: Sequence[int]) -> None:
        """Start nodes at the same time."""
        await asyncio.gather(*(self.bring_back(node) for node in nodes))

    async def bring_up_to_date(self, node: int) -> None:
        """Wait until a node that answers has caught up with the others, which it has to."""
        if not await self.cluster.wait_until_caught_up(node, CATCH_UP_TIMEOUT_S) and self.cluster.member(node).runs:
            self.surprise(f"node {node} runs but has not caught up after {CATCH_UP_TIMEOUT_S:g} s")

    async def ends(self, node: int, process: NodeProcess, code: int, why: str) -> bool:
        """Return whether a process ended in time, which it did for a reason of ours; only `code` is right then."""
        try:
            found = await process.wait(END_TIMEOUT_S)
        except TimeoutError:
            return False
        if found != code:
            self.surprise(f"node {node} ended with exit code {found}, not {code}, when {why}: {process.last_words()}")
        return True

    def _on_end(self, node: int, code: int, words: str) -> None:
        self.surprise(f"node {node} ended by itself with exit code {code}: {words}")
