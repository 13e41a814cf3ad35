"""Depth-first search for a linearization: quick to find one, slow to prove that there is none.

Source: Wing and Gong's search with Lowe's memory of configurations (pitfalls D). It builds an order from the front: an
operation may come next if none of those left had completed before it was invoked. A configuration that led nowhere
is remembered and never entered again. Reads that agree with the state are taken at once: waiting would not help them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from paxoskv.checker.events import DELETE, PUT
from paxoskv.checker.frontier import Frontier
from paxoskv.checker.groups import Group
from paxoskv.checker.model import REFUSED, State
from paxoskv.checker.models import AnyModel, model_for
from paxoskv.checker.operations import Operation
from paxoskv.checker.unknowns import KeyHistory


class Found(NamedTuple):
    """linearizable: None if the budget ran out. order: a linearization, if there is one. steps: what it took."""

    linearizable: bool | None
    order: tuple[Operation, ...]
    steps: int


class _Node(NamedTuple):
    """A beginning of an order: all required operations before `first`, and those of `mask`, counted from `first`.

    spent: the optional ones it took. is_loose: one of these stands at its end.
    """

    first: int
    mask: int
    spent: int
    state: State | Group
    is_loose: bool = False


def search(history: KeyHistory, budget: int) -> Found:
    """Look for an order of the operations that agrees with their outcomes and times, for at most `budget` steps."""
    if not history.required:
        return Found(True, (), 0)
    walk = _Walk(history)
    met: Frontier[tuple[int, int, State | Group]] = Frontier()
    order: list[Operation] = []
    levels = [walk.successors(_Node(0, 0, 0, walk.model.initial))]
    steps = 0
    while levels:
        for operation, node in levels[-1]:
            steps += 1
            if node.first == len(history.required):
                return Found(True, (*order, operation), steps)
            if met.add((node.first, node.mask, node.state), node.spent):
                order.append(operation)
                levels.append(walk.successors(node))
                break
        else:
            levels.pop()
            if order:
                order.pop()
        if steps >= budget:
            return Found(None, (), steps)
    return Found(False, (), steps)


class _Walk:
    """How a beginning of an order can go on.

    model: of what the operations are about. alive: for each required operation, the optional ones that somebody may
    still look for when it is the first left.
    """

    def __init__(self, history: KeyHistory) -> None:
        self._required = history.required
        self._optional = history.optional
        self._twins = history.twins
        self._began = [op.began for op in history.required]
        self._ended = [_end(op) for op in history.required]
        self._alive = _alive(history)
        self.model: AnyModel = model_for((*history.required, *history.optional))
        self._step, self._spend = self.model.step, self.model.spend
        self._overwriting = (PUT, DELETE) if self.model.is_one_key else ()

    def successors(self, node: _Node) -> Iterator[tuple[Operation, _Node]]:
        """Yield (operation, node after it), the most promising first: what had to be done first."""
        candidates, bound = self._candidates(node)
        fitting: list[tuple[Operation, _Node]] = []
        for place in candidates:
            operation = self._required[place]
            state = self._step(operation, node.state)
            if state is REFUSED:
                continue
            after = operation, self._advance(node, place, state)
            if operation.is_observer:
                yield after
                return
            fitting.append(after)
        yield from fitting
        yield from self._optional_ones(node, bound)

    def _optional_ones(self, node: _Node, bound: int) -> Iterator[tuple[Operation, _Node]]:
        """Yield the same for optional operations invoked before `bound`.

        After an optional one only what builds on it is worth a trial: what overwrites it could have come alone.
        """
        left = self._alive[node.first] & ~node.spent
        while left:
            bit = left & -left
            left ^= bit
            number = bit.bit_length() - 1
            operation = self._optional[number]
            if operation.began > bound:
                return
            if self._twins[number] & ~node.spent or (node.is_loose and operation.f in self._overwriting):
                continue
            state = self._spend(operation, node.state)
            if state is not REFUSED:
                yield operation, node._replace(spent=node.spent | bit, state=state, is_loose=True)

    def _candidates(self, node: _Node) -> tuple[list[int], int]:
        """Return the required operations that may come next, by their ends, and the first of these ends."""
        began, ended = self._began, self._ended
        place, mask, bound = node.first, node.mask, ended[node.first]
        found = []
        while place < len(began) and began[place] < bound:
            if not mask & 1:
                found.append(place)
                bound = min(bound, ended[place])
            mask >>= 1
            place += 1
        found.sort(key=ended.__getitem__)
        return found, bound

    def _advance(self, node: _Node, place: int, state: State | Group) -> _Node:
        """Return the node after a required operation was placed."""
        first, mask = node.first, node.mask | 1 << (place - node.first)
        while mask & 1:
            mask >>= 1
            first += 1
        return _Node(first, mask, node.spent & self._alive[first], state)


def _alive(history: KeyHistory) -> list[int]:
    """Return for each required operation, and for the end, a set of bits: see `_Walk`."""
    expiring = sorted(enumerate(history.expires), key=lambda pair: pair[1], reverse=True)
    left = (1 << len(expiring)) - 1
    alive = []
    for operation in history.required:
        while expiring and expiring[-1][1] <= operation.began:
            left ^= 1 << expiring.pop()[0]
        alive.append(left)
    return [*alive, 0]


def _end(operation: Operation) -> int:
    assert operation.ended is not None, f"a required operation has an end: {operation}"
    return operation.ended
