"""The verdict over all rows of votes: what is chosen, what is open, what is damaged or lost (P5). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paxoskv.paxos.ballot import Ballot, Slot, Vote
from paxoskv.storage.records import CompactionRecord, PromiseRecord, Row, VoteRecord, claimed_seq, damaged_slot

SEQ_AHEAD_MAX = 1 << 20
"""A damaged row may hold the latest sequence number; one further above the sound rows is taken for the damage."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the journal held when it was opened.

    promised:       the highest ballot promised, or voted in (P6).
    commit_slot:    votes in compacted_slot + 1 .. commit_slot are all there, sound, and chosen.
    known_slot:     the durable commit slot. Slots above commit_slot and up to it are chosen, and all their votes are
                    in the journal, but for those of `faulty`. The two are equal if no chosen vote is damaged.
    compacted_slot: slots up to it were removed on purpose.
    highest_slot:   the highest slot of which anything is known.
    seq:            the durable sequence number; never falls in the life of a directory (P4).
    open_votes:     the sound votes above known_slot.
    faulty:         slots above commit_slot whose row is damaged or lost: neither a vote nor "no vote" (P5).
    """

    promised: Ballot
    commit_slot: Slot
    known_slot: Slot
    compacted_slot: Slot
    highest_slot: Slot
    seq: int
    open_votes: dict[Slot, Vote]
    faulty: tuple[Slot, ...]


class SlotUnknown(Exception):
    """A damaged row may hide a vote of any slot."""


class Scan:
    """Takes every row of votes in the order of slots, and knows at the end what the journal holds.

    Memory holds the votes above the commit slot known so far, and the damaged slots.
    """

    def __init__(self, promise: PromiseRecord, compaction: CompactionRecord) -> None:
        self._promised = promise.ballot
        self._seq = max(promise.seq, compaction.seq)
        self._claims: list[int] = []
        self._compacted = self._commit = self._highest = compaction.slot
        self._open: dict[Slot, Vote] = {}
        self._damaged: list[Slot] = []
        self._gaps: list[tuple[Slot, Slot]] = []

    def take(self, row: Row, record: VoteRecord | None) -> None:
        """Take one row; `record` is None if it is damaged. Raises: SlotUnknown, if its slot cannot be told."""
        slot = record.slot if record else damaged_slot(row)
        if slot is None or slot <= 0:
            raise SlotUnknown
        if slot <= self._compacted:
            return
        if slot > self._highest + 1:
            self._gaps.append((self._highest + 1, slot - 1))
        self._highest = slot
        if record is None:
            self._damaged.append(slot)
            self._claims.append(claimed_seq(row))
            return
        self._promised = max(self._promised, record.vote.ballot)
        self._seq = max(self._seq, record.seq)
        if slot > self._commit:
            self._open[slot] = record.vote
        if record.commit_slot > self._commit:
            self._advance(record.commit_slot)

    def result(self) -> Recovered:
        """Return what was found, once every row was taken."""
        faulty = tuple(sorted([*self._damaged, *self._lost()]))
        return Recovered(
            promised=self._promised,
            commit_slot=min([self._commit, *(slot - 1 for slot in faulty[:1])]),
            known_slot=self._commit,
            compacted_slot=self._compacted,
            highest_slot=max(self._highest, self._commit),
            seq=self._latest_seq(),
            open_votes=self._open,
            faulty=faulty,
        )

    def _lost(self) -> Iterator[Slot]:
        """Yield the slots of rows that vanished.

        A row is certain to have been there up to the commit slot only. But what took one row took its neighbours as
        well: no slot of the same gap passes for one without a vote.
        """
        for first, last in (*self._gaps, (self._highest + 1, self._commit)):
            if first <= self._commit:
                yield from range(first, last + 1)

    def _latest_seq(self) -> int:
        """What a damaged row claims counts: without its number this node might look as if it was rolled back (P4)."""
        return max([self._seq, *(claim for claim in self._claims if claim - self._seq <= SEQ_AHEAD_MAX)])

    def _advance(self, commit_slot: Slot) -> None:
        """Rows came in order, so the votes that are now chosen stand first."""
        self._commit = commit_slot
        while self._open and (first := next(iter(self._open))) <= commit_slot:
            del self._open[first]
