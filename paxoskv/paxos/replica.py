"""One node's part in Multi-Paxos: acceptor, learner, and follower, candidate or leader in turn."""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random

from paxoskv.paxos.acceptor import Acceptor
from paxoskv.paxos.ballot import NO_BALLOT, Ballot, NodeId, Slot, Value
from paxoskv.paxos.candidate import Candidate
from paxoskv.paxos.connectivity import Connectivity
from paxoskv.paxos.disk import DiskProgress
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.election import Election
from paxoskv.paxos.leader import Leader
from paxoskv.paxos.learner import Learner
from paxoskv.paxos.lease import Hold, LeaderLease
from paxoskv.paxos.log import Log
from paxoskv.paxos.mender import Mender
from paxoskv.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    CatchUp,
    Envelope,
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
from paxoskv.paxos.plausibility import Plausibility
from paxoskv.paxos.reads import FollowerReads, LeaderReads
from paxoskv.paxos.settings import Role, Settings

__all__ = ["Replica", "Role", "Settings"]


class Replica:
    """The core. Time comes in as `now` (monotonic seconds), chance as `rng`; all that goes out is Effects.

    log:  as recovered from the journal; promised: the durable promise.
    Every method that returns Effects is one step: the runtime carries them out in the order of their fields
    before the next step.
    """

    def __init__(self, settings: Settings, log: Log, promised: Ballot, rng: Random, now: float) -> None:
        self.node = settings.node
        self.role = Role.FOLLOWER
        self.log = log
        self._settings = settings
        self._quorums = settings.quorums
        self._timing = settings.timing
        self._peers = tuple(peer for peer in settings.quorums.members if peer != settings.node)
        self._acceptor = Acceptor(settings.node, log, promised, rng.getrandbits(62))
        self._learner = Learner(settings.node, log, settings.timing)
        self._mender = Mender(log, self._learner, settings.timing)
        self._connectivity = Connectivity(self._peers, settings.timing, rng.getrandbits(62))
        self._election = Election(settings.node, settings.quorums, settings.timing, rng, now)
        self._disk = DiskProgress(settings.timing.election_timeout_s)
        self._hold = Hold(settings.lease, now)
        self._candidate: Candidate | None = None
        self._candidate_s = now
        self._leader: Leader | None = None
        self._leader_reads: LeaderReads | None = None
        self._lease: LeaderLease | None = None
        self._follower_reads = FollowerReads(rng.getrandbits(62))
        self._plausibility = Plausibility(promised.round)
        self._handlers: dict[type, Callable[..., None]] = {
            Heartbeat: self._on_heartbeat,
            HeartbeatAck: self._on_heartbeat_ack,
            Ask: self._on_ask,
            Grant: self._on_grant,
            Prepare: self._on_prepare,
            Promise: self._on_promise,
            Accept: self._on_accept,
            Accepted: self._on_accepted,
            Rejected: self._on_rejected,
            CatchUp: self._on_catch_up,
            Learn: self._on_learn,
            ReadAsk: self._on_read_ask,
            ReadAnswer: self._on_read_answer,
        }

    # What is known, for the runtime and for status

    @property
    def leader(self) -> NodeId | None:
        """The leader this node knows of, itself included."""
        return self.node if self._leader else self._election.leader

    @property
    def ballot(self) -> Ballot:
        """The leadership this node takes part in, NO_BALLOT if it knows of none."""
        if self._leader:
            return self._leader.ballot
        return self._election.leader_ballot if self._election.leader else NO_BALLOT

    @property
    def promised(self) -> Ballot:
        """The highest ballot promised."""
        return self._acceptor.promised

    @property
    def next_slot(self) -> Slot:
        """The slot of the next proposal; only while leading."""
        assert self._leader is not None, "only a leader has a next slot"
        return self._leader.next_slot

    @property
    def damaged_slots(self) -> list[Slot]:
        """The slots whose record is damaged and not written anew yet (P5)."""
        return [*self._mender.wanted, *self.log.faulty]

    @property
    def grants_leases(self) -> bool:
        """Whether there are leases in this cluster (P24)."""
        return self._settings.lease.are_granted

    def has_lease(self, now: float) -> bool:
        """Whether the state, once all that was chosen is applied, is the newest there can be anywhere (P23, P24)."""
        return self._lease is not None and self._lease.holds(self.log.commit_slot, now)

    def hears(self, peer: NodeId, now: float) -> bool:
        """Whether a heartbeat round trip with `peer` began within the last election timeout."""
        return self._connectivity.hears(peer, now)

    def is_in_touch(self, now: float) -> bool:
        """Whether this node leads, and round trips with a quorum began within the last election timeout."""
        return self._leader is not None and self._connectivity.reaches(self._quorums.phase2 - 1, now)

    def reached_s(self, applied_slot: Slot, now: float) -> float | None:
        """Return when this leader's last round trip with a quorum began: all acknowledged until then is applied here.

        None if it does not lead, has not applied yet what was chosen before it led, or cannot tell any more, because
        processes that it heard are gone.
        """
        if self._leader is None or applied_slot < self._leader.barrier_slot:
            return None
        return self._connectivity.reached_s(self._quorums.phase2 - 1, now)

    def can_propose(self) -> bool:
        """Whether `propose` may be called now."""
        return self._leader is not None and self._leader.has_room()

    # Steps

    def on_message(self, sender: NodeId, message: Message, now: float) -> Effects:
        """Take one message; late, repeated and reordered ones are harmless (P31).

        Raises: Implausible, before anything is changed.
        """
        out = Effects()
        self._handlers[type(message)](sender, message, now, out)
        return self._finish(now, out)

    def on_timer(self, now: float) -> Effects:
        """To be called every few milliseconds; late calls are harmless."""
        out = Effects()
        if self._leader:
            self._lead(self._leader, now, out)
        else:
            self._follow(now, out)
        self._mender.on_timer(now, out)
        if self._connectivity.is_due(now):
            self._begin_round(now, out)
        return self._finish(now, out)

    def on_written(self, ticket: int, now: float) -> None:
        """All records up to `ticket` are durable; what waited for them is released by the runtime."""
        self.log.settle(self._disk.on_written(ticket, now))

    def on_disk_full(self, is_full: bool, now: float) -> Effects:
        """The disk takes no more votes, or takes them again (P9): promises still find room, a leadership does not."""
        out = Effects()
        self._disk.is_full = self.log.is_full = is_full
        if is_full and self.role is not Role.FOLLOWER:
            self._become_follower(now, out)
        return self._finish(now, out)

    def on_damaged(self, slots: Collection[Slot], now: float) -> Effects:
        """The journal found the records of `slots` damaged while it read them: have them written anew (P5)."""
        out = Effects()
        self._mender.on_damaged(slots, now, out)
        return self._finish(now, out)

    def on_peer_down(self, peer: NodeId, now: float) -> Effects:
        """The process of `peer` does not exist any more (its port refuses): no need to wait for its silence."""
        out = Effects()
        self._connectivity.on_down(peer)
        if self._leader is None and self._election.on_gone(peer, now):
            self._forget_leader(out)
        return self._finish(now, out)

    def propose(self, value: Value, now: float) -> tuple[Slot, Effects]:
        """Issue `value` in the next slot, and return that slot. Only while `can_propose()`.

        It is chosen when the slot comes back in `Effects.chosen` with this very ballot still leading.
        """
        assert self._leader is not None, "propose without leading"
        assert self._leader.has_room(), f"propose with a full window before slot {self._leader.next_slot}"
        out = Effects()
        self._vote_for_own(self._leader.propose(value, now, out), now, out)
        return self._leader.next_slot - 1, self._finish(now, out)

    def read(self, token: int, now: float) -> Effects:
        """Ask for a linearizable read; the token comes back in `reads_ready` or `reads_failed`.

        A node that repairs its journal cannot say when it will have caught up: others serve meanwhile.
        """
        out = Effects()
        if self._leader_reads:
            self._leader_reads.add(token)
            self._serve_reads(now, out)
        elif self._election.leader is not None and not self.log.is_repairing:
            self._follower_reads.add(token)
            self._follower_reads.ask(self._election.leader, now, out)
        else:
            out.reads_failed.append(token)
        return self._finish(now, out)

    def step_down(self, now: float) -> Effects:
        """Give up leading, for instance to shut down; a successor need not wait for our silence."""
        out = Effects()
        self._become_follower(now, out)
        return self._finish(now, out)

    # Roles: each `_become` resets everything its role owns

    def _become_follower(self, now: float, out: Effects) -> None:
        if self._leader_reads:
            self._leader_reads.fail(out)
        if self.role is not Role.FOLLOWER:
            out.role_changed = True
            self._election.back_off(now)
            self._connectivity.hurry()
        self.role = Role.FOLLOWER
        self._candidate = self._leader = self._leader_reads = self._lease = None

    def _become_candidate(self, now: float, out: Effects) -> None:
        self.role = Role.CANDIDATE
        out.role_changed = True
        self._election.attempt = 0
        self._plausibility.highest_round += 1
        ballot = Ballot(self._plausibility.highest_round, self.node)
        self._candidate = Candidate(ballot, self._quorums)
        self._candidate_s = now
        prepare = Prepare(ballot, self.log.commit_slot + 1)
        promised = self._acceptor.on_prepare(self.node, prepare, out)
        assert promised, f"our own ballot {ballot} is below our promise {self.promised}"
        out.send_synced += [Envelope(peer, prepare) for peer in self._peers]

    def _become_leader(self, ballot: Ballot, recovered: list[Value], now: float, out: Effects) -> None:
        assert self.promised == ballot, f"leading {ballot} with a promise of {self.promised}"
        self.role = Role.LEADER
        out.role_changed = True
        self._candidate = None
        self._follower_reads.fail(out)
        self._leader = Leader(ballot, self._peers, self._quorums, self._settings.window, self.log, recovered)
        self._leader_reads = LeaderReads(self.node, ballot, self._quorums, self._leader.barrier_slot)
        if self.grants_leases:
            self._lease = LeaderLease(ballot, self._quorums, self._settings.lease, self._leader.barrier_slot)
        self._begin_round(now, out)
        self._pump(self._leader, now, out)

    # Timers

    def _lead(self, leader: Leader, now: float, out: Effects) -> None:
        """Step down without a quorum or with a stuck disk; repeat what got lost."""
        if not self.is_in_touch(now) or self._disk.is_stalled(now):
            self._become_follower(now, out)
            return
        reachable = [peer for peer in self._peers if self._connectivity.hears(peer, now)]
        leader.repeat(reachable, now - self._timing.repeat_s, now, out)

    def _follow(self, now: float, out: Effects) -> None:
        self._follower_reads.fail_overdue(now - self._timing.election_timeout_s, out)
        if self._election.leader is not None:
            self._follower_reads.ask(self._election.leader, now, out)
        if self._candidate and now - self._candidate_s > self._timing.election_timeout_s:
            self._become_follower(now, out)
        if self._election.lost_leader(now):
            self._forget_leader(out)
        if self._candidate or self._hold.is_on(now) or not self._election.may_ask(now):
            return
        both_phases = max(self._quorums.phase1, self._quorums.phase2)
        if self._connectivity.reaches(both_phases - 1, now) and not self._disk.is_stalled(now):
            self._stand(now, out)

    def _stand(self, now: float, out: Effects) -> None:
        """Ask for consent; with nobody to ask, stand at once."""
        if self._learner.lag() > self._settings.window and self._election.defer(now):
            return
        attempt = self._election.ask(now)
        out.send_now += [Envelope(peer, Ask(attempt)) for peer in self._peers]
        if self._election.is_granted():
            self._become_candidate(now, out)

    def _forget_leader(self, out: Effects) -> None:
        out.role_changed = True
        self._follower_reads.fail(out)

    def _begin_round(self, now: float, out: Effects) -> None:
        ballot = self._leader.ballot if self._leader else NO_BALLOT
        need = (self._quorums.phase2 if self._leader else self._quorums.phase1) - 1
        number = self._connectivity.begin_round(ballot, self.log.commit_slot, need, now, out)
        if self._leader_reads and self._leader_reads.wants_round():
            self._leader_reads.on_round(number, self.log.commit_slot)

    # Heartbeats and elections

    def _on_heartbeat(self, sender: NodeId, msg: Heartbeat, now: float, out: Effects) -> None:
        self._plausibility.check_round(msg.ballot)
        out.send_now.append(Envelope(sender, HeartbeatAck(msg.ballot, msg.round, self.promised)))
        if msg.ballot == NO_BALLOT:
            self._learner.note(sender, msg.commit_slot)
            if self._leader is None and self._election.on_gone(sender, now):
                self._forget_leader(out)
            if self.leader is None:
                self._learner.ask(sender, now, out)
        elif msg.ballot >= self.promised and msg.ballot.node == sender:
            self._hold.on_acknowledged(now)
            if msg.connected:
                self._hear_leader(sender, msg.ballot, now, out)
            self._learner.on_commit(sender, msg.ballot, msg.commit_slot, now, out)

    def _on_heartbeat_ack(self, sender: NodeId, msg: HeartbeatAck, now: float, out: Effects) -> None:
        self._plausibility.check_round(msg.promised)
        self._connectivity.on_ack(sender, msg)
        if self._lease:
            self._lease.on_ack(sender, msg, self._connectivity.began_s(msg.round))
        if self._leader and msg.promised > self._leader.ballot:
            self._become_follower(now, out)
        elif self._leader_reads:
            self._leader_reads.on_ack(sender, msg)
            self._serve_reads(now, out)

    def _on_ask(self, sender: NodeId, msg: Ask, now: float, out: Effects) -> None:
        """Grant unless we hear a quorum-connected leader, or are one (P20, P21); nor what we could not promise."""
        if self._leader is None and not self._election.hears_leader(now) and not self._hold.is_on(now):
            out.send_now.append(Envelope(sender, Grant(msg.attempt)))

    def _on_grant(self, sender: NodeId, msg: Grant, now: float, out: Effects) -> None:
        self._election.on_grant(sender, msg.attempt)
        if self.role is Role.FOLLOWER and self._election.is_granted() and not self._hold.is_on(now):
            self._become_candidate(now, out)

    def _hear_leader(self, leader: NodeId, ballot: Ballot, now: float, out: Effects) -> None:
        """Follow the leader of a ballot not below our promise; whatever we were, we are its follower now."""
        if self.role is not Role.FOLLOWER:
            self._become_follower(now, out)
        if self._election.hear_leader(leader, ballot, now):
            self._follower_reads.fail(out)
            out.role_changed = True

    # Phase 1

    def _on_prepare(self, sender: NodeId, msg: Prepare, now: float, out: Effects) -> None:
        """Promise, unless a leader may count on us for a while yet: then the Prepare counts as lost (P24)."""
        self._plausibility.check_owner(sender, msg.ballot)
        if msg.ballot > self.promised and self._hold.is_on(now):
            return
        if self._acceptor.on_prepare(sender, msg, out):
            if self.role is not Role.FOLLOWER:
                self._become_follower(now, out)
            self._election.yield_to(now)

    def _on_promise(self, sender: NodeId, msg: Promise, now: float, out: Effects) -> None:
        self._plausibility.check_promise(sender, msg)
        if self._candidate:
            self._candidate.on_promise(sender, msg)
            self._learner.note(sender, msg.commit_slot)
            self._try_to_lead(self._candidate, now, out)

    def _try_to_lead(self, candidate: Candidate, now: float, out: Effects) -> None:
        """Lead once a quorum promised, everything known to be chosen is learned, and every open slot is judged."""
        if not candidate.has_quorum():
            return
        commit_slot, peer = candidate.best_informed()
        if self.log.commit_slot < commit_slot:
            self._learner.ask(peer, now, out)
            return
        recovered = candidate.recovered(self.log.commit_slot)
        if recovered is not None:
            self._become_leader(candidate.ballot, recovered, now, out)

    def _on_rejected(self, sender: NodeId, msg: Rejected, now: float, out: Effects) -> None:
        """Somebody promised a higher ballot: ours has lost. The number is a hint for our next one (P19)."""
        self._plausibility.check_round(msg.promised)
        mine = self._candidate or self._leader
        if mine and msg.ballot == mine.ballot and msg.promised > mine.ballot:
            self._become_follower(now, out)

    # Phase 2

    def _on_accept(self, sender: NodeId, msg: Accept, now: float, out: Effects) -> None:
        self._plausibility.check_owner(sender, msg.ballot)
        if not self._acceptor.on_accept(sender, msg, out):
            return
        self._hear_leader(sender, msg.ballot, now, out)
        self._learner.on_commit(sender, msg.ballot, msg.commit_slot, now, out)

    def _vote_for_own(self, accept: Accept, now: float, out: Effects) -> None:
        """Our own acceptor votes like any other; its Accepted comes back once the vote is durable (P1)."""
        held = self._acceptor.on_accept(self.node, accept, out)
        assert held, f"our own ballot {accept.ballot} is below our promise {self.promised}"

    def _on_accepted(self, sender: NodeId, msg: Accepted, now: float, out: Effects) -> None:
        leader = self._leader
        if leader is None or not leader.on_accepted(sender, msg):
            return
        while leader.take_chosen():
            self._learner.choose_next(out)
        self._pump(leader, now, out)

    def _pump(self, leader: Leader, now: float, out: Effects) -> None:
        for accept in leader.propose_recovered(now, out):
            self._vote_for_own(accept, now, out)

    # Learning

    def _on_catch_up(self, sender: NodeId, msg: CatchUp, now: float, out: Effects) -> None:
        self._learner.on_catch_up(sender, msg, out)

    def _on_learn(self, sender: NodeId, msg: Learn, now: float, out: Effects) -> None:
        """Take over chosen values. A leader learns nothing from others: its commit slot is its own count."""
        self._mender.on_learn(msg, out)
        if self._leader:
            return
        before = self.log.commit_slot
        self._learner.on_learn(sender, msg, now, out)
        if self._candidate and self.log.commit_slot > before:
            self._candidate_s = now
            self._try_to_lead(self._candidate, now, out)

    # Reads

    def _on_read_ask(self, sender: NodeId, msg: ReadAsk, now: float, out: Effects) -> None:
        if self._leader_reads:
            self._leader_reads.add_ask(sender, msg.ask)
            self._serve_reads(now, out)

    def _on_read_answer(self, sender: NodeId, msg: ReadAnswer, now: float, out: Effects) -> None:
        if self._leader:
            return
        self._follower_reads.on_answer(msg)
        self._learner.on_commit(sender, msg.ballot, msg.commit_slot, now, out)
        if self._election.leader is not None:
            self._follower_reads.ask(self._election.leader, now, out)

    def _serve_reads(self, now: float, out: Effects) -> None:
        """Finish the round under way if it may be, and begin the next one if reads wait for it."""
        reads = self._leader_reads
        assert reads is not None, "only a leader serves reads"
        reads.finish_round(self.log.commit_slot, out)
        if reads.wants_round():
            self._begin_round(now, out)
            reads.finish_round(self.log.commit_slot, out)

    # Every step

    def _finish(self, now: float, out: Effects) -> Effects:
        """Number the records, and release the reads that the step has made answerable."""
        if out.persist:
            out.ticket = self._disk.issue(now, out.persist)
        if self._leader_reads:
            self._leader_reads.release(self.log.commit_slot, out)
        else:
            self._follower_reads.release(self.log.commit_slot, out)
        return out
