"""The end of a run: a quorum is healed, the rest stays broken for good, and progress is demanded (I11).

Where faults have taken the data of so many disks that no quorum is left, the atlas says so: then nothing may be
promised any more, and nothing is demanded but that nobody is told anything wrong. Otherwise programs have to get on,
then nothing may be left hanging once they are quiet, and in the end, with everything healed, all nodes that can be
trusted have to be level (I5, I9).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from paxoskv.simulator.bounds import leftovers
from paxoskv.simulator.node import SimulatedNode
from paxoskv.simulator.scene import Scene

PROGRESS_S = 30.0
"""Within so long after the healing every program must have completed some operations."""

QUIET_S = 20.0
"""Within so long after the last operation of any program nothing of them may be left on a healed node."""

LEVEL_S = 30.0
"""Within so long after everything was healed all nodes must have applied the same slots."""

TOLD_S = 20.0
"""Within so long after that every watch must have been told all that there is."""

EXPIRY_S = 20.0
"""Within so long after that every lease must have ended; none has a longer time than some seconds."""

LOOK_S = 0.1
SAFE_HALT_S = 3.0
OPERATIONS_MIN = 3


class Ending:
    """What happens after the faults."""

    def __init__(self, scene: Scene, rng: Random) -> None:
        self._scene = scene
        self._world = scene.world
        self._rng = rng

    def run(self) -> None:
        """Heal, wait, and judge. Raises: Violation."""
        core = self._choose_core()
        self._heal(core)
        if not core:
            self._world.tell("no quorum of sound disks is left: nothing is demanded")
            self._world.run_until(self._world.now + SAFE_HALT_S)
            return
        self._world.tell(f"nodes {[node.node for node in core]} are healed, the others stay broken")
        self._demand_progress(core)
        self._demand_quiet(core)
        self._demand_level()
        self._demand_told()
        self._demand_expiry()

    def _demand_progress(self, core: list[SimulatedNode]) -> None:
        """Every program gets on with the healed nodes alone (I11)."""
        goals = {program: program.completed + OPERATIONS_MIN for program in self._scene.programs}
        for program in goals:
            program.go_on()
        if not self._wait(PROGRESS_S, lambda: all(one.completed >= goal for one, goal in goals.items())):
            late = {one.host: f"{one.completed - goals[one] + OPERATIONS_MIN} done" for one in goals}
            self._world.fail("I11", f"no progress within {PROGRESS_S} s after healing {_roles(core)}: {late}")

    def _demand_quiet(self, core: list[SimulatedNode]) -> None:
        """When programs ask for nothing more, nothing is left waiting on a healed node (I10)."""
        for program in self._scene.programs:
            program.quiet = True
            for onlooker in program.onlookers:
                onlooker.is_slow = False
        left: list[str] = []

        def is_quiet() -> bool:
            if any(program.is_busy for program in self._scene.programs):
                return False
            left[:] = [what for node in core for what in leftovers(node)]
            return not left

        if not self._wait(QUIET_S, is_quiet):
            self._world.fail("I10", f"{QUIET_S} s after the last operation there is still {left or 'an open one'}")

    def _demand_level(self) -> None:
        """With everything healed, every node that may take part catches up with the others."""
        scene = self._scene
        scene.cluster.exchange_all_back()
        everybody = [node for node in scene.cluster.nodes.values() if not node.retired]
        self._heal(everybody)
        trusted = [node for node in everybody if not node.disk.ruined]

        def is_level() -> bool:
            machines = [node.machine for node in trusted]
            slots = {machine.applied_slot for machine in machines if machine is not None}
            return None not in machines and slots == {max(scene.judge.applied_slot, *slots)}

        if not self._wait(LEVEL_S, is_level):
            slots = {node.node: node.machine.applied_slot if node.machine else "down" for node in trusted}
            told = f"{LEVEL_S} s after everything was healed nodes have applied {slots}"
            self._world.fail("I11", f"{told}, {scene.judge.applied_slot} are chosen; {_roles(trusted)}")

    def _demand_told(self) -> None:
        """Whoever watches has been told everything (P29)."""
        sights = [one.sight for program in self._scene.programs for one in program.onlookers]
        if not self._wait(TOLD_S, lambda: all(sight.is_complete for sight in sights)):
            late = [f"{sight.wish} is told up to {sight.told}" for sight in sights if not sight.is_complete]
            newest = self._scene.judge.model.revision
            self._world.fail("P29", f"{TOLD_S} s after everything was healed, at revision {newest}: {late}")

    def _demand_expiry(self) -> None:
        """Leases that nobody keeps alive end, also while nothing else happens (P26)."""
        tenancies = self._scene.judge.model.tenancies
        if not self._wait(EXPIRY_S, lambda: not tenancies.alive):
            self._world.fail("I8", f"{EXPIRY_S} s after anybody cared for leases there still are {tenancies.alive}")

    def _wait(self, seconds: float, done: Callable[[], bool]) -> bool:
        """Let time pass until `done` holds; looked at now and then. Raises: Violation."""
        end = self._world.now + seconds
        while not done():
            if self._world.now >= end:
                return False
            self._world.run_until(min(end, self._world.now + LOOK_S))
        return True

    def _choose_core(self) -> list[SimulatedNode]:
        """Choose which nodes will be healed, none if too few have a disk that can be trusted."""
        nodes = list(self._scene.cluster.nodes.values())
        quorums = nodes[0].config.quorums
        sound = [node for node in nodes if not node.retired and not node.disk.ruined and not node.disk.foreign]
        need = max(quorums.phase1, quorums.phase2)
        return self._rng.sample(sound, need) if len(sound) >= need else []

    def _heal(self, core: list[SimulatedNode]) -> None:
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
        disk.hurry()
        node.clock_rate = 1.0
        if node.process is None:
            self._scene.cluster.start_again(node)
        else:
            node.process.set_clock(rate=1.0)
            node.process.wake_up()

    def _break(self, node: SimulatedNode) -> None:
        """Leave a node as it is, or make it worse in a way that lasts."""
        network = self._scene.network
        to = [network.link(other, node.node) for other in self._scene.ids if other != node.node]
        frm = [network.link(node.node, other) for other in self._scene.ids if other != node.node]
        match self._rng.randrange(5):
            case 0:
                node.kill(reset=self._rng.random() < 0.5)
            case 1:
                self._scene.cut(to, "drop")
            case 2:
                self._scene.cut(frm, "drop")
            case 3:
                self._scene.cut(to + frm, "hold")
            case _:
                pass


def _roles(nodes: list[SimulatedNode]) -> dict[int, str]:
    return {node.node: node.replica.role.value if node.replica else node.retired or "down" for node in nodes}
