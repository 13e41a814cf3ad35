"""Finds the few operations that contradict each other in a history that is wrong.

An operation is taken away by weakening it, never by forgetting what it may have written: a read says nothing any
more, and a write may have happened once at any time, or never. What is still wrong then is wrong because of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from paxoskv.checker import configurations
from paxoskv.checker.events import INFO
from paxoskv.checker.operations import Operation
from paxoskv.checker.unknowns import settle

ATTEMPT_STEPS = 20_000
"""Budget of one attempt to do without some operations; one that is not decided in it has failed."""
WILD = -1
"""A place before every event."""


def known_at(operations: Iterable[Operation], place: int) -> list[Operation]:
    """Return the operations of one key as far as known at an event: those open then have an unknown outcome."""
    known = []
    for op in operations:
        if not op.counts or op.began > place:
            continue
        if op.ended is None or op.ended <= place:
            known.append(op)
        elif not op.is_observer:
            known.append(op._replace(ended=None, outcome=INFO))
    return sorted(known, key=lambda op: op.began)


def shrink(known: Sequence[Operation]) -> list[Operation]:
    """Return operations of `known` that are wrong together and none of which can be spared.

    They begin as late as possible. All of `known`, if it is not found to be wrong within the budget.
    """
    search = _Search(known)
    everything = range(len(known))
    if not search.is_wrong(everything):
        return list(known)
    first = _last_true(len(known), lambda start: search.is_wrong(everything[start:]))
    needed = search.needed([], list(reversed(everything[first:])), is_new=False)
    return [known[number] for number in sorted(needed)]


class _Search:
    """Tries which operations, given by number, are wrong by themselves."""

    def __init__(self, known: Sequence[Operation]) -> None:
        self._known = known

    def is_wrong(self, numbers: Iterable[int]) -> bool:
        """Whether the history is still wrong with all operations weakened but these."""
        strict = set(numbers)
        weaker = (op if number in strict else weaken(op) for number, op in enumerate(self._known))
        history = settle(op for op in weaker if op is not None)
        return configurations.search(history, ATTEMPT_STEPS).linearizable is False

    def needed(self, given: list[int], candidates: list[int], is_new: bool) -> list[int]:
        """Return those of `candidates` that make the history wrong together with `given`, none of them to spare.

        is_new: `given` has grown since it was last tried. Source: Junker's QuickXplain: halves instead of single steps.
        """
        if is_new and self.is_wrong(given):
            return []
        if len(candidates) == 1:
            return candidates
        half = len(candidates) // 2
        left, right = candidates[:half], candidates[half:]
        from_right = self.needed(given + left, right, is_new=bool(left))
        from_left = self.needed(given + from_right, left, is_new=bool(from_right))
        return from_left + from_right


def weaken(operation: Operation) -> Operation | None:
    """Return what is left of an operation that is taken away, None if that is nothing."""
    return None if operation.is_observer else operation._replace(began=WILD, ended=None, outcome=INFO)


def _last_true(end: int, holds: Callable[[int], bool]) -> int:
    """Return the last number below `end` for which `holds`; it holds for 0 and, once it does not, for none after."""
    low, high = 0, end
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
