"""Quorums: which sets of acceptors decide."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from paxoskv.paxos.ballot import NodeId


class QuorumError(ValueError):
    """Quorum sizes under which two values could be chosen in one slot."""


@dataclass(frozen=True, slots=True)
class Quorums:
    """The acceptors of a slot and how many of them make a quorum in each phase.

    members: ascending node ids. phase1, phase2: sizes, such that every phase-1 set meets every phase-2 set;
    nothing else is needed (Flexible Paxos; the read-modify-write reading of Paxos says the same).

    Raises: QuorumError if two quorums could miss each other.
    """

    members: tuple[NodeId, ...]
    phase1: int
    phase2: int

    def __post_init__(self) -> None:
        count = len(self.members)
        if list(self.members) != sorted(set(self.members)) or not count:
            raise QuorumError(f"members must be distinct, ascending and not empty: {self.members}")
        if not (1 <= self.phase1 <= count and 1 <= self.phase2 <= count):
            raise QuorumError(f"quorums of {self.phase1} and {self.phase2} nodes do not exist among {count} members")
        if self.phase1 + self.phase2 <= count:
            raise QuorumError(
                f"a phase-1 quorum of {self.phase1} and a phase-2 quorum of {self.phase2} among {count} members "
                "may not intersect: a new leader could miss a chosen value. Their sizes must add up to "
                f"at least {count + 1}"
            )

    @classmethod
    def of(cls, members: Iterable[NodeId], phase2: int | None = None) -> Quorums:
        """Return majorities of `members`, or the smallest phase-1 quorum that goes with `phase2`."""
        ordered = tuple(sorted(members))
        count = len(ordered)
        if phase2 is None:
            return cls(ordered, count // 2 + 1, count // 2 + 1)
        return cls(ordered, count - phase2 + 1, phase2)

    def is_phase1(self, nodes: Collection[NodeId]) -> bool:
        """Whether these distinct members may elect. The caller keeps strangers and duplicates out (P11)."""
        return len(nodes) >= self.phase1

    def is_phase2(self, nodes: Collection[NodeId]) -> bool:
        """Whether these distinct members choose a value, or confirm a leader for a read."""
        return len(nodes) >= self.phase2
