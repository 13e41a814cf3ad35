"""The judge: splits a history by key, searches each, and sums up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from paxoskv.checker import configurations, counterexample, wgl
from paxoskv.checker.counterexample import Counterexample
from paxoskv.checker.events import INFO
from paxoskv.checker.groups import split
from paxoskv.checker.operations import Operation
from paxoskv.checker.revisions import VIOLATED, RevisionReport, check_revisions
from paxoskv.checker.unknowns import settle
from paxoskv.checker.witness import flaw

BUDGET_STEPS = 2_000_000
"""Steps of a search, each the trial of one operation, that the judgement of one key may cost by default."""
STEPS_PER_OPERATION = 2_500
"""So many for each operation, if that is more: with 8 clients on one key a few hundred are usual."""
DEPTH_FIRST_SHARE = 20
"""The depth-first search gets one part in so many of the budget: it is quick or of no use."""

Progress = Callable[[int, int], None]
"""Called with the keys judged so far and the keys in all."""


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """The judgement of one key, or of the keys that transactions tie to it.

    linearizable: None if the budget ran out. steps: what it cost.
    """

    key: bytes
    operations: int
    linearizable: bool | None
    steps: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of a history.

    linearizable: whether one order explains all outcomes; None if no key is known to be wrong, but some are undecided.
    revisions: what the revisions and slots in the replies say. unknown: operations without a known outcome.
    counterexample: of the key that went wrong first, else of the first wrong revision, None if nothing is wrong.
    """

    linearizable: bool | None
    revisions: RevisionReport
    operations: int
    unknown: int
    keys: tuple[KeyVerdict, ...]
    counterexample: Counterexample | None

    @property
    def acceptable(self) -> bool | None:
        """The verdict on everything: False if outcomes or revisions are wrong, None if that is undecided."""
        return False if self.revisions.status == VIOLATED else self.linearizable


class _Judged(NamedTuple):
    """culprit: if the key is wrong, the operation at whose completion it showed."""

    verdict: KeyVerdict
    culprit: Operation | None


def judge(operations: Iterable[Operation], budget: int | None = None, progress: Progress | None = None) -> Verdict:
    """Judge whether one order of the operations explains all outcomes and respects real time.

    Each key is judged on its own, or with those that transactions tie to it: a history is linearizable if and only if
    that of every such group is. A key starts absent.
    Then the revisions that replies carry, if any, are checked over all keys.
    budget: steps that the search of one key may take; by default what `BUDGET_STEPS` and the next constant say.
    """
    by_key = split(operations)
    revisions = check_revisions(by_key)
    judged: list[_Judged] = []
    for key, own in by_key.items():
        steps = max(BUDGET_STEPS, STEPS_PER_OPERATION * len(own)) if budget is None else budget
        judged.append(_judge_key(key, own, steps, revisions.orders.get(key, ())))
        if progress is not None:
            progress(len(judged), len(by_key))
    every = [op for own in by_key.values() for op in own]
    return Verdict(
        linearizable=_all(one.verdict.linearizable for one in judged),
        revisions=revisions,
        operations=len(every),
        unknown=sum(op.outcome == INFO for op in every),
        keys=tuple(one.verdict for one in judged),
        counterexample=_counterexample(by_key, judged, revisions),
    )


def _judge_key(key: bytes, operations: Sequence[Operation], budget: int, claimed: Sequence[Operation]) -> _Judged:
    """Judge one key. claimed: the order that its revisions claim, if they claim one."""
    history = settle(operations)
    found = wgl.search(history, max(1, budget // DEPTH_FIRST_SHARE))
    if found.linearizable:
        wrong = flaw(operations, found.order)
        assert wrong is None, f"the depth-first search found an order that is none: {wrong}"
        return _Judged(KeyVerdict(key, len(operations), True, found.steps), None)
    if found.linearizable is None and claimed and flaw(operations, claimed) is None:
        return _Judged(KeyVerdict(key, len(operations), True, found.steps), None)
    swept = configurations.search(history, budget)
    steps = found.steps + swept.steps
    if swept.linearizable is None and found.linearizable is False:
        return _Judged(KeyVerdict(key, len(operations), False, steps), max(history.required, key=_end))
    return _Judged(KeyVerdict(key, len(operations), swept.linearizable, steps), swept.culprit)


def _counterexample(
    by_key: Mapping[bytes, Sequence[Operation]], judged: Iterable[_Judged], revisions: RevisionReport
) -> Counterexample | None:
    culprits = [one.culprit for one in judged if one.culprit is not None]
    if culprits:
        first = min(culprits, key=_end)
        own = next(own for own in by_key.values() if any(op.began == first.began for op in own))
        return counterexample.from_search(own, first)
    if revisions.disorders:
        every = [op for own in by_key.values() for op in own]
        return counterexample.from_disorder(every, revisions.disorders[0])
    return None


def _end(operation: Operation) -> int:
    assert operation.ended is not None, f"what a search has to place has an end: {operation}"
    return operation.ended


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    known = set(verdicts)
    if False in known:
        return False
    return None if None in known else True
