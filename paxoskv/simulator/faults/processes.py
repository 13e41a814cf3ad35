"""Faults of processes and their clocks."""

from __future__ import annotations

from random import Random

from paxoskv.simulator.faults.catalogue import fault
from paxoskv.simulator.node import SimulatedNode
from paxoskv.simulator.scene import Scene


def _restart_later(scene: Scene, node: SimulatedNode, delay_s: float) -> None:
    scene.later(delay_s, lambda: scene.cluster.start_again(node))


def _kill_and_restart(scene: Scene, rng: Random, node: SimulatedNode, reset: bool = True) -> None:
    node.kill(reset)
    _restart_later(scene, node, rng.choice((0.01, 0.2, 1.0, 4.0)))


@fault("kill", "S8", "SIGKILL; started again after a while", per_minute=30)
def kill(scene: Scene, rng: Random) -> None:
    """What was not durable is lost."""
    _kill_and_restart(scene, rng, scene.victim(rng))


@fault("power loss", "S8", "a machine loses power: nobody is told, nothing refuses")
def power_loss(scene: Scene, rng: Random) -> None:
    """Peers find out by silence alone (R22)."""
    _kill_and_restart(scene, rng, scene.victim(rng), reset=False)


@fault("kill loop", "S9", "one node is killed again and again, every 200 ms or so", per_minute=6)
def kill_loop(scene: Scene, rng: Random) -> None:
    """It never gets far."""
    node = scene.victim(rng)
    for turn in range(rng.randrange(3, 12)):
        at_s = turn * rng.uniform(0.05, 0.3)
        scene.later(at_s, node.kill)
        _restart_later(scene, node, at_s + 0.01)


@fault("kill all", "S9", "all nodes are killed at once", per_minute=6)
def kill_all(scene: Scene, rng: Random) -> None:
    """What was acknowledged is on disks."""
    reset = rng.random() < 0.5
    for node in scene.cluster.nodes.values():
        _kill_and_restart(scene, rng, node, reset)


@fault("kill in a write", "S10", "a node is killed in the middle of its next transaction", per_minute=40)
def kill_in_a_write(scene: Scene, rng: Random) -> None:
    """It is durable or not; in neither case anybody was told."""
    node = scene.victim(rng)
    countdown = rng.randrange(1, 4)

    def strike() -> None:
        nonlocal countdown
        countdown -= 1
        if not countdown and scene.anything_goes:
            node.disk.on_write = None
            _kill_and_restart(scene, rng, node)

    node.disk.on_write = strike


@fault("terminate", "P37", "SIGTERM: the node finishes what it has begun and hands leadership over")
def terminate(scene: Scene, rng: Random) -> None:
    """Started again when it has ended."""
    scene.victim(rng).terminate()


@fault("pause", "S19", "SIGSTOP for 1 ms to 60 s", per_minute=30)
def pause(scene: Scene, rng: Random) -> None:
    """The node wakes up in a later world, and believes it is still earlier."""
    process = scene.process(rng)
    if process is not None:
        process.pause(rng.choice((0.001, 0.05, 0.3, 1.0, 4.0, 60.0)))


@fault("stall", "S21", "one turn of the event loop takes up to 2 s", per_minute=30)
def stall(scene: Scene, rng: Random) -> None:
    """What the turn decided leaves at its end, based on what was true at its beginning."""
    process = scene.process(rng)
    if process is not None:
        process.stall_s = rng.choice((0.02, 0.3, 0.9, 2.0))


@fault("late timers", "S21", "timers do not run for a while, messages do")
def late_timers(scene: Scene, rng: Random) -> None:
    """The node does not notice that time has passed."""
    process = scene.process(rng)
    if process is not None:
        process.loop.hold_timers(True)
        scene.later(rng.choice((0.2, 1.0, 2.0)), lambda: process.release_timers())


@fault("zombie leader", "S19", "a leader is cut off from its peers, and does not notice that time passes")
def zombie_leader(scene: Scene, rng: Random) -> None:
    """A client that mostly reads still reaches it: only a round of its own tells it that its state is old (P23)."""
    _make_zombie(scene, rng, scene.leader() or scene.victim(rng))


