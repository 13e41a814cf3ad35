"""The candidate: phase 1, once per leadership, over every open slot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from paxoskv.paxos.ballot import NOOP, Ballot, NodeId, Slot, Value, Vote
from paxoskv.paxos.messages import Promise
from paxoskv.paxos.quorum import Quorums


@dataclass(slots=True)
class Report:
    """What one acceptor said in all parts of its promise; nothing before the last part is there (P12)."""

    answer: int
    commit_slot: Slot
    known_slot: Slot
    faulty: frozenset[Slot]
    parts: int
    pieces: dict[int, tuple[tuple[Slot, Vote], ...]] = field(default_factory=dict)
    votes: dict[Slot, Vote] = field(default_factory=dict)

    def add(self, msg: Promise) -> None:
        """Take one part; a repeated part changes nothing."""
        self.pieces.setdefault(msg.part, msg.votes)
        if self.complete and not self.votes:
            self.votes = {slot: vote for piece in self.pieces.values() for slot, vote in piece}

    @property
    def complete(self) -> bool:
        """Whether every part has arrived."""
        return len(self.pieces) == self.parts

    def speaks_of(self, slot: Slot) -> bool:
        """Whether no vote reported in `slot` means that there is none (P5)."""
        return slot > self.known_slot and slot not in self.faulty


class Candidate:
    """Collects the promises of one ballot.

    Only messages of exactly `ballot` count, and each acceptor once (P11): with the answer that was heard of first,
    for parts of two answers need not fit together (P12).
    """

    def __init__(self, ballot: Ballot, quorums: Quorums) -> None:
        self.ballot = ballot
        self._quorums = quorums
        self._reports: dict[NodeId, Report] = {}

    def on_promise(self, sender: NodeId, msg: Promise) -> None:
        """Take a promise, or a part of one."""
        if msg.ballot != self.ballot:
            return
        report = self._reports.get(sender)
        if report is None:
            report = Report(msg.answer, msg.commit_slot, msg.known_slot, frozenset(msg.faulty), msg.parts)
            self._reports[sender] = report
        if msg.answer == report.answer:
            report.add(msg)

    def promised_by(self) -> list[NodeId]:
        """The acceptors whose promise is complete."""
        return list(self._complete())

    def has_quorum(self) -> bool:
        """Whether a phase-1 quorum promised, our own acceptor among it: what we voted for is then known too."""
        promised_by = self._complete()
        return self.ballot.node in promised_by and self._quorums.is_phase1(promised_by)

    def best_informed(self) -> tuple[Slot, NodeId]:
        """The highest commit slot reported, and who reported it: below it nothing is open, only unknown to us."""
        return max((report.commit_slot, node) for node, report in self._complete().items())

    def recovered(self, commit_slot: Slot) -> list[Value] | None:
        """Return the value to propose in each slot from commit_slot + 1 to the highest reported one.

        commit_slot: ours, no lower than any reported. None while too few of the reports can be trusted for
        some slot: an acceptor with a damaged record there counts for the ballot, not for the slot (P5, P13). None also
        if a slot that somebody knows to be chosen seems empty: then more is lost than was reported.
        """
        reports = self._complete()
        known_slot = max(report.known_slot for report in reports.values())
        highest = max((slot for report in reports.values() for slot in (*report.votes, *report.faulty)), default=0)
        values: list[Value] = []
        for slot in range(commit_slot + 1, max(highest, known_slot) + 1):
            sound = [node for node, report in reports.items() if report.speaks_of(slot)]
            is_empty = not any(slot in reports[node].votes for node in sound)
            if not self._quorums.is_phase1(sound) or (is_empty and slot <= known_slot):
                return None
            values.append(safe_value([reports[node].votes for node in sound], slot))
        return values

    def _complete(self) -> dict[NodeId, Report]:
        return {node: report for node, report in self._reports.items() if report.complete}


def safe_value(reports: Collection[dict[Slot, Vote]], slot: Slot) -> Value:
    """Return the only value a new leader may propose in `slot`.

    reports: the votes of every acceptor of a phase-1 quorum, all for the leader's ballot.
    Returns the value of the highest-ballot vote, or NOOP if there is none (a gap, P13).
    Source: P2c, Paxos Made Simple 2.2; gaps, section 3.
    """
    votes: Sequence[Vote] = [votes[slot] for votes in reports if slot in votes]
    return max(votes, key=lambda vote: vote.ballot).value if votes else NOOP
