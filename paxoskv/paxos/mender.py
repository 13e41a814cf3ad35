"""The mender: writes damaged records anew, from memory or from peers (P5)."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

from paxoskv.paxos.ballot import NodeId, Slot, Vote
from paxoskv.paxos.effects import Effects, SaveVote
from paxoskv.paxos.learner import Learner
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import CatchUp, Envelope, Learn
from paxoskv.paxos.timing import Timing


class Mender:
    """Takes care of records that turned out to be damaged while the node runs.

    What memory holds is written again. A chosen value that left memory is fetched from a peer that knows it: it was
    handed out long ago, only the record is missing. A damaged record is never a danger by itself: what this node said
    of it stands in memory, and after a restart it is reported as faulty.
    wanted: chosen slots, ascending, whose value some peer has to tell.
    """

    def __init__(self, log: Log, learner: Learner, timing: Timing) -> None:
        self._log = log
        self._learner = learner
        self._timing = timing
        self._asked_s = float("-inf")
        self._tries = 0
        self.wanted: list[Slot] = []

    def on_damaged(self, slots: Iterable[Slot], now: float, out: Effects) -> None:
        """The journal cannot read the records of `slots`."""
        log = self._log
        for slot in slots:
            vote = log.votes.get(slot)
            if vote is not None:
                self._write(slot, vote, out)
            elif slot > log.commit_slot:
                log.lose(slot)
            elif slot > log.compacted_slot and slot not in self.wanted:
                insort(self.wanted, slot)
        if log.is_repairing:
            self._learner.on_lost(now, out)
        self.on_timer(now, out)

    def on_learn(self, msg: Learn, out: Effects) -> None:
        """Take the values that are wanted; they are chosen, like everything in a Learn."""
        for slot, vote in msg.votes if self.wanted else ():
            if slot in self.wanted:
                self.wanted.remove(slot)
                self._asked_s, self._tries = float("-inf"), 0
                self._write(slot, vote, out)

    def on_timer(self, now: float, out: Effects) -> None:
        """Ask for the first wanted slots, each time another peer, unless an answer is still due."""
        if not self.wanted or now - self._asked_s < self._timing.repeat_s:
            return
        first = self.wanted[0]
        teachers = self._learner.teachers(first)
        if teachers:
            self._asked_s = now
            out.send_now.append(Envelope(self._next(teachers), CatchUp(first, self._run_end())))

    def _next(self, teachers: list[NodeId]) -> NodeId:
        self._tries += 1
        return teachers[(self._tries - 1) % len(teachers)]

    def _run_end(self) -> Slot:
        last = self.wanted[0]
        for slot in self.wanted[1:]:
            if slot != last + 1:
                break
            last = slot
        return last

    def _write(self, slot: Slot, vote: Vote, out: Effects) -> None:
        self._log.mended += 1
        out.persist.append(SaveVote(slot, vote, self._log.commit_slot))
