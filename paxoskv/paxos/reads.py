"""Linearizable reads without writing: the read slot, confirmed by a round that began after the read arrived.

Source: pitfall P23; the idea is ReadIndex of Raft (thesis, 6.4).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from paxoskv.paxos.ballot import Ballot, NodeId, Slot
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.messages import Envelope, HeartbeatAck, ReadAnswer, ReadAsk
from paxoskv.paxos.quorum import Quorums


@dataclass(slots=True)
class Group:
    """Reads that share one confirmation: our own tokens, and the asks of followers."""

    tokens: list[int] = field(default_factory=list)
    asks: list[tuple[NodeId, int]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.tokens or self.asks)


class LeaderReads:
    """Confirms one leadership for groups of reads; dies with it, so no result outlives the ballot."""

    def __init__(self, node: NodeId, ballot: Ballot, quorums: Quorums, barrier_slot: Slot) -> None:
        self._node = node
        self._ballot = ballot
        self._quorums = quorums
        self._barrier_slot = barrier_slot
        self._waiting = Group()
        self._confirming: Group | None = None
        self._round = 0
        self._read_slot: Slot = 0
        self._acks: set[NodeId] = set()
        self._ready: list[tuple[Slot, int]] = []

    def add(self, token: int) -> None:
        """A read of ours arrived."""
        self._waiting.tokens.append(token)

    def add_ask(self, sender: NodeId, ask: int) -> None:
        """A follower's read arrived."""
        self._waiting.asks.append((sender, ask))

    def wants_round(self) -> bool:
        """Whether reads wait and no round is under way for earlier ones."""
        return self._confirming is None and bool(self._waiting)

    def on_round(self, number: int, commit_slot: Slot) -> None:
        """The round `number` has just begun: it serves every read that has arrived by now."""
        self._confirming, self._waiting = self._waiting, Group()
        self._round = number
        self._read_slot = max(commit_slot, self._barrier_slot)
        self._acks = {self._node}

    def on_ack(self, sender: NodeId, msg: HeartbeatAck) -> None:
        """Count a peer that still follows this ballot, in this round or one begun later."""
        if msg.ballot == self._ballot and msg.round >= self._round and msg.promised <= self._ballot:
            self._acks.add(sender)

    def finish_round(self, commit_slot: Slot, out: Effects) -> None:
        """If a quorum confirmed the round, release its reads; each set of them meets every phase-1 quorum."""
        if self._confirming is None or not self._quorums.is_phase2(self._acks):
            return
        group, self._confirming = self._confirming, None
        self._ready += [(self._read_slot, token) for token in group.tokens]
        out.send_now += [
            Envelope(sender, ReadAnswer(ask, self._ballot, self._read_slot, commit_slot)) for sender, ask in group.asks
        ]

    def release(self, commit_slot: Slot, out: Effects) -> None:
        """Hand out the confirmed reads whose slot has been reached."""
        if self._ready:
            out.reads_ready += [token for slot, token in self._ready if slot <= commit_slot]
            self._ready = [(slot, token) for slot, token in self._ready if slot > commit_slot]

    def fail(self, out: Effects) -> None:
        """Leadership is lost: nothing can be confirmed any more; followers notice by themselves."""
        out.reads_failed += self._waiting.tokens
        out.reads_failed += self._confirming.tokens if self._confirming else []
        out.reads_failed += [token for _, token in self._ready]


class FollowerReads:
    """Asks the leader for read slots: one ask at a time, later reads share the next one."""

    def __init__(self, first_ask: int) -> None:
        """first_ask: random, so that an answer meant for an earlier life of this node matches nothing (P31)."""
        self._ask = first_ask
        self._asked_s = 0.0
        self._waiting: list[int] = []
        self._asked: list[int] = []
        self._ready: list[tuple[Slot, int, float]] = []

    def add(self, token: int) -> None:
        """A read arrived here."""
        self._waiting.append(token)

    def ask(self, leader: NodeId, now: float, out: Effects) -> None:
        """Ask the leader on behalf of what waits, unless an ask is under way."""
        if self._asked or not self._waiting:
            return
        self._ask += 1
        self._asked_s = now
        self._asked, self._waiting = self._waiting, []
        out.send_now.append(Envelope(leader, ReadAsk(self._ask)))

    def on_answer(self, msg: ReadAnswer) -> None:
        """Take the slot for the current ask; an answer to another one is late and means nothing (P31)."""
        if msg.ask == self._ask:
            self._ready += [(msg.read_slot, token, self._asked_s) for token in self._asked]
            self._asked = []

    def release(self, commit_slot: Slot, out: Effects) -> None:
        """Hand out the reads whose slot has been reached."""
        if self._ready:
            out.reads_ready += [token for slot, token, _ in self._ready if slot <= commit_slot]
            self._ready = [ready for ready in self._ready if ready[0] > commit_slot]

    def fail_overdue(self, before_s: float, out: Effects) -> None:
        """Give up what was asked before `before_s`: a message is lost, or this node is too far behind the answer.

        How long it takes to catch up nobody can say; others serve meanwhile (P33).
        """
        if self._asked and self._asked_s <= before_s:
            out.reads_failed += self._asked
            self._asked = []
        if self._ready:
            out.reads_failed += [token for _, token, asked_s in self._ready if asked_s <= before_s]
            self._ready = [ready for ready in self._ready if ready[2] > before_s]

    def fail(self, out: Effects) -> None:
        """The leader changed or is unknown: give up whatever is not answered yet."""
        out.reads_failed += self._asked + self._waiting + [token for _, token, _ in self._ready]
        self._asked, self._waiting, self._ready = [], [], []
