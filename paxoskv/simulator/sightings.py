"""Finds marks in what cores hear and do, from outside: from messages, and from the state before and after a step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from paxoskv.kv.replies import Reply
from paxoskv.paxos.ballot import NO_BALLOT, NOOP, Ballot, NodeId, Slot, Value, Vote
from paxoskv.paxos.candidate import Candidate
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    Grant,
    Heartbeat,
    HeartbeatAck,
    Learn,
    Message,
    Prepare,
    Promise,
    ReadAnswer,
    ReadAsk,
    Rejected,
)
from paxoskv.paxos.replica import Replica, Role
from paxoskv.simulator.marks import Marks


class Sightings:
    """Looks at every message before a core handles it, and at every step after it was made."""

    def __init__(self, marks: Marks) -> None:
        self._hit = marks.hit
        self._roles: dict[NodeId, Role] = {}
        self._heard: Message | None = None
        self._looks: dict[type, Callable[[Replica, NodeId, Any], None]] = {
            Accept: self._look_at_accept,
            Accepted: self._look_at_accepted,
            Prepare: self._look_at_prepare,
            Promise: self._look_at_promise,
            Grant: self._look_at_grant,
            Heartbeat: self._look_at_heartbeat,
            HeartbeatAck: self._look_at_ack,
            Learn: self._look_at_learn,
            ReadAnswer: self._look_at_read_answer,
            ReadAsk: self._look_at_read_ask,
            Rejected: self._look_at_rejected,
        }

    def on_start(self, node: NodeId) -> None:
        """A new life begins as a follower."""
        self._roles[node] = Role.FOLLOWER

    def on_message(self, replica: Replica, sender: NodeId, message: Message) -> None:
        """A core is about to handle a message."""
        self._heard = message
        look = self._looks.get(type(message))
        if look is not None:
            look(replica, sender, message)

    def on_step(self, replica: Replica, out: Effects, now: float) -> None:
        """A core has made a step, for the message just heard or for something else."""
        heard, self._heard = self._heard, None
        if heard is not None and type(heard) is Ask and not any(type(e.message) is Grant for e in out.send_now):
            is_heard = replica._leader is not None or replica._election.hears_leader(now)
            self._hit("consent refused: a leader is heard" if is_heard else "consent held back for a lease")
        if type(heard) is Prepare and heard.ballot > replica.promised:
            self._hit("Prepare held back for a lease")
        if out.role_changed:
            self._on_role(replica, out, heard, now)
        if replica._candidate is not None and type(heard) is Promise:
            self._on_waiting(replica, replica._candidate)
        if out.load:
            self._hit("catch-up from the journal")
        if out.reads_failed:
            self._hit("read given up")
        leader = replica._leader
        if leader is not None and len(leader._in_flight) >= leader._window:
            self._hit("window full")

    def on_applied(self, value: Value, replies: list[Reply]) -> None:
        """A machine has applied a slot."""
        if len(replies) > 1:
            self._hit("many commands in one slot")

    # Roles

    def _on_role(self, replica: Replica, out: Effects, heard: Message | None, now: float) -> None:
        before, role = self._roles.get(replica.node, Role.FOLLOWER), replica.role
        self._roles[replica.node] = role
        candidates = sum(one is Role.CANDIDATE for one in self._roles.values())
        if role is Role.CANDIDATE and before is not role and candidates > 1:
            self._hit("two candidates at once")
        if role is Role.LEADER and before is not role:
            self._on_won(replica)
        if before is Role.LEADER and role is not before:
            if out.reads_failed:
                self._hit("read round dropped by a change of leadership")
            if heard is None:
                self._on_given_up(replica, now)

    def _on_given_up(self, replica: Replica, now: float) -> None:
        """A leader has given up by itself."""
        if replica._disk.is_stalled(now):
            self._hit("leader stepped down for its disk")
        elif not replica._connectivity.reaches(replica._quorums.phase2 - 1, now):
            self._hit("leader without a quorum steps down")
        else:
            self._hit("leader leaves in order")

    def _on_won(self, replica: Replica) -> None:
        leader = replica._leader
        assert leader is not None, f"node {replica.node} leads without a leadership"
        recovered = [flight.value for flight in leader._in_flight.values()] + list(leader._recovered)
        if any(value != NOOP for value in recovered):
            self._hit("value of an earlier ballot proposed again")

    def _on_waiting(self, replica: Replica, candidate: Candidate) -> None:
        """A candidate does not lead yet, whatever it has heard."""
        if not candidate.has_quorum() or candidate.best_informed()[0] > replica.log.commit_slot:
            return
        if any(report.faulty for report in candidate._reports.values()):
            self._hit("phase 1 waits for a faulty slot")

    # Elections

    def _look_at_prepare(self, replica: Replica, sender: NodeId, message: Prepare) -> None:
        if message.ballot == replica.promised and sender != replica.node:
            self._hit("Prepare repeated")
        elif message.ballot < replica.promised:
            self._hit("Prepare refused")

    def _look_at_promise(self, replica: Replica, sender: NodeId, message: Promise) -> None:
        if message.faulty:
            self._hit("phase 1 meets a faulty slot")
        if message.parts > 1:
            self._hit("promise in several parts")
        candidate = replica._candidate
        if candidate is None:
            if replica.role is Role.LEADER and message.ballot == replica.ballot:
                self._hit("promise after the election")
        elif message.ballot != candidate.ballot:
            self._hit("stale promise")
        else:
            self._look_at_report(replica, candidate, sender, message)

    def _look_at_report(self, replica: Replica, candidate: Candidate, sender: NodeId, message: Promise) -> None:
        if message.commit_slot > replica.log.commit_slot:
            self._hit("candidate has to learn first")
        report = candidate._reports.get(sender)
        if report is not None and report.answer != message.answer:
            self._hit("parts of two answers")
        elif report is not None and report.complete:
            self._hit("promise repeated")
        self._compare_votes(candidate, message)

    def _compare_votes(self, candidate: Candidate, message: Promise) -> None:
        """Compare the votes of a promise with those that others reported."""
        reported: dict[Slot, list[Vote]] = {}
        for report in candidate._reports.values():
            for slot, vote in report.votes.items():
                reported.setdefault(slot, []).append(vote)
        for slot, vote in message.votes:
            for other in reported.get(slot, ()):
                if other.ballot != vote.ballot:
                    self._hit("two votes reported for one slot")
                if other.value != vote.value:
                    self._hit("two values reported for one slot")
        slots = sorted({*reported, *(slot for slot, _ in message.votes)})
        if any(after - before > 1 for before, after in pairwise(slots)):
            self._hit("gap filled with no-op")

    def _look_at_grant(self, replica: Replica, sender: NodeId, message: Grant) -> None:
        if message.attempt != replica._election.attempt:
            self._hit("late consent")

    def _look_at_rejected(self, replica: Replica, sender: NodeId, message: Rejected) -> None:
        if message.promised > replica.promised and replica.role is not Role.FOLLOWER:
            self._hit("leader outbid" if replica.role is Role.LEADER else "candidate outbid")

    def _look_at_heartbeat(self, replica: Replica, sender: NodeId, message: Heartbeat) -> None:
        if message.ballot != NO_BALLOT:
            self._look_at_commit(replica, message.ballot, message.commit_slot)

    def _look_at_ack(self, replica: Replica, sender: NodeId, message: HeartbeatAck) -> None:
        if replica.role is Role.LEADER and message.promised > replica.ballot:
            self._hit("leader outbid")

    # Phase 2

    def _look_at_accept(self, replica: Replica, sender: NodeId, message: Accept) -> None:
        if message.ballot < replica.promised:
            self._hit("Accept refused")
            return
        self._look_at_commit(replica, message.ballot, message.commit_slot)
        log, prior = replica.log, replica.log.votes.get(message.slot)
        if message.slot <= log.commit_slot:
            self._hit("Accept of a chosen slot")
        elif prior is not None and prior.ballot == message.ballot:
            self._hit("Accept repeated")
        elif prior is not None:
            self._hit("vote replaced by a higher ballot")
            if prior.value != message.value:
                self._hit("vote replaced by another value")

    def _look_at_accepted(self, replica: Replica, sender: NodeId, message: Accepted) -> None:
        leader = replica._leader
        if leader is None or message.ballot != leader.ballot:
            self._hit("Accepted after a leader change")
            return
        flight = leader._in_flight.get(message.slot)
        if flight is None:
            self._hit("Accepted of a chosen slot")
        elif sender in flight.voters:
            self._hit("vote repeated")
        elif replica._quorums.is_phase2([*flight.voters, sender]):
            if message.slot > replica.log.commit_slot + 1:
                self._hit("chosen out of order")
            elif replica.node not in flight.voters and sender != replica.node:
                self._hit("chosen without the leader's own disk")

    # Learning

    def _look_at_commit(self, replica: Replica, ballot: Ballot, commit_slot: Slot) -> None:
        """A leader tells up to where everything is chosen."""
        if replica.role is Role.LEADER and ballot > replica.ballot:
            self._hit("deposed leader hears its successor")
        next_slot = replica.log.commit_slot + 1
        if commit_slot < next_slot:
            return
        vote = replica.log.votes.get(next_slot)
        if vote is None:
            self._hit("commit told, no vote")
        elif vote.ballot != ballot:
            self._hit("P14: commit told, vote of another ballot")

    def _look_at_learn(self, replica: Replica, sender: NodeId, message: Learn) -> None:
        if replica.role is Role.LEADER:
            self._hit("leader ignores a lesson")
            return
        if not message.votes:
            return
        self._hit("catch-up from memory")
        last = message.votes[-1][0]
        if last <= replica.log.commit_slot:
            self._hit("late lesson")
        elif message.commit_slot > last:
            self._hit("catch-up in several answers")
        for slot, vote in message.votes:
            prior = replica.log.votes.get(slot) if slot > replica.log.commit_slot else None
            if prior is not None and prior.ballot != vote.ballot:
                self._hit("learned over an own vote")
                if prior.value != vote.value:
                    self._hit("P14: and of another value")

    # Reads

    def _look_at_read_ask(self, replica: Replica, sender: NodeId, message: ReadAsk) -> None:
        leader = replica._leader
        if leader is not None and replica.log.commit_slot < leader.barrier_slot:
            self._hit("read waits for the barrier")
        reads = replica._leader_reads
        if reads is not None and (reads._waiting or reads._confirming):
            self._hit("many reads in one round")

    def _look_at_read_answer(self, replica: Replica, sender: NodeId, message: ReadAnswer) -> None:
        reads = replica._follower_reads
        if message.ask != reads._ask or not reads._asked:
            self._hit("late read answer")
            return
        self._hit("read through the leader")
        if message.read_slot > replica.log.commit_slot:
            self._hit("follower waits for the read slot")
