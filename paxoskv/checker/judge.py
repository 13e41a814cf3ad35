"""The judge: splits a history by key, searches each, and sums up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from paxoskv.checker import configurations, wgl
from paxoskv.checker.operations import Operation
from paxoskv.checker.unknowns import settle
from paxoskv.checker.witness import flaw

BUDGET_STEPS = 500_000
"""Configurations that the judgement of one key may cost, by default."""
DEPTH_FIRST_SHARE = 10
"""The depth-first search gets one part in so many of the budget: it is quick or of no use."""

Progress = Callable[[int, int], None]
"""Called with the keys judged so far and the keys in all."""


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """The judgement of one key. linearizable: None if the budget ran out. steps: what it cost."""

    key: bytes
    operations: int
    linearizable: bool | None
    steps: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of a history. linearizable: None if no key is known to be wrong, but some are undecided."""

    linearizable: bool | None
    operations: int
    keys: tuple[KeyVerdict, ...]


def judge(operations: Iterable[Operation], budget: int = BUDGET_STEPS, progress: Progress | None = None) -> Verdict:
    """Judge whether one order of the operations explains all outcomes and respects real time.

    Each key is judged on its own: a history is linearizable if and only if that of every key is. A key starts absent.
    """
    by_key = split(operations)
    verdicts: list[KeyVerdict] = []
    for key, own in by_key.items():
        verdicts.append(_judge_key(key, own, budget))
        if progress is not None:
            progress(len(verdicts), len(by_key))
    total = _all(verdict.linearizable for verdict in verdicts)
    return Verdict(total, sum(map(len, by_key.values())), tuple(verdicts))


def split(operations: Iterable[Operation]) -> dict[bytes, list[Operation]]:
    """Return the operations of each key, the keys in the order in which they appear."""
    by_key: dict[bytes, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_key[operation.key].append(operation)
    return dict(by_key)


def _judge_key(key: bytes, operations: Sequence[Operation], budget: int) -> KeyVerdict:
    history = settle(operations)
    found = wgl.search(history, max(1, budget // DEPTH_FIRST_SHARE))
    if found.linearizable:
        wrong = flaw(operations, found.order)
        assert wrong is None, f"the depth-first search found an order that is none: {wrong}"
        return KeyVerdict(key, len(operations), True, found.steps)
    judged = configurations.search(history, budget)
    return KeyVerdict(key, len(operations), judged.linearizable, found.steps + judged.steps)


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    known = set(verdicts)
    if False in known:
        return False
    return None if None in known else True
