"""A cluster to be attacked: two of three members are real, and the test may play the third."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import paxoskv
from paxoskv.net.frames import frame
from paxoskv.net.peering import PEER_MAGIC, Card, Life
from tests.cluster.kit import Cluster, NodeProcess
from tests.cluster.wire import Wire, wire
from tests.support import PortLease, eventually

MEMBER = 3
"""The member that is not real."""
INCARNATION = "the life that the test leads"
WITNESS = b"witness"
"""Holds the number of attacks survived."""
GROWTH_BYTES_MAX = 64 << 20
HEALTHY_WITHIN_S = 60.0


class Prey:
    """The cluster, and the node that is attacked. attacks: how many there were so far."""

    def __init__(self, cluster: Cluster, cluster_id: str) -> None:
        self.cluster = cluster
        self.victim = cluster[1]
        self.cluster_id = cluster_id
        self.attacks = 0

    @property
    def real(self) -> list[NodeProcess]:
        """The members that are real."""
        return [node for node in self.cluster if node.number != MEMBER]

    def card(self, known: dict[int, Life] | None = None) -> Card:
        """Return how the third member introduces itself to the victim."""
        return Card(self.cluster_id, MEMBER, INCARNATION, "127.0.0.1:1", self.victim.number, known or {}, seq=1)

    @asynccontextmanager
    async def member(self) -> AsyncIterator[Wire]:
        """A connection to the victim's peer port that was welcomed as the third member's."""
        async with wire(self.victim.peer_port) as connection:
            connection.write(frame(self.card().encode()))
            welcome = await connection.receive()
            assert welcome is not None, "closed instead of a welcome"
            assert (welcome[0], welcome[3]) == (PEER_MAGIC, self.victim.number), welcome
            yield connection

    def look(self) -> dict[int, int]:
        """Return how much memory each node uses, in bytes."""
        return {node.number: node.rss_bytes for node in self.real}

    async def check(self, rss_bytes_before: dict[int, int]) -> None:
        """After an attack everybody lives, serves, agrees, remembers, and is no larger than before."""
        async with self.cluster.connect(HEALTHY_WITHIN_S) as kv:
            found = await kv.get(WITNESS)
            assert found.value == (b"%d" % self.attacks if self.attacks else None), "what was acknowledged is gone"
            self.attacks += 1
            await kv.put(WITNESS, b"%d" % self.attacks)
        for node in self.real:
            grown_bytes = node.rss_bytes - rss_bytes_before[node.number]
            assert grown_bytes < GROWTH_BYTES_MAX, f"node {node.number} has grown by {grown_bytes >> 20} MiB"
        await eventually(self._agree, HEALTHY_WITHIN_S, "agreement of the real members")

    async def _agree(self) -> bool:
        states = [await node.try_status() for node in self.real]
        return len({status and (status["applied_slot"], status["digest"]) for status in states} - {None}) == 1


@asynccontextmanager
async def prey_in(directory: Path) -> AsyncIterator[Prey]:
    """A cluster to be attacked, with its ports."""
    lease = PortLease()
    try:
        async with Cluster(directory, lease, absent=[MEMBER]) as cluster:
            cluster_id = (await paxoskv.node_status(cluster[1].endpoint))["cluster"]
            yield Prey(cluster, cluster_id)
    finally:
        lease.release()
