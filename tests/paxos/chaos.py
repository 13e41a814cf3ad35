"""Short random lives of a cluster: everything the network, the disks and the processes may do, by one seed.

A fore-runner of the simulator: the weights of the faults are drawn per seed, some are zero, and the core's limits are
made tiny, so that rare paths run. The oracle judges every step; in the end all is healed, and progress is demanded.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest

from paxoskv.paxos.ballot import NodeId, Slot
from paxoskv.paxos.timing import Timing
from tests.paxos.world import Cluster, Node, Packet

TIMER_S = 0.02
CHAOS_S = 4.0
RECOVERY_S = 12 * Timing().election_timeout_s
"""Within so long after the last fault a leader must have been found, and every node be level with it."""


@dataclass(frozen=True)
class Weights:
    """loss, duplicate, late: chance of a packet. delay_s, disk_s: mean. The others: faults a second, by kind."""

    loss: float
    duplicate: float
    late: float
    delay_s: float
    disk_s: float
    cut: float
    crash: float
    pause: float
    stuck_disk: float
    stuck_timer: float

    @classmethod
    def draw(cls, rng: Random) -> Weights:
        return cls(
            loss=rng.choice([0, 0, 0.01, 0.1, 0.3]),
            duplicate=rng.choice([0, 0, 0.05, 0.3]),
            late=rng.choice([0, 0, 0.02, 0.1]),
            delay_s=rng.choice([0.0005, 0.005, 0.03]),
            disk_s=rng.choice([0.0005, 0.005, 0.03]),
            cut=rng.choice([0, 0.5, 3]),
            crash=rng.choice([0, 0.5, 3]),
            pause=rng.choice([0, 0, 1]),
            stuck_disk=rng.choice([0, 0, 1]),
            stuck_timer=rng.choice([0, 0, 1]),
        )


class Chaos:
    """One life: `run` it, then look at `cluster`."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self._weights = Weights.draw(self._rng)
        nodes, phase2 = self._rng.choice([(3, None), (3, None), (5, None), (5, 2), (5, 4), (1, None)])
        window = self._rng.choice([1, 2, 16])
        self.cluster = Cluster(nodes, phase2=phase2, window=window, seed=seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._syncing: set[NodeId] = set()
        self._stuck: set[NodeId] = set()
        self._timeless: set[NodeId] = set()
        self._silent = False
        self._rotten = self._rng.choice([None, *self.cluster.nodes]) if nodes > 1 else None
        for node in self.cluster.nodes:
            self.cluster.hold_disk(node)
        self._every(TIMER_S, self._timers)
        self._every(self._rng.choice([0.01, 0.05, 0.2]), self._client)

    def run(self) -> None:
        """Live through the faults, then recover."""
        weights = self._weights
        for per_second, fault in (
            (weights.cut, self._cut),
            (weights.crash, self._crash),
            (weights.pause, self._pause),
            (weights.stuck_disk, self._stick_disk),
            (weights.stuck_timer, self._stick_timer),
            (0.5, self._compact),
            (0.5, self._scrub),
        ):
            if per_second:
                self._every(1 / per_second, fault)
        self._live_until(self.cluster.now + CHAOS_S)
        self._heal()
        self._live_until(self.cluster.now + RECOVERY_S)
        self._demand_progress()

    # Events

    def _after(self, delay_s: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.cluster.now + delay_s, self._count, act))

    def _every(self, mean_s: float, act: Callable[[], None]) -> None:
        def again() -> None:
            if self._weights is not _CALM or act in (self._timers, self._client):
                act()
                self._after(self._rng.uniform(0.5, 1.5) * mean_s, again)

        self._after(self._rng.uniform(0, mean_s), again)

    def _live_until(self, end_s: float) -> None:
        while self._events[0][0] <= end_s:
            self.cluster.now, _, act = heapq.heappop(self._events)
            act()
            self._ship()

    def _ship(self) -> None:
        """Give every new packet its fate, and every unsynced record its time."""
        cluster, rng, weights = self.cluster, self._rng, self._weights
        packets, cluster.wire = cluster.wire, []
        for packet in packets:
            copies = (rng.random() >= weights.loss) + (rng.random() < weights.duplicate)
            for _ in range(copies):
                late_s = rng.uniform(0.1, 2) if rng.random() < weights.late else 0
                self._after(late_s + rng.expovariate(1 / weights.delay_s), self._arrival(packet))
        for node in cluster.nodes.values():
            if node.cache and node.id not in self._syncing:
                self._syncing.add(node.id)
                self._after(rng.expovariate(1 / weights.disk_s), self._sync_of(node.id, node.life))

    def _arrival(self, packet: Packet) -> Callable[[], None]:
        return lambda: self.cluster.hand(packet)

    def _sync_of(self, node: NodeId, life: int) -> Callable[[], None]:
        def sync() -> None:
            self._syncing.discard(node)
            one = self.cluster.nodes[node]
            if one.life == life and one.up and node not in self._stuck:
                self.cluster.sync(node, self._rng.randint(1, len(one.cache)) if one.cache else 0)

        return sync

    def _timers(self) -> None:
        self.cluster.run_timers(self._timeless)

    def _client(self) -> None:
        """Write and read at whoever leads, deposed leaders included, and read anywhere."""
        cluster, rng = self.cluster, self._rng
        if self._silent:
            return
        leaders = [leader for leader in cluster.leaders() if not cluster.nodes[leader].paused]
        for leader in leaders:
            if cluster.replica(leader).can_propose():
                cluster.propose(leader, f"v{self._count}".encode() * rng.randint(1, 3))
        for reader in (*leaders, rng.choice(list(cluster.nodes))):
            if cluster.nodes[reader].up and not cluster.nodes[reader].paused:
                cluster.read(reader)

    # Faults

    def _cut(self) -> None:
        a, b = self._rng.choice(list(self.cluster.nodes)), self._rng.choice(list(self.cluster.nodes))
        match self._rng.randrange(4):
            case 0:
                self.cluster.cut(a, b)
            case 1:
                self.cluster.cut_one_way(a, b)
            case 2:
                self.cluster.isolate(a)
            case _:
                self.cluster.heal()

    def _crash(self) -> None:
        node = self._rng.choice(list(self.cluster.nodes.values()))
        if not node.up:
            return
        self.cluster.crash(node.id)
        if node.id == self._rotten and self._rng.random() < 0.3:
            self._rot(node)
        self._after(self._rng.choice([0, 0.1, 1]), lambda: self._start(node.id))

    def _scrub(self) -> None:
        """The rotten node finds damage while it runs."""
        if self._rotten is not None and self.cluster.nodes[self._rotten].up:
            node = self.cluster.nodes[self._rotten]
            for slot in self._rot(node):
                self.cluster.carry_out(node, node.replica.on_damaged([slot], self.cluster.now))

    def _rot(self, node: Node) -> list[Slot]:
        """Damage a few records that some other journal still has; return their slots."""
        gone = max(one.journal.compacted_slot for one in self.cluster.nodes.values())
        votes = list(node.journal.open_votes() if self._rng.random() < 0.5 else node.journal.votes)
        left = [slot for slot in votes if slot > gone]
        rotten = self._rng.sample(left, min(len(left), self._rng.choice([1, 1, 3])))
        node.journal.damaged |= set(rotten)
        return rotten

    def _start(self, node: NodeId) -> None:
        if not self.cluster.nodes[node].up:
            self.cluster.start(node)
            self.cluster.hold_disk(node)
            self._stuck.discard(node)

    def _pause(self) -> None:
        node = self._rng.choice(list(self.cluster.nodes))
        self.cluster.pause(node)
        self._after(self._rng.choice([0.1, 1, 3]), lambda: self.cluster.resume(node))

    def _stick_disk(self) -> None:
        node = self._rng.choice(list(self.cluster.nodes))
        self._stuck.add(node)
        self._after(self._rng.choice([0.1, 1]), lambda: self._stuck.discard(node))

    def _stick_timer(self) -> None:
        """The node hears and answers, but its timers are late: it does not notice that time has passed."""
        node = self._rng.choice(list(self.cluster.nodes))
        self._timeless.add(node)
        self._after(self._rng.choice([0.5, 2]), lambda: self._timeless.discard(node))

    def _compact(self) -> None:
        """Forget what every node has durably, so that nobody needs a snapshot."""
        nodes = self.cluster.nodes.values()
        slot = min(min(node.journal.commit_slot, node.journal.readable_slot) for node in nodes)
        one = self._rng.choice(list(nodes))
        if one.up and slot > one.journal.compacted_slot and not one.cache:
            self.cluster.compact(one.id, slot)

    # Recovery

    def _heal(self) -> None:
        self.cluster.heal()
        self._weights = _CALM
        self._stuck.clear()
        self._timeless.clear()
        self._silent = self._rng.random() < 0.5
        for node in self.cluster.nodes:
            self.cluster.resume(node)
            self._start(node)

    def _demand_progress(self) -> None:
        """Every read has come to an end; one leader; what it writes gets everywhere, and reads succeed everywhere."""
        cluster = self.cluster
        self._silent = True
        self._live_until(cluster.now + 1)
        hanging = [(node.id, token) for node in cluster.nodes.values() for token in node.read_floors]
        assert not hanging, f"reads hang: {hanging}"
        elections, leaders = cluster.oracle.ballots_used, cluster.leaders()
        assert len(leaders) == 1, f"leaders {leaders} after {RECOVERY_S} s without a fault"
        slot = cluster.propose(leaders[0], b"last")
        reads = [cluster.read(node) for node in cluster.nodes]
        self._ship()
        self._live_until(cluster.now + 1)
        assert min(cluster.commit_slots().values()) >= slot, f"slot {slot} not everywhere: {cluster.commit_slots()}"
        assert cluster.leaders() == leaders, f"{leaders} lost the lead to {cluster.leaders()} without a fault"
        assert cluster.oracle.ballots_used == elections, "an election without a fault"
        fates = {cluster.reads_done.get(token, "hangs") for token in reads}
        assert fates == {"ready"}, f"reads without a fault: {fates}"


_CALM = Weights(
    loss=0,
    duplicate=0,
    late=0,
    delay_s=0.0005,
    disk_s=0.0005,
    cut=0,
    crash=0,
    pause=0,
    stuck_disk=0,
    stuck_timer=0,
)


def run(seed: int) -> Chaos:
    """Live through one seed, with limits of the core so small that they matter. Raises: AssertionError."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paxoskv.paxos.log.TAIL_SLOTS", 8)
        patch.setattr("paxoskv.paxos.acceptor.PART_VOTES_MAX", 2)
        patch.setattr("paxoskv.paxos.learner.PART_BYTES_MAX", 40)
        chaos = Chaos(seed)
        chaos.run()
        return chaos
