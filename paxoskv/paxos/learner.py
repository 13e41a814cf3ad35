"""The learner: finds out what was chosen, in order, and asks for what it missed."""

from __future__ import annotations

from paxoskv.paxos.acceptor import PART_BYTES_MAX
from paxoskv.paxos.ballot import NO_BALLOT, Ballot, NodeId, Slot, Vote
from paxoskv.paxos.effects import Effects, Load, SaveVote
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import CatchUp, Envelope, Learn
from paxoskv.paxos.timing import Timing


class Learner:
    """Moves the commit slot of `log` over the slots it can prove to be chosen.

    Multi-Paxos has no log matching: "chosen up to N" says nothing about a vote of another ballot (P14).
    After a start with a damaged record of a chosen slot the values of later slots known to be chosen are learned
    from our own journal, as if it were a peer, and those of damaged ones from whoever can tell (P5).
    """

    def __init__(self, node: NodeId, log: Log, timing: Timing) -> None:
        self._node = node
        self._log = log
        self._timing = timing
        self._told: tuple[Ballot, Slot] = (NO_BALLOT, 0)
        self._known: dict[NodeId, Slot] = {}
        self._asked_s = float("-inf")

    def choose_next(self, out: Effects) -> None:
        """Hand out the vote after the commit slot as chosen; the caller has proved it."""
        out.chosen.append(self._log.choose())

    def on_commit(self, sender: NodeId, ballot: Ballot, commit_slot: Slot, now: float, out: Effects) -> None:
        """The leader of `ballot` knows every slot up to `commit_slot` to be chosen."""
        self.note(sender, commit_slot)
        self._told = max(self._told, (ballot, commit_slot))
        self._follow(out)
        if self._log.commit_slot < max(commit_slot, self._log.known_slot):
            self.ask(sender, now, out)

    def note(self, sender: NodeId, commit_slot: Slot) -> None:
        """`sender`, whoever leads, can tell us the slots up to `commit_slot`: its last word counts, not its best.

        After a restart a node may know less than before; asking it in vain would keep us from asking another.
        """
        self._known[sender] = commit_slot

    def lag(self) -> int:
        """How many slots the best informed peer is ahead."""
        return max(self._known.values(), default=0) - self._log.commit_slot

    def ask(self, peer: NodeId, now: float, out: Effects) -> None:
        """Ask `peer`, or our own journal, for the next missing slots, unless an answer is still due."""
        log, slot = self._log, self._log.commit_slot + 1
        if now - self._asked_s < self._timing.repeat_s:
            return
        if log.is_in_journal(slot):
            self._asked_s = now
            out.load.append(Load(self._node, slot, log.sound_to(slot)))
        elif slot <= self._known.get(peer, 0) and not log.is_full:
            self._asked_s = now
            to_slot = log.lost_to(slot) if slot <= log.known_slot else self._known[peer]
            out.send_now.append(Envelope(peer, CatchUp(slot, min(to_slot, self._known[peer]))))

    def teachers(self, slot: Slot) -> list[NodeId]:
        """The peers that know `slot` to be chosen, the best informed first."""
        able = [node for node, commit_slot in self._known.items() if commit_slot >= slot]
        return sorted(able, key=lambda node: (-self._known[node], node))

    def on_lost(self, now: float, out: Effects) -> None:
        """What our own journal was asked for is damaged: ask somebody else at once."""
        self._asked_s = float("-inf")
        self._ask_anybody(now, out)

    def on_catch_up(self, sender: NodeId, msg: CatchUp, out: Effects) -> None:
        """Answer from memory, or have the journal read; nothing to say about what is not known."""
        log = self._log
        to_slot = min(msg.to_slot, log.commit_slot)
        if to_slot < msg.from_slot:
            return
        if msg.from_slot <= log.compacted_slot:
            out.send_now.append(Envelope(sender, Learn(log.commit_slot, log.compacted_slot, ())))
            return
        votes = log.chosen_from(msg.from_slot, to_slot, PART_BYTES_MAX)
        if votes is None:
            out.load.append(Load(sender, msg.from_slot, to_slot))
        else:
            out.send_now.append(Envelope(sender, Learn(log.commit_slot, log.compacted_slot, votes)))

    def on_learn(self, sender: NodeId, msg: Learn, now: float, out: Effects) -> None:
        """Take over chosen values that follow ours, then go on asking until level with the sender."""
        log, before = self._log, self._log.commit_slot
        for slot, vote in msg.votes:
            if slot == log.commit_slot + 1 and (not log.is_full or log.is_in_journal(slot)):
                self._adopt(slot, vote, out)
        if log.commit_slot == before:
            return
        self._follow(out)
        self._asked_s = float("-inf")
        if sender == self._node:
            self._ask_anybody(now, out)
        else:
            self.note(sender, msg.commit_slot)
            self.ask(sender, now, out)

    def _ask_anybody(self, now: float, out: Effects) -> None:
        able = self.teachers(self._log.commit_slot + 1)
        self.ask(able[0] if able else self._node, now, out)

    def _adopt(self, slot: Slot, vote: Vote, out: Effects) -> None:
        """Record a chosen value as our vote, under the higher ballot of the two, and mark it chosen.

        The ballot is one under which the value was proposed after its choice or chosen, so P2b holds for it.
        What our own journal holds is not written again.
        """
        prior, is_written = self._log.votes.get(slot), self._log.is_in_journal(slot)
        if prior is None or prior.ballot < vote.ballot:
            self._log.record(slot, vote)
            if not is_written:
                out.persist.append(SaveVote(slot, vote, self._log.commit_slot))
        else:
            assert prior.value == vote.value, (
                f"slot {slot}: voted for another value in ballot {prior.ballot}, chosen by {vote.ballot}"
            )
        self.choose_next(out)

    def _follow(self, out: Effects) -> None:
        """Mark what the leader's word covers: our vote is of its very ballot (P14).

        Marked is also a vote of this life in a slot that the last one knew to be chosen: our promise was not below the
        ballot of the choice, so what we voted for since is the chosen value (P2b).
        """
        ballot, commit_slot = self._told
        log = self._log
        while log.commit_slot < log.known_slot and log.commit_slot + 1 in log.votes:
            self.choose_next(out)
        while log.commit_slot < commit_slot:
            vote = log.votes.get(log.commit_slot + 1)
            if vote is None or vote.ballot != ballot:
                return
            self.choose_next(out)
