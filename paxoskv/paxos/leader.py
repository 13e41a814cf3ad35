"""The leader: phase 2, pipelined over a window of slots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from paxoskv.paxos.ballot import NOOP, Ballot, NodeId, Slot, Value
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Accept, Accepted, Envelope
from paxoskv.paxos.quorum import Quorums


@dataclass(slots=True)
class InFlight:
    """A slot that was proposed and is not handed out as chosen yet. voters: whose vote is durable."""

    value: Value
    sent_s: float
    voters: set[NodeId] = field(default_factory=set)


class Leader:
    """Issues proposals under one ballot, each slot once, in ascending order.

    next_slot:    the slot of the next proposal; commit_slot < next_slot always.
    barrier_slot: highest slot that phase 1 recovered, plus the no-op that opens this leadership: no read is
                  answered before it is chosen (P23).
    recovered:    values of the open slots from commit_slot + 1 on, chosen by P2c.
    """

    def __init__(
        self,
        ballot: Ballot,
        peers: Sequence[NodeId],
        quorums: Quorums,
        window: int,
        log: Log,
        recovered: list[Value],
    ) -> None:
        self.ballot = ballot
        self._peers = peers
        self._quorums = quorums
        self._window = window
        self._log = log
        self._recovered = deque([*recovered, NOOP])
        self._in_flight: dict[Slot, InFlight] = {}
        self.next_slot = log.commit_slot + 1
        self.barrier_slot = log.commit_slot + len(self._recovered)
        highest = log.highest_slot
        assert self.next_slot + len(recovered) > highest, (
            f"next slot {self.next_slot} after {len(recovered)} recovered values would rewrite slot {highest}"
        )

    def has_room(self) -> bool:
        """Whether a new value may be proposed: everything recovered is out, and the window is open."""
        return not self._recovered and self._window_is_open()

    def propose(self, value: Value, now: float, out: Effects) -> Accept:
        """Phase 2a in the next slot: address the peers, return the Accept for our own acceptor."""
        slot = self.next_slot
        assert slot > self._log.commit_slot, f"slot {slot} is already chosen: {self._log.commit_slot}"
        self.next_slot = slot + 1
        self._in_flight[slot] = InFlight(value, now)
        accept = Accept(self.ballot, slot, value, self._log.commit_slot)
        out.send_now += [Envelope(peer, accept) for peer in self._peers]
        return accept

    def propose_recovered(self, now: float, out: Effects) -> Iterator[Accept]:
        """Propose what phase 1 found, in order, as far as the window allows."""
        while self._recovered and self._window_is_open():
            yield self.propose(self._recovered.popleft(), now, out)

    def _window_is_open(self) -> bool:
        """Few enough slots in flight, and our own acceptor has room to vote for one more."""
        return len(self._in_flight) < self._window and self._log.has_room(self.next_slot)

    def on_accepted(self, sender: NodeId, msg: Accepted) -> bool:
        """Count a durable vote; return whether the slot after the commit slot may now be chosen (P11)."""
        flight = self._in_flight.get(msg.slot) if msg.ballot == self.ballot else None
        if flight is None:
            return False
        flight.voters.add(sender)
        return msg.slot == self._log.commit_slot + 1 and self._quorums.is_phase2(flight.voters)

    def take_chosen(self) -> bool:
        """Whether a phase-2 quorum voted for the slot after the commit slot; it is then in flight no more."""
        slot = self._log.commit_slot + 1
        flight = self._in_flight.get(slot)
        if flight is None or not self._quorums.is_phase2(flight.voters):
            return False
        own = self._log.votes[slot]
        assert own.value == flight.value, f"slot {slot}: our vote of {own.ballot} is not what we proposed"
        del self._in_flight[slot]
        return True

    def repeat(self, reachable: Iterable[NodeId], before_s: float, now: float, out: Effects) -> None:
        """Send again what was sent before `before_s` to those of `reachable` that have not voted for it."""
        peers = list(reachable)
        for slot, flight in self._in_flight.items():
            if flight.sent_s > before_s:
                continue
            flight.sent_s = now
            accept = Accept(self.ballot, slot, flight.value, self._log.commit_slot)
            out.send_now += [Envelope(peer, accept) for peer in peers if peer not in flight.voters]
