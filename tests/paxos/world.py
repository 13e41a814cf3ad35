"""A cluster of real cores on a fake wire, with fake disks and a fake clock, told in a few verbs.

Nothing moves by itself: messages lie on the wire until they are delivered, disks sync at once unless held. `tick` lets
time pass and carries everything; `deliver`, `take` and `drop` pick single messages. `Oracle` watches every step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from paxoskv.paxos.ballot import NodeId, Slot, Value, Vote
from paxoskv.paxos.effects import Effects, Load, Write
from paxoskv.paxos.lease import NO_LEASES, LeaseTerms
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Ask, Envelope, Grant, Heartbeat, HeartbeatAck, Learn, Message
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.replica import Replica, Role, Settings
from paxoskv.paxos.timing import Timing
from tests.paxos.oracle import FakeJournal, Oracle

TICK_S = 0.01
TIMEOUT_S = Timing().election_timeout_s
LOAD_SLOTS = 3


@dataclass(frozen=True)
class Packet:
    """A message on the wire."""

    frm: NodeId
    to: NodeId
    message: Message


class Node:
    """One core with its disk. What is in `cache` was handed over and is lost in a crash."""

    def __init__(self, node: NodeId) -> None:
        self.id = node
        self.journal = FakeJournal()
        self.cache: deque[tuple[int, list[Write]]] = deque()
        self.waiting: deque[tuple[int, list[Envelope]]] = deque()
        self.disk_held = False
        self.up = True
        self.paused = False
        self.life = 0
        self.read_floors: dict[int, Slot] = {}
        self.replica: Replica


class Cluster:
    """Nodes 1..nodes. `chosen` is what the oracle knows to be chosen, by slot."""

    def __init__(
        self,
        nodes: int = 3,
        *,
        phase2: int | None = None,
        window: int = 16,
        seed: int = 1,
        forgetful: bool = False,
        lease: LeaseTerms = NO_LEASES,
        rates: Mapping[NodeId, float] | None = None,
    ) -> None:
        """forgetful: a restart loses the whole memory, as no acceptor may (to show that it is seen).

        rates: of clocks that run fast or slow.
        """
        self.quorums = Quorums.of(range(1, nodes + 1), phase2)
        self.oracle = Oracle(self.quorums)
        self.now = 1000.0
        self.wire: list[Packet] = []
        self.nodes = {node: Node(node) for node in self.quorums.members}
        self.reads_done: dict[int, str] = {}
        self._cut: set[tuple[NodeId, NodeId]] = set()
        self._window = window
        self._lease = lease
        self._rates = rates or {}
        self._rng = Random(seed)
        self._forgetful = forgetful
        self._next_token = 0
        for node in self.nodes.values():
            self._boot(node)

    # What is known

    @property
    def chosen(self) -> dict[Slot, Value]:
        return self.oracle.chosen

    def replica(self, node: NodeId) -> Replica:
        return self.nodes[node].replica

    def leaders(self) -> list[NodeId]:
        """The nodes that are up and lead, each under a ballot of its own."""
        return [n.id for n in self.nodes.values() if n.up and n.replica.role is Role.LEADER]

    def commit_slots(self) -> dict[NodeId, Slot]:
        return {node: self.replica(node).log.commit_slot for node in self.nodes}

    def on_wire(self, *kinds: type[Message], to: NodeId | None = None, frm: NodeId | None = None) -> list[Packet]:
        """The packets that match: of one of `kinds` (of any, if none is named), from `frm`, to `to`."""
        return [
            packet
            for packet in self.wire
            if (not kinds or isinstance(packet.message, kinds))
            and to in (None, packet.to)
            and frm in (None, packet.frm)
        ]

    def local_s(self, node: NodeId) -> float:
        """What the clock of a node shows."""
        return self.now * self._rates.get(node, 1.0)

    def has_lease(self, node: NodeId) -> bool:
        """Whether a node would answer reads without asking."""
        return self.nodes[node].up and self.replica(node).has_lease(self.local_s(node))

    # The wire

    def take(self, *kinds: type[Message], to: NodeId | None = None, frm: NodeId | None = None) -> list[Packet]:
        """Remove matching packets from the wire, to be `put` back late; at least one has to be there."""
        taken = self.on_wire(*kinds, to=to, frm=frm)
        assert taken, f"no {[kind.__name__ for kind in kinds]} from {frm} to {to} on the wire: {self.wire}"
        for packet in taken:
            self.wire.remove(packet)
        return taken

    drop = take

    def put(self, packets: list[Packet]) -> None:
        """Lay packets on the wire, perhaps for the second time."""
        self.wire += packets

    def duplicate(self, *kinds: type[Message], to: NodeId | None = None, frm: NodeId | None = None) -> None:
        self.put(self.on_wire(*kinds, to=to, frm=frm))

    def deliver(self, *kinds: type[Message], to: NodeId | None = None, frm: NodeId | None = None) -> None:
        """Deliver what matches now; the answers stay on the wire."""
        for packet in self.take(*kinds, to=to, frm=frm):
            self.hand(packet)

    def hand(self, packet: Packet) -> None:
        """Give a packet to its addressee, unless that is down or paused."""
        node = self.nodes[packet.to]
        if node.up and not node.paused:
            self.carry_out(node, node.replica.on_message(packet.frm, packet.message, self.local_s(node.id)))

    def settle(self) -> None:
        """Deliver everything until the wire is empty; no time passes."""
        while self.wire:
            self.hand(self.wire.pop(0))

    def cut(self, a: NodeId, b: NodeId) -> None:
        """Let nothing more pass between two nodes; what is on the wire already may still arrive."""
        self._cut |= {(a, b), (b, a)}

    def cut_one_way(self, frm: NodeId, to: NodeId) -> None:
        self._cut.add((frm, to))

    def isolate(self, node: NodeId) -> None:
        for other in self.nodes:
            self.cut(node, other)

    def keep_links(self, *links: tuple[NodeId, NodeId]) -> None:
        """Cut every link but these."""
        both_ways = {*links, *((b, a) for a, b in links)}
        self._cut = {(a, b) for a in self.nodes for b in self.nodes if a != b and (a, b) not in both_ways}

    def heal(self) -> None:
        self._cut.clear()

    # Time

    def tick(self, seconds: float) -> None:
        """Let time pass in small steps: timers run, everything is delivered."""
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self.run_timers()
            self.settle()

    def run_timers(self, late: Collection[NodeId] = ()) -> None:
        """Call every timer, but for those that are `late`."""
        for node in self.nodes.values():
            if node.up and not node.paused and node.id not in late:
                self.carry_out(node, node.replica.on_timer(self.local_s(node.id)))

    def tick_until(self, what: str, *, within_s: float = 4 * TIMEOUT_S, **wanted: object) -> None:
        """Tick until `leader=N` leads, or one of `leader_in=(...)`; fail after `within_s`."""
        deadline_s = self.now + within_s
        while not self._holds(wanted):
            assert self.now < deadline_s, f"not within {within_s} s: {what}; leaders {self.leaders()}"
            self.tick(TICK_S)

    def _holds(self, wanted: dict[str, object]) -> bool:
        leaders = self.leaders()
        among = wanted.get("leader_in", [wanted.get("leader")])
        assert isinstance(among, list), f"leader_in is a list of nodes, not {among!r}"
        return any(leader in among and self.replica(leader).can_propose() for leader in leaders)

    # Leadership

    def elect(self, node: NodeId) -> None:
        """Make `node` the leader of everybody it can reach: the others keep their Asks to themselves."""
        for leader in self.leaders():
            if leader != node:
                self.carry_out(self.nodes[leader], self.replica(leader).step_down(self.local_s(leader)))
        deadline_s = self.now + 4 * TIMEOUT_S
        while self.leaders() != [node] or not self.replica(node).can_propose():
            assert self.now < deadline_s, f"node {node} was not elected; leaders {self.leaders()}"
            self.now += TICK_S
            self.run_timers()
            while self.wire:
                packet = self.wire.pop(0)
                if packet.frm == node or not isinstance(packet.message, Ask):
                    self.hand(packet)
        self.tick(0.1)

    def campaign(self, node: NodeId) -> None:
        """Let `node` win consent and lay its Prepare on the wire: the others believe the leader, if any, to be silent.

        The leader itself notices nothing: its heartbeats are answered, but not heard.
        """
        others = [packet for packet in self.wire if not isinstance(packet.message, Heartbeat | HeartbeatAck)]
        self.wire.clear()
        if self.replica(node).role is not Role.FOLLOWER:
            self.carry_out(self.nodes[node], self.replica(node).step_down(self.local_s(node)))
        deadline_s = self.now + 4 * TIMEOUT_S
        while self.replica(node).role is not Role.CANDIDATE:
            assert self.now < deadline_s, f"node {node} did not become a candidate"
            self.now += TICK_S
            self.run_timers()
            others += self._campaign_traffic(node)
        self.wire = others + self.wire

    def _campaign_traffic(self, node: NodeId) -> list[Packet]:
        """Carry heartbeats, and what belongs to the campaign of `node`; return what is left."""
        left: list[Packet] = []
        while self.wire and self.replica(node).role is not Role.CANDIDATE:
            packet = self.wire.pop(0)
            message, to = packet.message, self.nodes[packet.to]
            if isinstance(message, Heartbeat) and packet.frm in self.leaders():
                ack = HeartbeatAck(message.ballot, message.round, to.replica.promised)
                if to.up:
                    self.hand(Packet(packet.to, packet.frm, ack))
            elif isinstance(message, Heartbeat | HeartbeatAck | Grant) or (
                isinstance(message, Ask) and packet.frm == node
            ):
                self.hand(packet)
            elif not isinstance(message, Ask):
                left.append(packet)
        return left

    def propose(self, node: NodeId, value: Value) -> Slot:
        """Propose at a leader; its messages lie on the wire. Returns the slot."""
        slot, out = self.replica(node).propose(value, self.local_s(node))
        self.carry_out(self.nodes[node], out)
        return slot

    def write(self, node: NodeId, *values: Value) -> None:
        """Propose at a leader, and settle until all nodes that can be reached know."""
        for value in values:
            self.propose(node, value)
            self.settle()
        self.tick(0.1)

    def read(self, node: NodeId) -> int:
        """Begin a linearizable read; its fate appears in `reads_done` as "ready" or "failed"."""
        self._next_token += 1
        token = self._next_token
        self.nodes[node].read_floors[token] = self.oracle.acknowledged_slot
        self.carry_out(self.nodes[node], self.replica(node).read(token, self.local_s(node)))
        return token

    # Disks and processes

    def hold_disk(self, node: NodeId) -> None:
        """From now on nothing of this node becomes durable, until `release_disk` or `sync`."""
        self.nodes[node].disk_held = True

    def release_disk(self, node: NodeId) -> None:
        self.nodes[node].disk_held = False
        self.sync(node)

    def sync(self, node: NodeId, transactions: int | None = None) -> None:
        """Make the oldest `transactions` durable, all if None, and send what waited for them."""
        one, own = self.nodes[node], list[Message]()
        remaining = len(one.cache) if transactions is None else transactions
        while one.cache and remaining:
            remaining -= 1
            ticket, records = one.cache.popleft()
            for record in records:
                one.journal.write(record)
            one.replica.on_written(ticket, self.local_s(node))
            while one.waiting and one.waiting[0][0] <= ticket:
                own += self._send(one, one.waiting.popleft()[1])
        for message in own:
            self.carry_out(one, one.replica.on_message(one.id, message, self.local_s(node)))

    def crash(self, node: NodeId) -> None:
        """The process ends at once; what is not durable is lost."""
        one = self.nodes[node]
        one.up = False
        one.cache.clear()
        one.waiting.clear()
        one.read_floors.clear()

    def start(self, node: NodeId) -> None:
        one = self.nodes[node]
        assert not one.up, f"node {node} is already up"
        one.up, one.disk_held, one.paused = True, False, False
        one.life += 1
        if self._forgetful:
            one.journal = FakeJournal()
            self.oracle.forget(node)
        self._boot(one)

    def restart(self, node: NodeId) -> None:
        self.crash(node)
        self.start(node)

    def pause(self, node: NodeId) -> None:
        """The process stands still: no timers, no messages; what is sent to it in the meantime is lost."""
        self.nodes[node].paused = True

    def resume(self, node: NodeId) -> None:
        self.nodes[node].paused = False

    def compact(self, node: NodeId, slot: Slot) -> None:
        """The node's checkpoint holds the slots up to `slot`; its journal forgets them."""
        self.sync(node)
        self.nodes[node].journal.compact(slot)
        self.replica(node).log.compacted_slot = slot

    def _boot(self, node: Node) -> None:
        journal = node.journal
        self.oracle.on_recovered(node.id, journal)
        readable_slot, known_slot = min(journal.readable_slot, journal.commit_slot), journal.commit_slot
        log = Log(readable_slot, journal.open_votes(), journal.damaged, journal.compacted_slot, known_slot)
        settings = Settings(node.id, self.quorums, Timing(), self._window, self._lease)
        rng = Random(self._rng.getrandbits(64))
        node.replica = Replica(settings, log, journal.recovered_promise(), rng, self.local_s(node.id))

    # Effects, in the order of their fields

    def carry_out(self, node: Node, out: Effects) -> None:
        """Do what a step asks for, then step again for messages of the node to itself."""
        before = node.replica.log.commit_slot - len(out.chosen)
        own = self._send(node, out.send_now)
        if out.persist:
            assert out.ticket, f"node {node.id}: records without a ticket: {out.persist}"
            node.cache.append((out.ticket, out.persist))
            for record in out.persist:
                self.oracle.on_record(record)
        if out.send_synced and node.cache:
            node.waiting.append((node.cache[-1][0], out.send_synced))
        else:
            own += self._send(node, out.send_synced)
        for load in out.load:
            self._answer_load(node, load)
        for offset, (slot, value) in enumerate(out.chosen, 1):
            assert slot == before + offset, f"node {node.id}: slot {slot} handed out after {before + offset - 1}"
            self.oracle.on_chosen(node.id, slot, value)
        self._finish_reads(node, out)
        if node.replica.role is Role.LEADER:
            self.oracle.on_leader(node.id, node.life, node.replica.ballot)
            self._check_leases(node)
        for message in own:
            self.carry_out(node, node.replica.on_message(node.id, message, self.local_s(node.id)))
        if node.cache and not node.disk_held:
            self.sync(node.id)

    def _check_leases(self, leader: Node) -> None:
        """Nobody is chosen while a leader of a lower ballot has a lease (P24)."""
        for other in self.nodes:
            if self.has_lease(other) and self.replica(other).ballot < leader.replica.ballot:
                raise AssertionError(f"node {leader.id} leads while node {other} has a lease")

    def _send(self, node: Node, envelopes: list[Envelope]) -> list[Message]:
        """Lay messages on the wire; return those to the node itself."""
        own: list[Message] = []
        for envelope in envelopes:
            self.oracle.on_sent(node.id, node.life, envelope.message, node.journal)
            if envelope.to == node.id:
                own.append(envelope.message)
            elif (node.id, envelope.to) not in self._cut:
                self.wire.append(Packet(node.id, envelope.to, envelope.message))
        return own

    def _answer_load(self, node: Node, load: Load) -> None:
        votes = tuple(self._readable(node.journal, load))
        if not votes and load.from_slot in node.journal.damaged:
            self.carry_out(node, node.replica.on_damaged([load.from_slot], self.local_s(node.id)))
        log = node.replica.log
        learn = Learn(log.commit_slot, log.compacted_slot, votes)
        if load.to == node.id:
            self.carry_out(node, node.replica.on_message(node.id, learn, self.local_s(node.id)))
        else:
            self._send(node, [Envelope(load.to, learn)])

    def _readable(self, journal: FakeJournal, load: Load) -> Iterator[tuple[Slot, Vote]]:
        """What fits in one piece of an answer."""
        for slot in range(load.from_slot, min(load.to_slot, load.from_slot + LOAD_SLOTS) + 1):
            if slot not in journal.votes or slot in journal.damaged:
                return
            yield slot, journal.votes[slot]

    def _finish_reads(self, node: Node, out: Effects) -> None:
        for token in out.reads_ready:
            floor, commit_slot = node.read_floors.pop(token), node.replica.log.commit_slot
            assert commit_slot >= floor, f"stale read at node {node.id}: slot {floor} was acknowledged, {commit_slot}"
            self.reads_done[token] = "ready"
        for token in out.reads_failed:
            node.read_floors.pop(token)
            self.reads_done[token] = "failed"
