"""What no correct peer says: refused before anything is changed, so that a forged number cannot brick a node (H14)."""

from __future__ import annotations

from paxoskv.paxos.ballot import Ballot, NodeId
from paxoskv.paxos.log import SLOT_AHEAD_MAX
from paxoskv.paxos.messages import Promise

ROUND_JUMP_MAX = 1 << 32
"""A ballot round further above all we have seen is forged or damaged: it must not use up the numbers."""


class Implausible(ValueError):
    """A message no correct peer sends; the runtime closes the connection it came on."""


class Plausibility:
    """Checks what peers say. highest_round: of all ballots seen, so that a new ballot of ours is higher (P2)."""

    def __init__(self, highest_round: int) -> None:
        self.highest_round = highest_round

    def check_owner(self, sender: NodeId, ballot: Ballot) -> None:
        """Only its owner issues a ballot. Raises: Implausible."""
        if ballot.node != sender:
            raise Implausible(f"node {sender} used ballot {ballot}, which is not its own")
        self.check_round(ballot)

    def check_round(self, ballot: Ballot) -> None:
        """Remember the round. Raises: Implausible, if it jumps too far."""
        if ballot.round > self.highest_round:
            if ballot.round > self.highest_round + ROUND_JUMP_MAX:
                raise Implausible(f"ballot {ballot} jumps too far beyond round {self.highest_round}")
            self.highest_round = ballot.round

    def check_promise(self, sender: NodeId, msg: Promise) -> None:
        """A slot far beyond those that may be voted in would make us fill an endless gap. Raises: Implausible."""
        highest = max([*dict(msg.votes), *msg.faulty], default=0)
        if not 0 <= msg.part < msg.parts or highest - max(msg.commit_slot, msg.known_slot) > SLOT_AHEAD_MAX:
            part = f"part {msg.part} of {msg.parts}, commit slot {msg.commit_slot}, slots up to {highest}"
            raise Implausible(f"node {sender} made an impossible promise of {msg.ballot}: {part}")
