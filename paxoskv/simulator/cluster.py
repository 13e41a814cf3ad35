"""The nodes of a simulated cluster, and the operator who starts them again."""

from __future__ import annotations

from random import Random

from paxoskv.node.config import NodeConfig
from paxoskv.node.exits import BUG, JOURNAL_FAILED, OK, QUARANTINED, USAGE
from paxoskv.simulator.disk import Disk
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.network import Network
from paxoskv.simulator.node import SimulatedNode
from paxoskv.simulator.watched import Watcher
from paxoskv.simulator.world import World
from paxoskv.storage.identity import Identity

CLIENT_PORT = 7300
PEER_PORT = 7400


class Cluster:
    """Nodes 1..n."""

    def __init__(
        self,
        world: World,
        network: Network,
        configs: list[NodeConfig],
        watcher: Watcher,
        marks: Marks,
        turn_s: float,
    ) -> None:
        self.world = world
        self.network = network
        self.nodes: dict[int, SimulatedNode] = {}
        self._exchanged: list[tuple[SimulatedNode, SimulatedNode]] = []
        self._marks = marks
        self._rng: Random = world.rng("operator")
        for config in configs:
            identity = Identity(config.cluster_id, config.node, f"incarnation-{config.node}-1")
            disk = Disk(world, identity, marks)
            node = SimulatedNode(world, network, config, disk, watcher, turn_s)
            node.on_exit = self._on_exit
            self.nodes[config.node] = node
            network.hosts[CLIENT_PORT + config.node] = network.hosts[PEER_PORT + config.node] = config.node

    @property
    def ids(self) -> list[int]:
        """The node numbers."""
        return list(self.nodes)

    def start(self) -> None:
        """Start every node."""
        for node in self.nodes.values():
            node.start()

    # The operator

    def start_again(self, node: SimulatedNode) -> None:
        """Start a node, unless it runs, or must not be started any more."""
        if node.disk.rolled_back:
            node.disk.rolled_back = False
            self._weigh(node)
        if not node.is_up and not node.retired:
            node.start()

    def lose_power_and_restart(self, node: SimulatedNode) -> None:
        """A machine loses power, and comes back at once."""
        node.kill(reset=False)
        self.world.after(0.05, lambda: self.start_again(node))

    def restart_on(self, node: SimulatedNode, image: bytes) -> None:
        """Start a node on a copy of its directory that was made earlier."""
        if node.disk.foreign:
            return
        node.kill()
        if node.disk.image() != image:
            node.disk.restore(image)
            node.disk.ruined, node.disk.rolled_back = "an older copy of the directory was put back", True
        self.start_again(node)

    def is_known_to_all(self, node: SimulatedNode) -> bool:
        """Whether every other node has noted this node's present life, and none has lost its notes."""
        others = [other for other in self.nodes.values() if other is not node]
        return not any(other.disk.ruined for other in others) and all(other.disk.knows(node.node) for other in others)

    def exchange(self, a: SimulatedNode, b: SimulatedNode) -> bool:
        """Start two nodes on each other's directories; return whether they could be exchanged."""
        if any(node.retired or node.disk.foreign for node in (a, b)):
            return False
        self._exchange(a, b, foreign=True)
        self._exchanged.append((a, b))
        return True

    def exchange_back(self, a: SimulatedNode, b: SimulatedNode) -> None:
        """Notice the mistake."""
        if (a, b) in self._exchanged:
            self._exchanged.remove((a, b))
            self._exchange(a, b, foreign=False)

    def exchange_all_back(self) -> None:
        """Notice every such mistake."""
        for a, b in list(self._exchanged):
            self.exchange_back(a, b)

    def _exchange(self, a: SimulatedNode, b: SimulatedNode, foreign: bool) -> None:
        for node in (a, b):
            node.kill()
            node.disk.foreign = foreign
        a.disk.exchange(b.disk)
        for node in (a, b):
            self.start_again(node)

    def _weigh(self, node: SimulatedNode) -> None:
        """Retire a node whose disk holds less than it once acknowledged, unless enough others can tell.

        Peers keep what a node has announced, though not at once (P4). A quorum of those that have forgotten it would
        let the node vote again, so an operator must not start it then.
        """
        quorums = node.config.quorums
        smallest = min(quorums.phase1, quorums.phase2)
        others = [other for other in self.nodes.values() if other is not node and not other.disk.ruined]
        witnesses = sum(other.disk.seq_of(node.node) > node.disk.seq() for other in others)
        if witnesses <= len(self.nodes) - smallest:
            node.retired = node.retired or node.disk.ruined

    def _on_exit(self, node: SimulatedNode) -> None:
        """A process has ended by itself: look at its exit code, as an operator would."""
        match node.exit_code:
            case code if code == OK:
                self._restart_later(node)
            case code if code == JOURNAL_FAILED:
                self._marks.hit("write error")
                self._restart_later(node)
            case code if code == QUARANTINED:
                self._on_quarantine(node)
            case code if code == USAGE and node.disk.full:
                self._restart_later(node)
            case code if code != BUG:
                self.world.fail("bug", f"node {node.node} ended with code {code}: {node.exit_reason}")

    def _on_quarantine(self, node: SimulatedNode) -> None:
        """A node refuses to serve: it must have a reason."""
        if node.disk.foreign:
            self._marks.hit("directory of another node")
            return
        if not node.disk.ruined:
            self.world.fail("quarantine", f"node {node.node} gives up for no reason: {node.exit_reason}")
        found_out = "emptied" if "another incarnation" in node.exit_reason else "rolled back"
        announced = "announced" in node.exit_reason or found_out == "emptied"
        self._marks.hit(f"{found_out} node found out" if announced else "quarantine")
        node.retired = node.exit_reason

    def _restart_later(self, node: SimulatedNode) -> None:
        self.world.after(self._rng.choice((0.02, 0.3, 1.0)), lambda: self.start_again(node))