@fault("zombie clock", "S20", "a leader is cut off from its peers, and its clock stands still", per_minute=10)
def zombie_clock(scene: Scene, rng: Random) -> None:
    """As a machine whose host stops the clocks of its guests: to this leader, no time passes at all."""
    node = scene.leader() or scene.victim(rng)
    _set_rate(node, 0.0)
    _make_zombie(scene, rng, node)
    scene.later(rng.choice((1.0, 3.0)), lambda: _set_rate(node, 1.0))


def _make_zombie(scene: Scene, rng: Random, node: SimulatedNode) -> None:
    process, network = node.process, scene.network
    if process is None:
        return
    links = [link for link in network.links(scene.ids) if node.node in (link.frm, link.to)]
    scene.cut(links, rng.choice(("hold", "drop")))
    reader = max(scene.programs, key=lambda program: program.reads)
    strayed = [program.host for program in scene.programs if program is not reader]
    client_links = [link for host in strayed for link in (network.link(host, node.node), network.link(node.node, host))]
    scene.cut(client_links, "reset")
    process.loop.hold_timers(True)
    seconds = rng.choice((1.0, 2.0, 4.0))
    scene.later(seconds, lambda: scene.restore(links + client_links))
    scene.later(seconds * rng.uniform(0.8, 1.2), process.release_timers)


@fault("pause a client", "S19", "a program stands still, or is killed and started again", per_minute=10)
def pause_client(scene: Scene, rng: Random) -> None:
    """What it had open has an unknown outcome."""
    program = rng.choice(scene.programs)
    if rng.random() < 0.5:
        program.kill()
        scene.later(rng.choice((0.01, 0.5)), program.start_again)
    elif program.process is not None:
        program.process.pause(rng.choice((0.3, 1.5, 4.0)))


@fault("clock rate", "S20", "a monotonic clock runs fast or slow", per_minute=10)
def clock_rate(scene: Scene, rng: Random) -> None:
    """From half to twice the speed, until it is set right."""
    node = scene.victim(rng)
    _set_rate(node, rng.choice((0.5, 0.9, 1.1, 1.5, 2.0)))
    scene.later(rng.choice((1.0, 5.0)), lambda: _set_rate(node, 1.0))


@fault("clock drift", "P24", "a monotonic clock runs fast or slow, within the bound that leases trust", per_minute=20)
def clock_drift(scene: Scene, rng: Random) -> None:
    """As wrong as may be, until it drifts the other way."""
    node = scene.victim(rng)
    drift_max = node.config.clock_drift_max
    _set_rate(node, 1 + rng.choice((-drift_max, 0.0, drift_max)))


@fault("clock stops", "S20", "a monotonic clock stands still", per_minute=10)
def clock_stops(scene: Scene, rng: Random) -> None:
    """Nothing becomes due on this node."""
    node = scene.victim(rng)
    _set_rate(node, 0.0)
    scene.later(rng.choice((0.3, 1.5)), lambda: _set_rate(node, 1.0))


@fault("clock jumps", "S20", "a monotonic clock jumps ahead, as after a suspended machine", per_minute=10)
def clock_jumps(scene: Scene, rng: Random) -> None:
    """By up to an hour: everything becomes due at once."""
    process = scene.process(rng)
    if process is not None:
        process.set_clock(ahead_s=rng.choice((0.5, 10.0, 3600.0)))


def _set_rate(node: SimulatedNode, rate: float) -> None:
    node.clock_rate = rate
    if node.process is not None:
        node.process.set_clock(rate=rate)


@fault("duel", "S22", "all nodes believe that the leader is gone, at the same moment", per_minute=15)
def duel(scene: Scene, rng: Random) -> None:
    """Simultaneous attempts must end soon (P19)."""
    for node in scene.cluster.nodes.values():
        if node.process is not None and rng.random() < 0.8:
            node.process.set_clock(ahead_s=1.0)
