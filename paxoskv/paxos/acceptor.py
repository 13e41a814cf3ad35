"""The acceptor: keeps promises, votes, and says no at once."""

from __future__ import annotations

from collections.abc import Iterator

from paxoskv.paxos.ballot import Ballot, NodeId, Slot, Vote
from paxoskv.paxos.effects import Effects, SavePromise, SaveVote
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Accept, Accepted, Envelope, Prepare, Promise, Rejected

PART_BYTES_MAX = 1 << 20
"""Values in one Promise or Learn message: large answers travel in pieces below the frame limit (P32)."""

PART_VOTES_MAX = 4096


class Acceptor:
    """The memory of one node: the highest ballot it promised, and its votes in `log`.

    promised: never lowered; set in memory before it is durable, spoken of only afterwards (P1).
    Source: Paxos Made Simple 2.2 and 2.5.
    """

    def __init__(self, node: NodeId, log: Log, promised: Ballot, first_answer: int) -> None:
        """first_answer: random, so that parts of answers from two lives of this node never mix (P12, P31)."""
        self._node = node
        self._log = log
        self._answer = first_answer
        self.promised = promised

    def on_prepare(self, sender: NodeId, msg: Prepare, out: Effects) -> bool:
        """Phase 1b: promise `msg.ballot` and report every vote that may matter; return whether it did.

        A repeated Prepare of the promised ballot is answered again: the first answer may be lost.
        """
        if msg.ballot < self.promised:
            out.send_now.append(Envelope(sender, Rejected(msg.ballot, self.promised)))
            return False
        self._keep_promise(msg.ballot, out)
        self._answer += 1
        parts = list(_split(self._log.open_votes(msg.from_slot)))
        for number, votes in enumerate(parts):
            out.send_synced.append(Envelope(sender, self._promise(msg.ballot, number, len(parts), votes)))
        return True

    def on_accept(self, sender: NodeId, msg: Accept, out: Effects) -> bool:
        """Phase 2b: vote for `msg.value` in `msg.slot` unless a higher ballot was promised (P1a).

        A slot known to be chosen keeps its record: an Accept of it may be a late one of a deposed leader, with another
        value. The answer is yes all the same, or a leader that knows less than we do would never get past the slot.
        Returns whether the sender's ballot holds here, also where the vote itself was dropped for want of room.
        """
        if msg.ballot < self.promised:
            out.send_now.append(Envelope(sender, Rejected(msg.ballot, self.promised)))
            return False
        self._keep_promise(msg.ballot, out)
        if not self._log.has_room(msg.slot):
            return True
        self._vote(msg.slot, Vote(msg.ballot, msg.value), out)
        out.send_synced.append(Envelope(sender, Accepted(msg.ballot, msg.slot)))
        return True

    def _keep_promise(self, ballot: Ballot, out: Effects) -> None:
        """Promise `ballot`, which is not below our promise; a record of its own outlives a damaged vote (P5)."""
        if ballot > self.promised:
            self.promised = ballot
            out.persist.append(SavePromise(ballot))

    def _vote(self, slot: Slot, vote: Vote, out: Effects) -> None:
        prior = self._log.votes.get(slot)
        if slot > self._log.commit_slot and (prior is None or prior.ballot < vote.ballot):
            self._log.record(slot, vote)
            out.persist.append(SaveVote(slot, vote, self._log.commit_slot))
        elif prior is not None:
            self._assert_agrees(slot, prior, vote)

    def _promise(self, ballot: Ballot, part: int, parts: int, votes: tuple[tuple[Slot, Vote], ...]) -> Promise:
        log = self._log
        faulty = tuple(log.open_faulty())
        return Promise(
            ballot, part, parts, log.commit_slot, log.compacted_slot, votes, faulty, self._answer, log.known_slot
        )

    def _assert_agrees(self, slot: Slot, prior: Vote, vote: Vote) -> None:
        """One value per ballot and slot, and none but the chosen one above it (P2b); a late Accept may be below."""
        assert vote.ballot < prior.ballot or prior.value == vote.value, (
            f"two values in slot {slot} at node {self._node}, of ballots {prior.ballot} and {vote.ballot}"
        )


def _split(votes: tuple[tuple[Slot, Vote], ...]) -> Iterator[tuple[tuple[Slot, Vote], ...]]:
    """Cut votes into pieces within the limits of a part (one vote at least); at least one piece, perhaps empty."""
    piece: list[tuple[Slot, Vote]] = []
    size = 0
    for slot, vote in votes:
        if piece and (size + len(vote.value) > PART_BYTES_MAX or len(piece) == PART_VOTES_MAX):
            yield tuple(piece)
            piece, size = [], 0
        piece.append((slot, vote))
        size += len(vote.value)
    yield tuple(piece)
