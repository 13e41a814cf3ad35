"""The end of a run: a quorum is healed, the rest stays broken for good, and progress is demanded (I11).

Where faults have taken the data of so many disks that no quorum is left, the atlas says so: then nothing may be
promised any more, and nothing is demanded but that nobody is told anything wrong.
"""

from __future__ import annotations

from random import Random

from paxoskv.simulator.node import SimulatedNode
from paxoskv.simulator.scene import Scene

PROGRESS_S = 30.0
"""Within so long after the healing every program must have completed some operations."""

SAFE_HALT_S = 3.0
OPERATIONS_MIN = 3


class Ending:
    """What happens after the faults."""

    def __init__(self, scene: Scene, rng: Random) -> None:
        self._scene = scene
        self._rng = rng

    def demand_progress(self) -> None:
        """Heal, wait, and judge. Raises: Violation."""
        scene, world = self._scene, self._scene.world
        core = self.choose_core()
        self.heal(core)
        if not core:
            world.tell("no quorum of sound disks is left: nothing is demanded")
            world.run_until(world.now + SAFE_HALT_S)
            return
        world.tell(f"nodes {[node.node for node in core]} are healed, the others stay broken")
        goals = {program: program.completed + OPERATIONS_MIN for program in scene.programs}
        done = world.run_until(
            world.now + PROGRESS_S, lambda: all(one.completed >= goal for one, goal in goals.items())
        )
        if not done:
            late = {one.host: f"{one.completed - goals[one] + OPERATIONS_MIN} done" for one in goals}
            roles = {n.node: n.replica.role.value if n.replica else n.retired or "down" for n in core}
            world.fail("I11", f"no progress within {PROGRESS_S} s after healing {roles}: {late}")

    def choose_core(self) -> list[SimulatedNode]:
        """Choose which nodes will be healed, none if too few have a disk that can be trusted."""
        nodes = list(self._scene.cluster.nodes.values())
        quorums = nodes[0].config.quorums
        sound = [node for node in nodes if not node.retired and not node.disk.ruined and not node.disk.foreign]
        need = max(quorums.phase1, quorums.phase2)
        return self._rng.sample(sound, need) if len(sound) >= need else []

    def heal(self, core: list[SimulatedNode]) -> None:
        """Mend everything about the core and the programs, and nothing else."""
        scene, network = self._scene, self._scene.network
        hosts = [node.node for node in core] + [program.host for program in scene.programs]
        for link in network.links(hosts):
            link.calm()
            network.restore(link)
        for node in core:
            self._heal_node(node)
        for program in scene.programs:
            if program.process is not None:
                program.process.wake_up()
            program.start_again()
        for node in scene.cluster.nodes.values():
            node.disk.on_write = None
            if node.process is not None:
                node.process.release_timers()
            if node not in core:
                self._break(node)

    def _heal_node(self, node: SimulatedNode) -> None:
        disk = node.disk
        disk.full, disk.failing, disk.sync_s = False, "", self._scene.sync_s
        disk.stop_lying()
        disk.resume()
        node.clock_rate = 1.0
        if node.process is None:
            self._scene.cluster.start_again(node)
        else:
            node.process.set_clock(rate=1.0)
            node.process.wake_up()

    def _break(self, node: SimulatedNode) -> None:
        """Leave a node as it is, or make it worse in a lasting way."""
        network = self._scene.network
        to = [network.link(other, node.node) for other in self._scene.ids if other != node.node]
        frm = [network.link(node.node, other) for other in self._scene.ids if other != node.node]
        match self._rng.randrange(5):
            case 0:
                node.kill(reset=self._rng.random() < 0.5)
                node.retired = node.retired or "broken for good"
            case 1:
                self._scene.cut(to, "drop")
            case 2:
                self._scene.cut(frm, "drop")
            case 3:
                self._scene.cut(to + frm, "hold")
            case _:
                pass
