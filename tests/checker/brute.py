"""The definition of linearizability, word for word: tries every order. For a handful of operations only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

from paxoskv.checker import Operation
from paxoskv.checker.events import CAS, FAIL, GET, INFO


def brute_force(operations: Sequence[Operation]) -> bool:
    """Say whether some order of the operations, all of one key, has their outcomes and keeps to their times."""
    return any(_explains(order) for chosen in _choices(operations) for order in permutations(chosen))


def _choices(operations: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
    """Yield what may have happened: all that answered, and any of the writes of unknown outcome."""
    sure = [op for op in operations if op.outcome != INFO and not (op.outcome == FAIL and op.f != CAS)]
    unknown = [op for op in operations if op.outcome == INFO and op.f != GET]
    for count in range(len(unknown) + 1):
        for some in combinations(unknown, count):
            yield (*sure, *some)


def _explains(order: Sequence[Operation]) -> bool:
    for place, later in enumerate(order):
        for earlier in order[:place]:
            if later.ended is not None and later.ended < earlier.began:
                return False
    held: bytes | None = None
    for op in order:
        value = op.value
        match op.f:
            case "get":
                if op.result != held:
                    return False
            case "cas":
                assert isinstance(value, tuple)
                if (held == value[0]) == (op.outcome == FAIL):
                    return False
                held = held if op.outcome == FAIL else value[1]
            case "delete":
                held = None
            case "append":
                assert isinstance(value, bytes)
                held = value if held is None else held + value
            case "put":
                assert isinstance(value, bytes)
                held = value
    return True
