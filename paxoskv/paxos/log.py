"""The slots of one node: its votes, and the prefix it knows to be chosen."""

from __future__ import annotations

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
    compacted_slot: slots up to it are no longer in the journal.
    faulty:         slots above `commit_slot` whose record is damaged: neither a vote nor "no vote" (P5).
    Invariant: compacted_slot <= commit_slot.
    """

    def __init__(
        self,
        commit_slot: Slot = 0,
        open_votes: Mapping[Slot, Vote] | None = None,
        faulty: Collection[Slot] = (),
        compacted_slot: Slot = 0,
    ) -> None:
        self.votes: dict[Slot, Vote] = dict(open_votes or {})
        self.commit_slot = commit_slot
        self.compacted_slot = compacted_slot
        self.faulty = sorted(faulty)
        self._tail_from = commit_slot + 1
        self._tail_bytes = 0
        self._open_bytes = sum(len(vote.value) for vote in self.votes.values())
        assert compacted_slot <= commit_slot, f"compacted {compacted_slot} above commit {commit_slot}"
        lost = [slot for slot in self.votes if slot <= commit_slot]
        assert not lost, f"votes {lost} are not above commit {commit_slot}"

    @property
    def highest_slot(self) -> Slot:
        """The highest slot that anything is known of."""
        return max(self.votes, default=self.commit_slot)

    def has_room(self, slot: Slot) -> bool:
        """Whether a vote in `slot` may be kept: near enough, and open votes do not fill their memory yet.

        The slot after the commit slot always has room: it is what frees the others.
        """
        ahead = slot - self.commit_slot
        return ahead <= 1 or (ahead <= SLOT_AHEAD_MAX and self._open_bytes < OPEN_BYTES_MAX)

    def record(self, slot: Slot, vote: Vote) -> None:
        """Keep `vote` as the node's vote in `slot`, which is not known to be chosen: such a slot never changes."""
        assert slot > self.commit_slot, f"vote of {vote.ballot} in slot {slot}, chosen: commit {self.commit_slot}"
        prior = self.votes.get(slot)
        self._open_bytes += len(vote.value) - (len(prior.value) if prior else 0)
        self.votes[slot] = vote
        if self.faulty and slot in self.faulty:
            self.faulty.remove(slot)

    def choose(self) -> tuple[Slot, Value]:
        """Mark the vote in the slot after `commit_slot` as chosen, and return it."""
        slot = self.commit_slot + 1
        value = self.votes[slot].value
        self.commit_slot = slot
        self._open_bytes -= len(value)
        self._tail_bytes += len(value)
        if slot - self._tail_from >= TAIL_SLOTS or self._tail_bytes > TAIL_BYTES_MAX:
            self._trim_tail()
        return slot, value

    def open_votes(self, from_slot: Slot) -> tuple[tuple[Slot, Vote], ...]:
        """Return every vote from `from_slot` on that is above `commit_slot`, by slot."""
        first = max(from_slot, self.commit_slot + 1)
        return tuple((slot, self.votes[slot]) for slot in sorted(self.votes) if slot >= first)

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
        while self._tail_from < self.commit_slot and (
            self.commit_slot - self._tail_from >= TAIL_SLOTS or self._tail_bytes > TAIL_BYTES_MAX
        ):
            self._tail_bytes -= len(self.votes.pop(self._tail_from).value)
            self._tail_from += 1
