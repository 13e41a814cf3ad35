"""Where faults are injected: the parts of one run, and a phase after which no fault may undo or do anything more."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from paxoskv.paxos.replica import Role
from paxoskv.simulator.client import Program
from paxoskv.simulator.cluster import Cluster
from paxoskv.simulator.disk import Disk
from paxoskv.simulator.judge import Judge
from paxoskv.simulator.links import Link
from paxoskv.simulator.network import Network
from paxoskv.simulator.node import SimulatedNode
from paxoskv.simulator.process import Process
from paxoskv.simulator.rude import RudeClient
from paxoskv.simulator.world import Act, World


class Scene:
    """What a fault can reach.

    sync_s: how long a sync takes on a disk in order.
    anything_goes: during the safety phase; afterwards, faults that would still begin or end are forgotten.
    """

    def __init__(
        self, world: World, network: Network, cluster: Cluster, programs: list[Program], judge: Judge, sync_s: float
    ) -> None:
        self.world = world
        self.network = network
        self.cluster = cluster
        self.programs = programs
        self.judge = judge
        self.sync_s = sync_s
        self.anything_goes = True
        self._rude = 0

    @property
    def ids(self) -> list[int]:
        """The node numbers."""
        return self.cluster.ids

    def later(self, delay_s: float, act: Act) -> None:
        """Do something after a while, if it is still the time of faults."""
        self.world.after(delay_s, lambda: act() if self.anything_goes else None)

    def leader(self) -> SimulatedNode | None:
        """Return a node that leads, or believes that it does."""
        leading = (n for n in self.cluster.nodes.values() if n.replica is not None and n.replica.role is Role.LEADER)
        return next(leading, None)

    def victim(self, rng: Random) -> SimulatedNode:
        """Choose a node: the leader rather more often than others, since it is where things happen."""
        leader = self.leader()
        if leader is not None and rng.random() < 0.4:
            return leader
        return rng.choice(list(self.cluster.nodes.values()))

    def process(self, rng: Random) -> Process | None:
        """Choose a node's process, None if the chosen node is down."""
        return self.victim(rng).process

    def disk(self, rng: Random) -> Disk:
        """Choose a disk."""
        return self.victim(rng).disk

    def some_links(self, rng: Random, peers: bool = False) -> list[Link]:
        """Choose links: one, all of one node, all among nodes, or those of a client unless it is to be `peers`."""
        ids = self.ids
        match rng.randrange(5):
            case 2 if peers:
                return self.network.links(ids)
            case 0:
                a, b = rng.sample(ids, 2)
                return [self.network.link(a, b)]
            case 1:
                node = rng.choice(ids)
                return [link for link in self.network.links(ids) if node in (link.frm, link.to)]
            case 2:
                host, node = rng.choice(self.programs).host, rng.choice(ids)
                return [self.network.link(host, node), self.network.link(node, host)]
            case _:
                return self.network.links(ids)

    def cut(self, links: list[Link], how: str) -> None:
        """Cut links: as `Link.cut` says, or by a reset that also breaks the connections.

        Frames vanish among nodes only: TCP loses nothing of a connection that stands, and clients count on it.
        """
        for link in links:
            among_nodes = link.frm in self.ids and link.to in self.ids
            link.cut = how if how == "drop" and among_nodes else "hold"
            if how == "reset":
                for transport in self.network.between(link.frm, link.to):
                    transport.cut()

    def restore(self, links: list[Link]) -> None:
        """Let links work again."""
        for link in links:
            self.network.restore(link)

    def while_it_lasts(self, links: list[Link], seconds: float, change: Callable[[Link], None]) -> None:
        """Change the mood of links for a while."""

        def calm() -> None:
            for link in links:
                link.calm()

        for link in links:
            change(link)
        self.later(seconds, calm)

    def may_ruin(self, node: SimulatedNode, rng: Random) -> bool:
        """Whether one more disk may lose what was entrusted to it: seldom so many that no quorum is left (atlas)."""
        if node.disk.foreign:
            return False
        quorums = node.config.quorums
        spare = len(quorums.members) - max(quorums.phase1, quorums.phase2)
        lost = sum(bool(other.disk.ruined) for other in self.cluster.nodes.values() if other is not node)
        return lost < spare or rng.random() < 0.05

    def rude(self, rng: Random) -> None:
        """Let a rude client come by."""
        self._rude += 1
        RudeClient(self.world, self.network, self._rude, self.ids, self.judge, Random(rng.getrandbits(32)))

    def durable_commit(self, node: SimulatedNode) -> int:
        """Return the highest commit slot that any record on a disk tells."""
        row = node.disk.database.execute("SELECT max(commit_slot) FROM votes").fetchone()
        return row[0] or 0
