"""What must hold among the cores, judged from outside: from what enters and leaves them and what is on their disks.

The truth about what was chosen comes from votes alone: a value is chosen once a phase-2 quorum of distinct nodes has
said `Accepted` for one ballot and somebody has heard it. Names of the rules: I1 to I12 of pitfalls C.1, and P1a, P2,
P2b of the papers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from paxoskv.kv.commands import decode_batch, decode_command
from paxoskv.kv.machine import Machine
from paxoskv.kv.replies import Reply
from paxoskv.paxos.ballot import NO_BALLOT, Ballot, NodeId, Slot, Value, Vote
from paxoskv.paxos.effects import Effects, SaveVote
from paxoskv.paxos.messages import Accept, Accepted, Learn, Message, Prepare, Promise
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.replica import Replica, Role
from paxoskv.simulator.disk import Disk
from paxoskv.simulator.model import Model
from paxoskv.simulator.past import EVERYTHING
from paxoskv.simulator.world import World
from paxoskv.storage.scan import Recovered

_HIGHEST = Ballot(1 << 62, 0)
_TICK_S = 0.001
"""What log time is counted in."""


class _Origin(NamedTuple):
    """By whom, and when, a value was first proposed in a slot."""

    ballot: Ballot
    time: float


class Oracle:
    """Sees every message that a core hears, every step it makes, every slot a machine applies.

    chosen: the truth so far. messages: how many were heard. elections: ballots prepared so far.
    lives, applied: of each node, the present process and the slot that its machine has reached.
    """

    def __init__(self, world: World, quorums: Quorums, model: Model) -> None:
        self.chosen: dict[Slot, Value] = {}
        self.messages = 0
        self.model = model
        self.disks: Mapping[NodeId, Disk] = {}
        self.lives: dict[NodeId, int] = {}
        self.applied: dict[NodeId, Slot] = {}
        self._world = world
        self._quorums = quorums
        self._proposed: dict[Slot, dict[Ballot, Value]] = defaultdict(dict)
        self._voters: dict[tuple[Ballot, Slot], set[NodeId]] = defaultdict(set)
        self._first_ballot: dict[Slot, Ballot] = {}
        self._leaders: dict[Ballot, tuple[NodeId, int]] = {}
        self._candidates: dict[Ballot, tuple[NodeId, int]] = {}
        self._prepares_heard: set[Ballot] = set()
        self._promise_said: dict[NodeId, Ballot] = defaultdict(lambda: NO_BALLOT)
        self._promise_heard: dict[NodeId, Ballot] = defaultdict(lambda: NO_BALLOT)
        self._votes_heard: dict[NodeId, dict[Slot, Ballot]] = defaultdict(dict)
        self._replies: dict[Slot, tuple[list[Reply], str]] = {}
        self._origins: dict[Slot, dict[Value, _Origin]] = defaultdict(dict)
        self._expiries_seen = 0

    @property
    def elections(self) -> int:
        """How many ballots were prepared."""
        return len(self._candidates)

    # A life begins

    def on_recovered(self, node: NodeId, life: int, recovered: Recovered) -> None:
        """A node has read its journal: nothing that it ever said may be missing (I2, P3)."""
        self.lives[node] = life
        promised = self._promise_said[node] = self._promise_heard[node]
        if self.disks[node].ruined:
            return
        if recovered.promised < promised:
            self._fail("I2", f"node {node} restarts with promise {recovered.promised}, it has promised {promised}")
        for slot, ballot in self._votes_heard[node].items():
            vote = recovered.open_votes.get(slot)
            if slot > recovered.commit_slot and not self._counts_for(slot, ballot, vote):
                self._fail("I2", f"node {node} restarts with {vote!r:.100} in slot {slot}, it has voted in {ballot}")

    def _counts_for(self, slot: Slot, ballot: Ballot, vote: Vote | None) -> bool:
        """Whether a vote on a disk is as good as one of `ballot`: not below it, or for what was chosen before."""
        return vote is not None and (vote.ballot >= ballot or vote.value == self.chosen.get(slot))

    # Watcher

    def on_message(self, replica: Replica, sender: NodeId, message: Message) -> None:
        """A core hears a message."""
        self.messages += 1
        match message:
            case Accepted(ballot, slot):
                self._hear_vote(sender, ballot, slot)
            case Promise(ballot=ballot):
                self._hear_promise(sender, ballot)
            case Prepare(ballot, _):
                self._prepares_heard.add(ballot)
            case Learn(votes=votes):
                for slot, vote in votes:
                    self._check_chosen(slot, vote.value, f"node {sender} taught")
            case _:
                pass

    def on_step(self, replica: Replica, out: Effects) -> None:
        """A core has made a step."""
        node = replica.node
        for envelope in out.send_now:
            message = envelope.message
            if type(message) is Accept:
                self._on_proposal(message.ballot, message.slot, message.value)
        for write in out.persist:
            if type(write) is SaveVote:
                self._on_proposal(write.vote.ballot, write.slot, write.vote.value)
        for envelope in out.send_synced:
            self._on_said(node, envelope.message)
        for slot, value in out.chosen:
            self._check_chosen(slot, value, f"node {node} takes for chosen")
        if out.role_changed and replica.role is Role.LEADER:
            self._on_leader(node, replica.ballot)

    def on_applied(self, node: NodeId, slot: Slot, value: Value, replies: list[Reply], machine: Machine) -> None:
        """A machine has applied a slot (I3, I5, I6)."""
        self.applied[node] = slot
        self._check_chosen(slot, value, f"node {node} applied")
        digest = machine.digest()
        if slot > self.model.applied_slot:
            expected = self.model.apply(slot, value)
            self._replies[slot] = (expected, digest)
            self._check_expiries(slot)
            if self.model.twice:
                self._fail("I6", f"slot {slot} executes the write of {self.model.twice} a second time")
        expected, first_digest = self._replies[slot]
        if replies != expected:
            self._fail("I6", f"node {node}, slot {slot}: replies {replies}, the model says {expected}")
        if digest != first_digest:
            self._fail("I5", f"node {node} has digest {digest} at slot {slot}, another one had {first_digest}")
        self._compare(node, slot, machine)

    def _compare(self, node: NodeId, slot: Slot, machine: Machine) -> None:
        """A machine holds as much as the model, and tells what the slot has changed (I5, P29)."""
        past = self.model.past
        first, last = past.revision_at(slot - 1) + 1, past.revision_at(slot)
        self.model.forgotten.add(machine.compacted_revision)
        if machine.revision != last or machine.compacted_revision < self.model.compacted_at(slot):
            found = f"revision {machine.revision} and has forgotten what was before {machine.compacted_revision}"
            self._fail("I5", f"node {node} is at {found} in slot {slot}, it should be {last}")
        if slot == self.model.applied_slot and machine.leases != len(self.model.tenancies.alive):
            self._fail("I8", f"node {node} has {machine.leases} leases, there are {self.model.tenancies.alive}")
        first = max(first, machine.compacted_revision + 1)
        if first > last:
            return
        told = list(machine.events(first, last))
        expected = [(revision, past.events_of(revision, EVERYTHING)) for revision in range(first, last + 1)]
        if told != [(revision, events) for revision, events in expected if events]:
            self._fail("P29", f"node {node} tells of slot {slot} {told!r:.300}, it was {expected!r:.300}")

    # Rules

    def _check_expiries(self, slot: Slot) -> None:
        """No lease ends before its time, by log time and by anybody's clock, or without one chance (I8, P18, P26)."""
        new = self.model.tenancies.expiries[self._expiries_seen :]
        self._expiries_seen += len(new)
        for lease, ttl_ms, renewed_slot, due_slot in new:
            renewed, ended = self._authors(renewed_slot), self._authors(due_slot)
            if not renewed & ended:
                who = f"{ended}, who has never extended it: last was {renewed}, slot {renewed_slot}"
                self._fail("P18", f"lease {lease} is due in slot {due_slot} by the time of {who}")
            lived_s = self._world.now - self._origins[renewed_slot][self.chosen[renewed_slot]].time
            if lived_s < ttl_ms / 1000 - _TICK_S and not self._world.clocks_differ:
                self._fail("I8", f"lease {lease} of {ttl_ms} ms ended after {lived_s:.3f} s, in slot {slot}")

    def _authors(self, slot: Slot) -> set[Ballot]:
        """Return the ballots of whoever may have made the value of a slot, not only proposed it again."""
        value = self.chosen[slot]
        if any(command[1] for command in map(decode_command, decode_batch(value).commands)):
            return {self._origins[slot][value].ballot}
        return {ballot for ballot, proposed in self._proposed[slot].items() if proposed == value}

    def _on_said(self, node: NodeId, message: Message) -> None:
        """A core speaks of durable things, once they are."""
        match message:
            case Prepare(ballot, _):
                user = (node, self.lives.get(node, 0))
                first = self._candidates.get(ballot, user)
                if first != user and ballot in self._prepares_heard:
                    self._fail("P2", f"ballot {ballot} of node and life {first} is used again by {user}")
                self._candidates[ballot] = user
            case Promise(ballot=ballot):
                self._promise_said[node] = max(self._promise_said[node], ballot)
            case Accepted(ballot, slot):
                promised = self._promise_said[node]
                if ballot < promised:
                    self._fail("P1a", f"node {node} votes in {ballot}, slot {slot}, after it promised {promised}")
            case _:
                pass

    def _on_proposal(self, ballot: Ballot, slot: Slot, value: Value) -> None:
        proposed = self._proposed[slot]
        self._origins[slot].setdefault(value, _Origin(ballot, self._world.now))
        first = proposed.setdefault(ballot, value)
        if first != value:
            self._fail("one value per ballot", f"{ballot}, slot {slot}: {first!r:.80}, then {value!r:.80}")
        if slot in self._first_ballot:
            self._check_p2b(slot, ballot)

    def _check_p2b(self, slot: Slot, ballot: Ballot) -> None:
        """Every proposal not below the ballot of the choice has the chosen value."""
        value, chosen_in = self._proposed[slot][ballot], self._first_ballot[slot]
        if ballot >= chosen_in and value != self.chosen[slot]:
            chosen = f"slot {slot} is chosen in {chosen_in} as {self.chosen[slot]!r:.80}"
            self._fail("P2b", f"{chosen}, {ballot} proposes {value!r:.80}")

    def _hear_promise(self, sender: NodeId, ballot: Ballot) -> None:
        disk = self.disks[sender]
        if not disk.ruined and not disk.foreign and disk.promised() < ballot:
            self._fail("I2", f"node {sender} speaks of promise {ballot}, on its disk is {disk.promised()}")
        self._promise_heard[sender] = max(self._promise_heard[sender], ballot)

    def _hear_vote(self, voter: NodeId, ballot: Ballot, slot: Slot) -> None:
        voters = self._voters[ballot, slot]
        if voter in voters:
            return
        self._check_durable(voter, ballot, slot)
        heard = self._votes_heard[voter]
        heard[slot] = max(heard.get(slot, NO_BALLOT), ballot)
        voters.add(voter)
        if self._quorums.is_phase2(voters):
            self._on_quorum(ballot, slot)

    def _check_durable(self, voter: NodeId, ballot: Ballot, slot: Slot) -> None:
        disk = self.disks[voter]
        if disk.ruined or disk.foreign:
            return
        vote = disk.vote(slot)
        if not self._counts_for(slot, ballot, vote):
            self._fail("I2", f"node {voter} speaks of a vote of {ballot} in slot {slot}, on its disk is {vote!r:.100}")

    def _on_quorum(self, ballot: Ballot, slot: Slot) -> None:
        proposed = self._proposed[slot]
        if ballot not in proposed:
            self._fail("I1", f"slot {slot} has votes in {ballot}, which proposed nothing there")
            return
        value = proposed[ballot]
        first = self.chosen.setdefault(slot, value)
        if first != value:
            self._fail("I1", f"slot {slot} is chosen twice: {first!r:.80}, then {value!r:.80} in {ballot}")
        if ballot < self._first_ballot.get(slot, _HIGHEST):
            self._first_ballot[slot] = ballot
            for proposed_in in proposed:
                self._check_p2b(slot, proposed_in)

    def _check_chosen(self, slot: Slot, value: Value, who: str) -> None:
        chosen = self.chosen.get(slot)
        if chosen is None:
            self._fail("I3", f"{who} {value!r:.80} in slot {slot}, which no quorum has voted for")
        elif chosen != value:
            self._fail("I3", f"{who} {value!r:.80} in slot {slot}, chosen is {chosen!r:.80}")

    def _on_leader(self, node: NodeId, ballot: Ballot) -> None:
        leader = (node, self.lives.get(node, 0))
        first = self._leaders.setdefault(ballot, leader)
        if first != leader:
            self._fail("I12", f"ballot {ballot} is led by node and life {first} and {leader}")

    def _fail(self, rule: str, message: str) -> None:
        self._world.fail(rule, message)
