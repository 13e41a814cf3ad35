"""What must hold in every run, judged from outside: from messages that leave a node and records that are durable.

Names of the checks: I1 one chosen value per slot, I2 nothing spoken before it is durable, I12 one leader per ballot,
P1a, P2 and P2b as in the paper, "one value per ballot and slot", and no stale read.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from paxoskv.paxos.ballot import NO_BALLOT, Ballot, NodeId, Slot, Value, Vote
from paxoskv.paxos.effects import SavePromise, SaveVote, Write
from paxoskv.paxos.messages import Accept, Accepted, Learn, Message, Prepare, Promise
from paxoskv.paxos.quorum import Quorums


@dataclass
class FakeJournal:
    """The durable records of one node, and what a restart makes of them."""

    promised: Ballot = NO_BALLOT
    votes: dict[Slot, Vote] = field(default_factory=dict)
    commit_slot: Slot = 0
    compacted_slot: Slot = 0
    damaged: set[Slot] = field(default_factory=set)

    @property
    def readable_slot(self) -> Slot:
        """Up to it every chosen value can be read."""
        return min((s for s in self.damaged if s > self.compacted_slot), default=self.commit_slot + 1) - 1

    def write(self, record: Write) -> None:
        """Make one record durable."""
        match record:
            case SavePromise(ballot):
                assert ballot >= self.promised, f"P1a: promise {ballot} written over {self.promised}"
                self.promised = ballot
            case SaveVote(slot, vote, commit_slot):
                self._check_immutable(slot, vote)
                self.votes[slot] = vote
                self.damaged.discard(slot)
                self.commit_slot = max(self.commit_slot, commit_slot)

    def recovered_promise(self) -> Ballot:
        """The promise that a restart finds: no lower than any vote it can still read."""
        return max([self.promised, *(vote.ballot for slot, vote in self.votes.items() if slot not in self.damaged)])

    def open_votes(self) -> dict[Slot, Vote]:
        """The votes above the durable commit slot."""
        return {s: vote for s, vote in self.votes.items() if s > self.commit_slot and s not in self.damaged}

    def compact(self, slot: Slot) -> None:
        """Forget the slots up to `slot`, which a checkpoint holds."""
        self.commit_slot = max(self.commit_slot, slot)
        self.compacted_slot = slot
        self.votes = {one: vote for one, vote in self.votes.items() if one > slot}
        self.damaged = {one for one in self.damaged if one > slot}

    def _check_immutable(self, slot: Slot, vote: Vote) -> None:
        prior = self.votes.get(slot)
        if prior and slot <= self.commit_slot:
            assert prior.value == vote.value, f"the chosen record of slot {slot} was overwritten: {prior}, then {vote}"


class Oracle:
    """Sees every message that leaves a node, every durable record, every claim that something is chosen."""

    def __init__(self, quorums: Quorums) -> None:
        self._quorums = quorums
        self._proposed: dict[Slot, dict[Ballot, Value]] = defaultdict(dict)
        self._voters: dict[tuple[Ballot, Slot], set[NodeId]] = defaultdict(set)
        self._leaders: dict[Ballot, tuple[NodeId, int]] = {}
        self._candidates: dict[Ballot, tuple[NodeId, int]] = {}
        self._promise_spoken: dict[NodeId, Ballot] = defaultdict(lambda: NO_BALLOT)
        self.chosen: dict[Slot, Value] = {}
        self.first_ballot: dict[Slot, Ballot] = {}
        self.acknowledged_slot: Slot = 0

    @property
    def ballots_used(self) -> int:
        """How many ballots were prepared: the elections so far."""
        return len(self._candidates)

    def on_sent(self, sender: NodeId, life: int, message: Message, journal: FakeJournal) -> None:
        """`message` leaves `sender`, whose durable records are `journal`."""
        match message:
            case Prepare(ballot, _):
                assert journal.promised >= ballot, f"I2: node {sender} prepared {ballot} before it was durable"
                user = self._candidates.setdefault(ballot, (sender, life))
                assert user == (sender, life), f"P2: ballot {ballot} of {user} used again by {(sender, life)}"
            case Promise(ballot=ballot):
                assert journal.promised >= ballot, f"I2: node {sender} spoke of promise {ballot} before it was durable"
                self._promise_spoken[sender] = max(self._promise_spoken[sender], ballot)
            case Accept(ballot, slot, value, _):
                self._on_proposal(ballot, slot, value)
            case Accepted(ballot, slot):
                self._on_accepted(sender, ballot, slot, journal)
            case Learn(votes=votes):
                for slot, vote in votes:
                    self._check_chosen(slot, vote.value, f"node {sender} taught")
            case _:
                pass

    def on_record(self, record: Write) -> None:
        """A record was handed over."""
        if isinstance(record, SaveVote):
            self._on_proposal(record.vote.ballot, record.slot, record.vote.value)

    def on_chosen(self, node: NodeId, slot: Slot, value: Value) -> None:
        """`node` hands `value` to its state machine."""
        self._check_chosen(slot, value, f"node {node} applied")
        self.acknowledged_slot = max(self.acknowledged_slot, slot)

    def on_leader(self, node: NodeId, life: int, ballot: Ballot) -> None:
        """`node` leads `ballot`."""
        leader = self._leaders.setdefault(ballot, (node, life))
        assert leader == (node, life), f"I12: ballot {ballot} is led by {leader} and {(node, life)}"

    def forget(self, node: NodeId) -> None:
        """Let `node` pass for an acceptor that never promised anything: what its lies lead to is to be seen instead."""
        self._promise_spoken.pop(node, None)

    def on_recovered(self, node: NodeId, journal: FakeJournal) -> None:
        """A restart takes every slot up to the durable commit slot for chosen."""
        for slot in range(journal.compacted_slot + 1, journal.commit_slot + 1):
            if slot not in journal.damaged:
                self._check_chosen(slot, journal.votes[slot].value, f"node {node} recovered")

    def _on_proposal(self, ballot: Ballot, slot: Slot, value: Value) -> None:
        first = self._proposed[slot].setdefault(ballot, value)
        assert first == value, f"two values of ballot {ballot} in slot {slot}: {first!r}, {value!r}"
        if slot in self.first_ballot:
            self._check_p2b(slot, ballot)

    def _check_p2b(self, slot: Slot, ballot: Ballot) -> None:
        """Every proposal not below the ballot of the choice has the chosen value."""
        value, chosen_in = self._proposed[slot][ballot], self.first_ballot[slot]
        assert ballot < chosen_in or value == self.chosen[slot], (
            f"P2b: slot {slot} is chosen in {chosen_in} as {self.chosen[slot]!r}, {ballot} proposes {value!r}"
        )

    def _on_accepted(self, voter: NodeId, ballot: Ballot, slot: Slot, journal: FakeJournal) -> None:
        promised = self._promise_spoken[voter]
        assert ballot >= promised, f"P1a: node {voter} voted in {ballot}, slot {slot}, after it promised {promised}"
        assert journal.recovered_promise() >= ballot, f"I2: node {voter} would forget that it voted in {ballot}"
        vote = journal.votes.get(slot)
        if vote is None or vote.ballot != ballot:
            known = slot <= journal.compacted_slot or (vote is not None and self.chosen.get(slot) == vote.value)
            assert known, f"I2: node {voter} spoke of a vote {ballot} in slot {slot} before it was durable: {vote}"
        voters = self._voters[ballot, slot]
        voters.add(voter)
        if self._quorums.is_phase2(voters):
            self._on_quorum(ballot, slot)

    def _on_quorum(self, ballot: Ballot, slot: Slot) -> None:
        value = self._proposed[slot][ballot]
        first = self.chosen.setdefault(slot, value)
        assert first == value, f"I1: slot {slot} chosen twice: {first!r}, then {value!r} in {ballot}"
        if ballot < self.first_ballot.get(slot, Ballot(1 << 62, 0)):
            self.first_ballot[slot] = ballot
            for proposed_in in self._proposed[slot]:
                self._check_p2b(slot, proposed_in)

    def _check_chosen(self, slot: Slot, value: Value, who: str) -> None:
        assert slot in self.chosen, f"{who} {value!r} in slot {slot}, which no quorum has voted for"
        assert self.chosen[slot] == value, f"I1: {who} {value!r} in slot {slot}, chosen is {self.chosen[slot]!r}"
