"""The slots of one node: its votes, and the prefix it knows to be chosen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Mapping

from paxoskv.paxos.ballot import Slot, Value, Vote

TAIL_SLOTS = 1024
"""Chosen slots kept in memory for laggards; older ones are read back from the journal."""

TAIL_BYTES_MAX = 8 << 20

OPEN_BYTES_MAX = 64 << 20
"""Votes above the commit slot that a node keeps in memory; beyond, an Accept counts as lost (P33)."""

SLOT_AHEAD_MAX = 1 << 20
"""How far above its commit slot a node votes: no forged slot number makes a later leader fill an endless gap (H14)."""


class Log:
    """Votes by slot and the chosen prefix; the acceptor, the learner and the proposer share it.

    votes:          the node's votes above `commit_slot`, and a tail of chosen slots below it.
    commit_slot:    every slot up to it is chosen, and was handed out as chosen in order. Moved by `choose` alone.
    known_slot:     every slot up to it is chosen, but above `commit_slot` not every value can be read. Higher than
                    `commit_slot` only after a start that found the record of a chosen slot damaged (P5).
    durable_slot:   up to it the journal knows by itself what was chosen, and can tell laggards.
    compacted_slot: slots up to it are no longer in the journal.
    faulty:         slots above `commit_slot` whose record is damaged: neither a vote nor "no vote" (P5). Ascending.
    is_full:        the disk takes no more votes: none is kept until it does (P9).
    mended:         how many records were written anew because the old one was damaged.
    Invariant: compacted_slot <= commit_slot <= known_slot.
    """

    def __init__(
        self,
        commit_slot: Slot = 0,
        open_votes: Mapping[Slot, Vote] | None = None,
        faulty: Collection[Slot] = (),
        compacted_slot: Slot = 0,
        known_slot: Slot = 0,
    ) -> None:
        """open_votes: above known_slot; the votes of the chosen slots between stay in the journal until asked for."""
        self.votes: dict[Slot, Vote] = dict(open_votes or {})
        self.commit_slot = commit_slot
        self.known_slot = max(commit_slot, known_slot)
        self.durable_slot = commit_slot
        self.compacted_slot = compacted_slot
        self.faulty = sorted(faulty)
        self.mended = 0
        self.is_full = False
        self._tail_from = commit_slot + 1
        self._tail_bytes = 0
        self._open_bytes = sum(len(vote.value) for vote in self.votes.values())
        assert compacted_slot <= commit_slot, f"compacted {compacted_slot} above commit {commit_slot}"
        lost = [slot for slot in self.votes if slot <= self.known_slot]
        assert not lost, f"votes {lost} are not above slot {self.known_slot}, which is known to be chosen"

    @property
    def highest_slot(self) -> Slot:
        """The highest slot that anything is known of."""
        return max(self.known_slot, max(self.votes, default=0), max(self.faulty, default=0))

    @property
    def is_repairing(self) -> bool:
        """Whether slots that are known to be chosen cannot be handed out yet, for damage to the journal."""
        return self.commit_slot < self.known_slot

    def has_room(self, slot: Slot) -> bool:
        """Whether a vote in `slot` may be kept: near enough, and open votes do not fill their memory yet.

        The slot after the known ones always has room, unless the disk is full: it is what frees the others.
        """
        if self.is_full:
            return False
        ahead = slot - self.known_slot
        return ahead <= 1 or (ahead <= SLOT_AHEAD_MAX and self._open_bytes < OPEN_BYTES_MAX)

    def record(self, slot: Slot, vote: Vote) -> None:
        """Keep `vote` as the node's vote in `slot`, which is not known to be chosen: such a slot never changes."""
        assert slot > self.commit_slot, f"vote of {vote.ballot} in slot {slot}, chosen: commit {self.commit_slot}"
        prior = self.votes.get(slot)
        self._open_bytes += len(vote.value) - (len(prior.value) if prior else 0)
        self.votes[slot] = vote
        if self.faulty and slot in self.faulty:
            self.faulty.remove(slot)
            self.mended += 1

    def lose(self, slot: Slot) -> None:
        """The record of a known slot above the commit slot, not in memory, turned out to be damaged (P5)."""
        if self.is_in_journal(slot):
            insort(self.faulty, slot)

    def is_in_journal(self, slot: Slot) -> bool:
        """Whether `slot` is known, not handed out yet, and its value in the journal but not in memory."""
        return self.commit_slot < slot <= self.known_slot and slot not in self.votes and slot not in self.faulty

    def sound_to(self, slot: Slot) -> Slot:
        """The last of the known slots from `slot` on that come before a damaged one."""
        at = bisect_left(self.faulty, slot)
        return min(self.known_slot, self.faulty[at] - 1 if at < len(self.faulty) else self.known_slot)

    def lost_to(self, slot: Slot) -> Slot:
        """The last of the damaged slots that follow on one another from `slot`, which is one, on."""
        at = bisect_left(self.faulty, slot) + 1
        while at < len(self.faulty) and self.faulty[at] == slot + 1:
            at, slot = at + 1, slot + 1
        return slot

    def choose(self) -> tuple[Slot, Value]:
        """Mark the vote in the slot after `commit_slot` as chosen, and return it."""
        slot = self.commit_slot + 1
        value = self.votes[slot].value
        self.commit_slot = slot
        if slot > self.known_slot:
            self.known_slot = slot
        self._open_bytes -= len(value)
        self._tail_bytes += len(value)
        if slot - self._tail_from >= TAIL_SLOTS or self._tail_bytes > TAIL_BYTES_MAX:
            self._trim_tail()
        return slot, value

    def settle(self, slot: Slot) -> None:
        """The journal has been told, durably, that every slot up to `slot` is chosen."""
        self.durable_slot = max(self.durable_slot, slot)

    def open_votes(self, from_slot: Slot) -> tuple[tuple[Slot, Vote], ...]:
        """Return every vote from `from_slot` on that is above `known_slot`, by slot."""
        first = max(from_slot, self.known_slot + 1)
        return tuple((slot, self.votes[slot]) for slot in sorted(self.votes) if slot >= first)

    def open_faulty(self) -> list[Slot]:
        """Return the damaged slots that are not known to be chosen."""
        return self.faulty[bisect_right(self.faulty, self.known_slot) :]

    def chosen_from(self, from_slot: Slot, to_slot: Slot, bytes_max: int) -> tuple[tuple[Slot, Vote], ...] | None:
        """Return the chosen votes of from..to that fit in `bytes_max` (one at least), None if they left memory."""
        if from_slot < self._tail_from:
            return None
        votes: list[tuple[Slot, Vote]] = []
        size = 0
        for slot in range(from_slot, min(to_slot, self.commit_slot) + 1):
            vote = self.votes[slot]
            size += len(vote.value)
            if votes and size > bytes_max:
                break
            votes.append((slot, vote))
        return tuple(votes)

    def _trim_tail(self) -> None:
        """Forget the oldest chosen slots, but none that the journal could not tell a laggard: nobody else would."""
        while (
            self._tail_from < self.commit_slot
            and self._tail_from <= self.durable_slot
            and (self.commit_slot - self._tail_from >= TAIL_SLOTS or self._tail_bytes > TAIL_BYTES_MAX)
        ):
            self._tail_bytes -= len(self.votes.pop(self._tail_from).value)
            self._tail_from += 1
