"""One run: build what a plan describes, let anything go for a while, heal a quorum, and demand progress."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random

from paxoskv.kv.machine import Machine
from paxoskv.kv.replies import Reply
from paxoskv.node.config import NodeConfig
from paxoskv.paxos.ballot import NO_BALLOT, NodeId, Slot, Value
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.messages import Heartbeat, HeartbeatAck, Message
from paxoskv.paxos.replica import Replica
from paxoskv.simulator import knobs, logbook
from paxoskv.simulator.bounds import excesses
from paxoskv.simulator.client import Habits, Program
from paxoskv.simulator.cluster import PEER_PORT, Cluster
from paxoskv.simulator.ending import Ending
from paxoskv.simulator.faults import CATALOGUE
from paxoskv.simulator.judge import Judge
from paxoskv.simulator.leases import LeaseWatch
from paxoskv.simulator.links import Mood
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.model import Model
from paxoskv.simulator.network import Network
from paxoskv.simulator.node import SimulatedNode
from paxoskv.simulator.oracle import Oracle
from paxoskv.simulator.plan import Plan
from paxoskv.simulator.scene import Scene
from paxoskv.simulator.sightings import Sightings
from paxoskv.simulator.story import in_words
from paxoskv.simulator.swarm import ALL, draw
from paxoskv.simulator.world import Violation, World
from paxoskv.storage.journal import Journal

PROGRAM_HOST = 100
BOUNDS_S = 0.1
LEASE_TTL_S_MIN = 0.05
"""Lives are short, and leases have to end in them."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one run.

    violation: what went wrong, "" if nothing; rule: the broken rule. messages: heard by cores, and by clients.
    operations: of clients that ended in success. faults: how often each kind was injected.
    """

    seed: int
    violation: str
    rule: str
    messages: int
    events: int
    operations: int
    simulated_s: float
    wall_s: float
    trace_hash: str
    faults: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)

    @property
    def passed(self) -> bool:
        """Whether nothing went wrong."""
        return not self.violation

    def to_json(self) -> str:
        """Return the result on one line, for another process."""
        return json.dumps({item.name: getattr(self, item.name) for item in fields(self)})

    @classmethod
    def from_json(cls, line: str) -> Result:
        """Return the result on a line of `to_json`."""
        values = json.loads(line)
        return cls(**{**values, "faults": Counter(values["faults"]), "marks": Counter(values["marks"])})


def run_seed(
    seed: int,
    nodes: int | None = None,
    kinds: Sequence[str] = ALL,
    story: Callable[[float, str], None] | None = None,
) -> Result:
    """Run one seed from its beginning to its end. Never raises for what it finds: that is in the result."""
    return run_plan(draw(seed, nodes, kinds), story)


def run_plan(plan: Plan, story: Callable[[float, str], None] | None = None) -> Result:
    """Run a plan; `story` is told what happens, line by line, with the simulated time."""
    began_s = time.perf_counter()
    world = World(plan.seed)
    if story is not None:
        world.listen(story)
    with ExitStack() as stack:
        stack.enter_context(knobs.turned(plan.knobs, plan.limits, world))
        run = Run(plan, world)
        stack.enter_context(logbook.kept(world, run.marks))
        stack.callback(run.tear_down)
        violation = run.live()
    return run.result(violation, time.perf_counter() - began_s)


class _Watcher:
    """Shows everything to the oracle and to those who look for marks."""

    def __init__(self, world: World, oracle: Oracle, sightings: Sightings, leases: LeaseWatch) -> None:
        self._world = world
        self._leases = leases
        self.on_lease_asked = leases.on_lease_asked
        self._oracle = oracle
        self._sightings = sightings

    def on_message(self, replica: Replica, sender: NodeId, message: Message) -> None:
        if self._world.telling and sender != replica.node and _is_news(replica, message):
            self._world.tell(f"{sender} -> {replica.node}  {in_words(message)}")
        self._sightings.on_message(replica, sender, message)
        self._oracle.on_message(replica, sender, message)

    def on_step(self, replica: Replica, out: Effects, now: float) -> None:
        self._oracle.on_step(replica, out)
        self._sightings.on_step(replica, out, now)
        self._leases.on_step(replica)

    def on_applied(self, node: NodeId, slot: Slot, value: Value, replies: list[Reply], machine: Machine) -> None:
        self._oracle.on_applied(node, slot, value, replies, machine)
        self._sightings.on_applied(value, replies)


def _is_news(replica: Replica, message: Message) -> bool:
    """Whether a message belongs into a story: most heartbeats say what everybody knows."""
    if isinstance(message, Heartbeat):
        return message.commit_slot > replica.log.commit_slot or not message.connected
    return not isinstance(message, HeartbeatAck) or message.promised > message.ballot > NO_BALLOT


class Run:
    """The parts of one run, put together."""

    def __init__(self, plan: Plan, world: World) -> None:
        self.marks = Marks()
        self._plan = plan
        self._world = world
        self._faults: Counter[str] = Counter()
        configs = [_config(plan, node) for node in range(1, plan.nodes + 1)]
        self._network = network = Network(world, Mood(**plan.mood), plan.kernel_bytes, self.marks)
        self._model = Model(configs[0].kv_limits)
        self._oracle = Oracle(world, configs[0].quorums, self._model)
        self._sightings = Sightings(self.marks)
        leases = LeaseWatch(world, self.marks)
        watcher = _Watcher(world, self._oracle, self._sightings, leases)
        self._cluster = cluster = Cluster(world, network, configs, watcher, self.marks, plan.turn_s)
        leases.cluster = cluster
        leases.let_drift(world.rng("clocks"))
        self._oracle.disks = {node.node: node.disk for node in cluster.nodes.values()}
        for node in cluster.nodes.values():
            node.disk.sync_s = plan.sync_s
            node.on_recovered = self._on_recovered
        self._judge = Judge(world, self._model, self.marks)
        habits = Habits(**plan.habits)
        hosts = range(PROGRAM_HOST, PROGRAM_HOST + plan.programs)
        self._programs = [Program(world, network, host, cluster.ids, habits, self._judge) for host in hosts]
        self._scene = Scene(world, network, cluster, self._programs, self._judge, plan.sync_s)

    def live(self) -> Violation | None:
        """Live through the plan; return what went wrong, if anything did."""
        world = self._world
        self._cluster.start()
        for program in self._programs:
            program.start()
        for number, event in enumerate(self._plan.events):
            world.at(event.at_s, self._injection(number))
        world.after(BOUNDS_S, self._check_bounds)
        try:
            world.run_until(self._plan.safety_s)
            self._scene.anything_goes = False
            Ending(self._scene, Random(self._plan.ending)).run()
            self._judge.finish()
        except Violation as violation:
            return violation
        return world.violation

    def _check_bounds(self) -> None:
        """Look at the bounds of every node, now and then (I10)."""
        for node in self._cluster.nodes.values():
            for excess in excesses(node):
                self._world.fail("I10", f"node {node.node}: {excess}")
        self._world.after(BOUNDS_S, self._check_bounds)

    def tear_down(self) -> None:
        """End every process, so that nothing of this run is left to be collected in the middle of the next one."""
        for program in self._programs:
            program.kill()
        for node in self._cluster.nodes.values():
            node.kill()

    def result(self, violation: Violation | None, wall_s: float) -> Result:
        """Return the figures of the run."""
        self._count_model()
        return Result(
            seed=self._plan.seed,
            violation=str(violation or ""),
            rule=violation.rule if violation else "",
            messages=self._oracle.messages + 2 * self._judge.done,
            events=self._world.events,
            operations=self._judge.done,
            simulated_s=self._world.now,
            wall_s=wall_s,
            trace_hash=self._world.trace_hash(),
            faults=self._faults,
            marks=self.marks.hits,
        )

    def _injection(self, number: int) -> Callable[[], None]:
        event = self._plan.events[number]

        def inject() -> None:
            self._faults[event.kind] += 1
            self._world.tell(f"FAULT {event.kind}: {CATALOGUE[event.kind].text}")
            CATALOGUE[event.kind].inject(self._scene, Random(event.seed))

        return inject

    def _on_recovered(self, node: SimulatedNode, journal: Journal) -> None:
        """A node has read its journal."""
        recovered = journal.recovered
        self._sightings.on_start(node.node)
        self._oracle.on_recovered(node.node, node.life, recovered)
        if recovered.known_slot < self._oracle.applied.get(node.node, 0):
            self.marks.hit("restart forgets a commit")
        if recovered.open_votes:
            self.marks.hit("restart with open votes")
        if recovered.faulty:
            self.marks.hit("restart with a faulty slot")

    def _count_model(self) -> None:
        """Marks that the model has counted."""
        model, judge = self._model, self._judge
        counts = {
            "retry answered from the kept reply": model.repeats,
            "late copy refused": model.late,
            "retry of a transaction answered from the kept reply": model.txn_repeats,
            "transaction refused": model.refused,
            "lease extended by a new leader": model.extended,
            "lease expired": len(model.tenancies.expiries),
            "session expired": model.expired,
            "outcome unknown": judge.unknown,
            "write refused": judge.failed,
        }
        self.marks.hits.update({mark: count for mark, count in counts.items() if count})


def _config(plan: Plan, node: int) -> NodeConfig:
    members = {number: f"127.0.0.1:{PEER_PORT + number}" for number in range(1, plan.nodes + 1)}
    settings = {"lease_ttl_s_min": LEASE_TTL_S_MIN, **plan.settings}
    config = NodeConfig(node=node, directory=Path("/simulated"), cluster=members, **settings)
    for name, value in plan.forced.items():
        object.__setattr__(config, name, value)  # beyond what a configuration may say: bounds must hold at any size
    return config
