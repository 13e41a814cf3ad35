"""Finds the few operations that contradict each other in a history that is wrong.

An operation is taken away by weakening it, never by forgetting what it may have written: a read says nothing any
more, and a write may have happened once at any time, or never. What is still wrong then is wrong because of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from paxoskv.checker import configurations
from paxoskv.checker.events import CAS, GET, INFO, OK, PUT
from paxoskv.checker.model import Held
from paxoskv.checker.operations import Operation
from paxoskv.checker.pieces import Pieces
from paxoskv.checker.unknowns import LATER, adds_up, product, settle

FIRST_SIZE = 8
"""So many of the most relevant operations are tried first, then twice as many, and so on."""
ATTEMPT_STEPS = 50_000
"""Budget of one attempt to do without some operations; one that is not decided in it has failed."""
SHRINK_STEPS = 1_000_000
"""Budget of all attempts together; what is left when it runs out is not shrunk any more."""
WILD = -1
"""A place before every event."""


class Core(NamedTuple):
    """Operations that are wrong together. is_minimal: none of them can be spared."""

    operations: tuple[Operation, ...]
    is_minimal: bool


def known_at(operations: Iterable[Operation], place: int) -> list[Operation]:
    """Return the operations of one key as far as known at an event: those open then have an unknown outcome."""
    known = []
    for op in operations:
        if not op.counts or op.began > place:
            continue
        if op.ended is None or op.ended <= place:
            known.append(op)
        elif not op.is_observer:
            known.append(op._replace(ended=None, outcome=INFO, told=None))
    return sorted(known, key=lambda op: op.began)


def shrink(known: Sequence[Operation], culprit: Operation) -> Core:
    """Return operations of `known` that are wrong together, in their order.

    known: they are wrong together. culprit: where it showed. Of several contradictions, one with the writes of the
    value seen there, and with what happened shortly before, is preferred.
    """
    if _stands_alone(known, culprit):
        return Core((culprit,), is_minimal=True)
    attempts = _Attempts(sorted(known, key=_relevance(culprit), reverse=True))
    size = FIRST_SIZE
    while size < len(known) and not attempts.is_wrong(range(size)):
        size *= 2
    needed = attempts.needed([], list(range(min(size, len(known)))), is_new=False)
    core = sorted((attempts.operations[number] for number in needed), key=lambda op: op.began)
    return Core(tuple(core), is_minimal=not attempts.gave_up)


def seen_by(operation: Operation) -> Held:
    """Return the value that a get read or a cas expected."""
    return operation.value[0] if isinstance(operation.value, tuple) else operation.result


def weaken(operation: Operation) -> Operation | None:
    """Return what is left of an operation that is taken away, None if that is nothing.

    Of a cas it is a put, which may happen whatever the key holds.
    """
    if operation.is_observer:
        return None
    weaker = operation._replace(began=WILD, ended=None, outcome=INFO, told=None)
    return weaker._replace(f=PUT, value=product(operation)) if operation.f == CAS else weaker


def _stands_alone(known: Iterable[Operation], culprit: Operation) -> bool:
    """Whether the culprit saw a value that nothing known can have made, whatever the order."""
    seen = seen_by(culprit)
    if adds_up(known):
        return False
    if culprit.f not in (GET, CAS) or culprit.outcome != OK or seen is None:
        return False
    writes = [op for op in known if not op.is_observer and op.began != culprit.began]
    return not Pieces(seen, writes).possible


class _Attempts:
    """Tries which operations, given by number, are wrong by themselves.

    operations: the most relevant first. gave_up: an attempt ended without an answer.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = operations
        self.gave_up = False
        self._steps_left = SHRINK_STEPS

    def is_wrong(self, numbers: Iterable[int]) -> bool:
        """Whether the history is still wrong with all operations weakened but these."""
        budget = min(ATTEMPT_STEPS, self._steps_left)
        strict = set(numbers)
        weaker = (op if number in strict else weaken(op) for number, op in enumerate(self.operations))
        judged = configurations.search(settle(op for op in weaker if op is not None), budget)
        self._steps_left = max(0, self._steps_left - judged.steps)
        self.gave_up |= judged.linearizable is None
        return judged.linearizable is False

    def needed(self, given: list[int], candidates: list[int], is_new: bool) -> list[int]:
        """Return those of `candidates` that make the history wrong together with `given`, none of them to spare.

        Candidates in front are preferred. is_new: `given` has grown since it was last tried.
        Source: Junker's QuickXplain, which takes away halves instead of single operations.
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


def _relevance(culprit: Operation) -> Callable[[Operation], tuple[int, int]]:
    """Return the key that sorts what the culprit's answer has most to do with last, and later ones after earlier.

    The writes of what it saw come first, then the writes that had completed before it began, then other operations
    that had, then what was under way meanwhile.
    """
    looked = culprit.f in (GET, CAS)

    def relevance(op: Operation) -> tuple[int, int]:
        ended = LATER if op.ended is None else op.ended
        if op.began == culprit.began:
            return 4, ended
        if looked and not op.is_observer and product(op) == seen_by(culprit):
            return 3, ended
        return (2 - op.is_observer if ended < culprit.began else 0), ended

    return relevance
