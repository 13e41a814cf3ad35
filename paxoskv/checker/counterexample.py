"""The contradiction in a history that is wrong, ready to be shown: the operations, what is wrong, what is around."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paxoskv.checker import configurations
from paxoskv.checker.causes import cause_of
from paxoskv.checker.events import GET, OK
from paxoskv.checker.model import Held
from paxoskv.checker.operations import Operation
from paxoskv.checker.revisions import Disorder
from paxoskv.checker.shrink import known_at, shrink
from paxoskv.checker.unknowns import product, settle

ANSWERS_TRIED_MAX = 8
"""How many values are tried as the answer that would have been right."""
ANSWERS_STEPS = 50_000
"""Budget of each of these trials; one that is not decided in it is no answer."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Operations that no order explains.

    kind: a short name. why: sentences. operations: the contradiction, by invocation. accused: the one of them at whose
    completion it showed. right_answers: what a get should have read instead, as far as it was found out.
    is_minimal: none of the operations can be spared; False if the search for that took too long.
    context: other operations of the same keys that were under way at the same time as one of these.
    """

    kind: str
    why: str
    operations: tuple[Operation, ...]
    accused: Operation
    right_answers: tuple[Held, ...]
    is_minimal: bool
    context: tuple[Operation, ...]


def from_search(operations: Sequence[Operation], culprit: Operation) -> Counterexample:
    """Return the contradiction among the operations of one key, which are not linearizable.

    culprit: at whose completion the search over configurations found no way on.
    """
    assert culprit.ended is not None, f"a search gives up at a completion: {culprit}"
    known = known_at(operations, culprit.ended)
    core = shrink(known, culprit)
    originals = {op.began: op for op in operations}
    contradiction = tuple(originals[op.began] for op in core.operations)
    accused = originals[max(core.operations, key=lambda op: -1 if op.ended is None else op.ended).began]
    kind, why = cause_of(contradiction, accused, operations)
    answers = _right_answers(known, accused) if accused.f == GET else ()
    context = _surroundings(operations, contradiction)
    return Counterexample(kind, why, contradiction, accused, answers, core.is_minimal, context)


def from_disorder(operations: Iterable[Operation], disorder: Disorder) -> Counterexample:
    """Return the same for revisions or slots that contradict what happened. operations: of the whole history."""
    contradiction = tuple(sorted(disorder.operations, key=lambda op: op.began))
    keys = {op.key for op in contradiction}
    context = _surroundings([op for op in operations if op.key in keys], contradiction)
    return Counterexample(disorder.kind, disorder.why, contradiction, disorder.operations[-1], (), True, context)


def _surroundings(operations: Iterable[Operation], contradiction: Sequence[Operation]) -> tuple[Operation, ...]:
    within = {op.began for op in contradiction}
    others = [op for op in operations if op.counts and op.began not in within]
    return tuple(op for op in others if any(_overlap(op, one) for one in contradiction))


def _overlap(one: Operation, other: Operation) -> bool:
    """Whether two operations were under way together, as far as their clients waited for them."""
    first, second = sorted((one, other), key=lambda op: op.invoked_ns)
    return first.completed_ns is None or first.completed_ns >= second.invoked_ns


def _right_answers(known: Sequence[Operation], accused: Operation) -> tuple[Held, ...]:
    """Return values that the get could have read without contradiction, the first that are found."""
    rest = [op for op in known if op.began != accused.began]
    met = configurations.held_during(settle(known), accused, ANSWERS_STEPS)
    values = [state for state in met if state is None or isinstance(state, bytes)]
    values += [product(op) for op in rest if not op.is_observer and _overlap(op, accused)]
    candidates = sorted(set(values), key=lambda value: (value is None, value or b""))[:ANSWERS_TRIED_MAX]
    return tuple(value for value in candidates if _explains(rest, accused._replace(result=value, outcome=OK)))


def _explains(rest: Sequence[Operation], read: Operation) -> bool:
    return configurations.search(settle([*rest, read]), ANSWERS_STEPS).linearizable is True
