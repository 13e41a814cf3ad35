"""All mutants, in the order of the layers."""

from __future__ import annotations

from scripts.mutants.catalogue import (
    client,
    durability,
    elections,
    faces,
    following,
    keyspace,
    learning,
    leases,
    machine,
    node,
    phases,
    reads,
    storage,
    watches,
    wire,
)
from scripts.mutants.mutant import Mutant

ALL: tuple[Mutant, ...] = (
    *durability.MUTANTS,
    *phases.MUTANTS,
    *learning.MUTANTS,
    *elections.MUTANTS,
    *reads.MUTANTS,
    *leases.MUTANTS,
    *machine.MUTANTS,
    *keyspace.MUTANTS,
    *wire.MUTANTS,
    *storage.MUTANTS,
    *node.MUTANTS,
    *client.MUTANTS,
    *following.MUTANTS,
    *watches.MUTANTS,
    *faces.MUTANTS,
)


def matching(words: tuple[str, ...]) -> tuple[Mutant, ...]:
    """Return the mutants whose name holds one of `words` or whose pitfall is one; all of them for no words."""
    return tuple(one for one in ALL if not words or any(word in one.name or word == one.pitfall for word in words))
