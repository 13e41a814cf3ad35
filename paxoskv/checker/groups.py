"""Keys that transactions tie together are judged as one: what they hold, all together, is the state of a search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from paxoskv.checker.events import TXN
from paxoskv.checker.model import REFUSED, Held, Mark, step
from paxoskv.checker.operations import Operation
from paxoskv.checker.txns import execute

Group = tuple[Held, ...]
"""What the keys of a group hold, in the order of the keys."""


def split(operations: Iterable[Operation]) -> dict[bytes, list[Operation]]:
    """Return the operations of each group of keys, by a key of the group; a key without transactions is alone.

    Groups stand in the order in which their keys first appear, operations in the order given.
    """
    operations = list(operations)
    leader: dict[bytes, bytes] = {}
    for operation in operations:
        first, *others = (_find(leader, key) for key in operation.keys)
        leader.update(dict.fromkeys(others, first))
    groups: dict[bytes, list[Operation]] = {}
    for operation in operations:
        groups.setdefault(_find(leader, operation.key), []).append(operation)
    return groups


def _find(leader: dict[bytes, bytes], key: bytes) -> bytes:
    """Return the key that stands for the group of `key`."""
    while (above := leader.setdefault(key, key)) != key:
        leader[key] = key = leader[above]
    return key


def has_txns(operations: Iterable[Operation]) -> bool:
    """Whether any operation is a transaction."""
    return any(operation.f == TXN for operation in operations)


class GroupModel:
    """What a group of keys does, transactions at one moment. Every state is told apart from every other."""

    is_one_key = False

    def __init__(self, operations: Iterable[Operation]) -> None:
        keys = sorted({key for operation in operations for key in operation.keys})
        self._places = {key: place for place, key in enumerate(keys)}
        self.initial: Group = (None,) * len(keys)

    def step(self, operation: Operation, state: Group) -> Group | Literal[Mark.REFUSED]:
        """Return the state after `operation`, or REFUSED. An unknown transaction is taken as "it happened"."""
        if operation.txn is None:
            place = self._places[operation.key]
            after = step(operation, state[place])
            return REFUSED if isinstance(after, Mark) else (*state[:place], after, *state[place + 1 :])
        executed = execute(operation.txn, dict(zip(self._places, state, strict=True)))
        if executed is None or operation.told not in (None, executed[1]):
            return REFUSED
        held: Mapping[bytes, Held] = executed[0]
        return tuple(held[key] for key in self._places)

    def spend(self, operation: Operation, state: Group) -> Group | Literal[Mark.REFUSED]:
        """Return the state after an operation that need not have happened; REFUSED also if it changes nothing."""
        after = self.step(operation, state)
        return REFUSED if after == state else after
