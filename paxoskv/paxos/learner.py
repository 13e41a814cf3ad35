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
    """

    def __init__(self, log: Log, timing: Timing) -> None:
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
        if self._log.commit_slot < commit_slot:
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
        """Ask `peer` for the next missing slots, unless an answer is still due."""
        if now - self._asked_s < self._timing.repeat_s or self._known.get(peer, 0) <= self._log.commit_slot:
            return
        self._asked_s = now
        out.send_now.append(Envelope(peer, CatchUp(self._log.commit_slot + 1, self._known[peer])))

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
            if slot == log.commit_slot + 1:
                self._adopt(slot, vote, out)
        if log.commit_slot == before:
            return
        self._follow(out)
        self._asked_s = float("-inf")
        self.note(sender, msg.commit_slot)
        self.ask(sender, now, out)

    def _adopt(self, slot: Slot, vote: Vote, out: Effects) -> None:
        """Record a chosen value as our vote, under the higher ballot of the two, and mark it chosen.

        The ballot is one under which the value was proposed after its choice or chosen, so P2b holds for it.
        """
        prior = self._log.votes.get(slot)
        if prior is None or prior.ballot < vote.ballot:
            self._log.record(slot, vote)
            out.persist.append(SaveVote(slot, vote, self._log.commit_slot))
        else:
            assert prior.value == vote.value, (
                f"slot {slot}: voted for another value in ballot {prior.ballot}, chosen by {vote.ballot}"
            )
        self.choose_next(out)

    def _follow(self, out: Effects) -> None:
        """Mark what the leader's word covers: our vote is of its very ballot (P14)."""
        ballot, commit_slot = self._told
        log = self._log
        while log.commit_slot < commit_slot:
            vote = log.votes.get(log.commit_slot + 1)
            if vote is None or vote.ballot != ballot:
                return
            self.choose_next(out)
