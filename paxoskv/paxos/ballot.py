"""Ballots and votes: the two facts an acceptor must never forget."""

from __future__ import annotations

from typing import NamedTuple

NodeId = int
"""A node's number, from 1, never reused in the life of a cluster."""

Slot = int
"""A position in the log, from 1. Slot 0 means "before the first"."""

Value = bytes
"""What is chosen in a slot: an encoded batch of commands, opaque to consensus."""

NOOP: Value = b""
"""The value a new leader proposes in a gap (Paxos Made Simple, section 3)."""


class Ballot(NamedTuple):
    """Number of a proposal, never used twice; `node` owns it and breaks ties.

    round: grows with every leadership, from 1. node: the one proposer that may use this ballot.
    Source: Paxos Made Simple 2.5 (unique, totally ordered proposal numbers), P2.
    """

    round: int
    node: NodeId

    def __str__(self) -> str:
        return f"{self.round}.{self.node}"


NO_BALLOT = Ballot(0, 0)
"""Below every ballot in use: what an acceptor that never promised has promised."""


class Vote(NamedTuple):
    """A proposal that an acceptor accepted in one slot."""

    ballot: Ballot
    value: Value
