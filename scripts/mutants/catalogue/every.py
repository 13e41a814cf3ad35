"""All mutants, in the order of the layers."""

from __future__ import annotations

from scripts.mutants.catalogue import (
    client,
    durability,
    elections,
    faces,
    learning,
    machine,
    node,
    phases,
    reads,
    storage,
    wire,
)
from scripts.mutants.mutant import Mutant

ALL: tuple[Mutant, ...] = (
    *durability.MUTANTS,
    *phases.MUTANTS,
    *learning.MUTANTS,
    *elections.MUTANTS,
    *reads.MUTANTS,
    *machine.MUTANTS,
    *wire.MUTANTS,
    *storage.MUTANTS,
    *node.MUTANTS,
    *client.MUTANTS,
    *faces.MUTANTS,
)


def matching(words: tuple[str, ...]) -> tuple[Mutant, ...]:
    """Return the mutants whose name holds one of `words` or whose pitfall is one; all of them for no words."""
    return tuple(one for one in ALL if not words or any(word in one.name or word == one.pitfall for word in words))
