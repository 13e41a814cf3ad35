"""What a replica is told once, and what it may be at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from paxoskv.paxos.ballot import NodeId
from paxoskv.paxos.lease import NO_LEASES, LeaseTerms
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.timing import Timing


class Role(Enum):
    """What a node does besides accepting and learning."""

    FOLLOWER = "follower"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is fixed for the life of a replica. window: slots in flight at most. lease: the same at every member."""

    node: NodeId
    quorums: Quorums
    timing: Timing
    window: int = 16
    lease: LeaseTerms = NO_LEASES
