"""Search over sets of configurations: quick to prove that a history is not linearizable, and where it broke.

Source: Lowe's just-in-time linearization (pitfalls D). It follows the events and keeps every configuration the key may
be in: which of the open operations have taken effect, and the state. An operation is given effect only when one of
those open has to complete. When none of the configurations lets the one completing have had its outcome, no order
explains the history up to there. Reads take effect as soon as they agree with the state.
"""

from __future__ import annotations

from typing import NamedTuple

from paxoskv.checker.frontier import Frontier
from paxoskv.checker.groups import Group
from paxoskv.checker.model import REFUSED, Outcome, State
from paxoskv.checker.models import model_for
from paxoskv.checker.operations import Operation
from paxoskv.checker.unknowns import KeyHistory

_Place = tuple[int, State | Group]
"""Bits of the open operations that have taken effect, and what the key, or the group of keys, holds."""


class Judged(NamedTuple):
    """linearizable: None if the budget ran out.

    culprit: if it is not, the operation whose completion no configuration explains. steps: what it took.
    """

    linearizable: bool | None
    culprit: Operation | None
    steps: int


def search(history: KeyHistory, budget: int) -> Judged:
    """Follow all configurations through the history, for at most `budget` steps, each the trial of one operation."""
    return _Sweep(history, budget, exact=False).run()


def held_during(history: KeyHistory, operation: Operation, budget: int) -> frozenset[State | Group]:
    """Return what the key may have held while `operation`, one of the required, was open: as much as is found out.

    A few too many perhaps, namely values with which no configuration could have gone on until its completion.
    """
    sweep = _Sweep(history, budget, exact=True)
    sweep.watched = operation
    sweep.run()
    return frozenset(sweep.met)


class _Sweep:
    """The set of configurations on its way through the events.

    open: the open required operations by their bit, a bit that is free again after a completion. optional: those
    invoked so far by their bit, which they keep, each with the bit of its twin. met: states while `watched` was open.
    """

    watched: Operation | None = None

    def __init__(self, history: KeyHistory, budget: int, exact: bool) -> None:
        self._history = history
        self._budget = budget
        model = model_for((*history.required, *history.optional), exact)
        self._step, self._spend = model.step, model.spend
        self.met: set[State | Group] = set()
        self._steps = 0
        self._open: dict[int, Operation] = {}
        self._optional: dict[int, tuple[Operation, int]] = {}
        self._configurations: Frontier[_Place] = Frontier()
        self._configurations.add((0, model.initial), 0)

    def run(self) -> Judged:
        bits: dict[int, int] = {}
        for _, is_completion, number in self._events():
            if number >= len(self._history.required):
                self._offer(number - len(self._history.required), not is_completion)
                continue
            operation = self._history.required[number]
            if not is_completion:
                bits[number] = self._call(operation)
                continue
            bit = bits.pop(number)
            visited = self._complete(bit)
            if self.watched in self._open.values():
                self.met.update(state for (_, state), _ in visited)
            if self._steps > self._budget:
                return Judged(None, None, self._steps)
            del self._open[bit]
            if not len(self._configurations):
                return Judged(False, operation, self._steps)
        return Judged(True, None, self._steps)

    def _events(self) -> list[tuple[int, bool, int]]:
        """Return (place, is a completion, number of the operation), in order.

        The optional operations come last in number and complete when they expire, after the last look at them.
        """
        required, optional, expires, _ = self._history
        events = [(op.began, False, number) for number, op in enumerate((*required, *optional))]
        events += [(place, True, number) for number, place in enumerate(expires, len(required))]
        for number, op in enumerate(required):
            assert op.ended is not None, f"a required operation has an end: {op}"
            events.append((op.ended, True, number))
        return sorted(events)

    def _offer(self, number: int, is_call: bool) -> None:
        """Take an optional operation into account from now on, or no more."""
        bit = 1 << number
        if is_call:
            self._optional[bit] = self._history.optional[number], self._history.twins[number]
            return
        self._optional.pop(bit, None)
        before, self._configurations = self._configurations, Frontier()
        for place, spent in before:
            self._configurations.add(place, spent & ~bit)

    def _call(self, operation: Operation) -> int:
        """Open an operation and return its bit."""
        bit = 1
        while bit in self._open:
            bit <<= 1
        self._open[bit] = operation
        if operation.is_observer:
            before, self._configurations = self._configurations, Frontier()
            for (mask, state), spent in before:
                fits = self._step(operation, state) is not REFUSED
                self._configurations.add((mask | bit if fits else mask, state), spent)
        return bit

    def _complete(self, bit: int) -> Frontier[_Place]:
        """Keep the configurations in which the operation of `bit` has taken effect, reached by any others before it.

        Returns all configurations visited on the way.
        """
        visited, kept = self._configurations, Frontier[_Place]()
        waiting = list(visited)
        while waiting and self._steps <= self._budget:
            (mask, state), spent = waiting.pop()
            self._steps += 1
            if mask & bit:
                kept.add((mask ^ bit, state), spent)
                continue
            for taken, operation in self._open.items():
                if not mask & taken:
                    self._reach(mask | taken, self._step(operation, state), spent, visited, waiting)
            for taken, (operation, twin) in self._optional.items():
                if not spent & taken and not twin & ~spent:
                    self._reach(mask, self._spend(operation, state), spent | taken, visited, waiting)
        self._configurations = kept
        return visited

    def _reach(
        self,
        mask: int,
        state: Outcome | Group,
        spent: int,
        visited: Frontier[_Place],
        waiting: list[tuple[_Place, int]],
    ) -> None:
        """Go on from a configuration if it is possible and new; reads that agree with it take effect in it."""
        self._steps += 1
        if state is REFUSED:
            return
        for bit, operation in self._open.items():
            if operation.is_observer and not mask & bit and self._step(operation, state) is not REFUSED:
                mask |= bit
        if visited.add((mask, state), spent):
            waiting.append(((mask, state), spent))
