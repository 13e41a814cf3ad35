"""Watches all nodes while they are tormented: who leads, how far each is, and whether their digests agree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from paxoskv.testbed.cluster import Cluster

INTERVAL_S = 0.1
DIGESTS_KEPT = 20_000

Told = Mapping[str, Any] | None
"""What a node said about itself; None if it did not answer."""


class Sample(NamedTuple):
    """One look at one node. state: `leader`, `follower`, `candidate`, `sick` (it says so) or `silent`."""

    time_ns: int
    node: int
    state: str
    ballot: tuple[int, int]


class Observer:
    """Asks every node again and again.

    samples: the looks at which a node's state or ballot had changed. disagreements: pairs of nodes that reported
    different digests for the same slot (I5), in words.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.samples: list[Sample] = []
        self.disagreements: list[str] = []
        self.latest: dict[int, Told] = dict.fromkeys(cluster.nodes)
        self._cluster = cluster
        self._digests: dict[int, tuple[str, int]] = {}
        self._last: dict[int, tuple[str, tuple[int, int]]] = {}

    @property
    def leader(self) -> int | None:
        """The node that said last that it leads, of several the one with the highest ballot."""
        leading = {node: told for node, told in self.latest.items() if told and told["role"] == "leader"}
        return max(leading, key=lambda node: tuple(leading[node]["ballot"])) if leading else None

    async def run(self) -> None:
        """Watch until cancelled. Each node is asked by a task of its own: a paused one delays no other."""
        async with asyncio.TaskGroup() as group:
            for node in self._cluster.nodes:
                group.create_task(self._watch(node))

    def take(self, node: int, told: Told, time_ns: int) -> None:
        """Note what a node said."""
        self.latest[node] = told
        state = "silent" if told is None else told["role"] if told["healthy"] else "sick"
        ballot = (0, 0) if told is None else (told["ballot"][0], told["ballot"][1])
        if self._last.get(node) != (state, ballot):
            self._last[node] = (state, ballot)
            self.samples.append(Sample(time_ns, node, state, ballot))
        if told is not None:
            self._compare(node, told["applied_slot"], told["digest"])

    async def _watch(self, node: int) -> None:
        while True:
            self.take(node, await self._cluster.status(node), time.monotonic_ns())
            await asyncio.sleep(INTERVAL_S)

    def _compare(self, node: int, slot: int, digest: str) -> None:
        known, by = self._digests.setdefault(slot, (digest, node))
        if known != digest:
            self.disagreements.append(f"slot {slot}: digest {known} on node {by}, {digest} on node {node}")
        while len(self._digests) > DIGESTS_KEPT:
            del self._digests[next(iter(self._digests))]
