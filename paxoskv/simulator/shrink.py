"""Makes a failing plan smaller: fewer kinds of faults, fewer faults, fewer programs and operations, fewer odd settings.

A smaller plan is kept if it fails with the same broken rule. Everything that follows a change draws differently, so
the failure need not be the same story; it is the same kind of mistake, told in fewer words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from paxoskv.node.settings import ConfigError
from paxoskv.simulator.plan import FaultEvent, Plan
from paxoskv.simulator.run import Result, run_plan


class Shrinker:
    """Tries smaller plans as long as the budget of runs lasts.

    plan: the smallest failing one so far. result: of its run.
    """

    def __init__(
        self, plan: Plan, result: Result, runs_max: int, progress: Callable[[Plan], None] = lambda plan: None
    ) -> None:
        self.plan = plan
        self.result = result
        self._left = runs_max
        self._progress = progress

    def shrink(self) -> Plan:
        """Return the smallest failing plan that was found."""
        smaller = True
        while smaller and self._left:
            smaller = self._drop_kinds() | self._drop_events() | self._simplify()
        return self.plan

    def _try(self, plan: Plan) -> bool:
        """Take over a plan if it fails in the same way."""
        if not self._left or plan == self.plan:
            return False
        self._left -= 1
        try:
            result = run_plan(plan)
        except ConfigError:  # two settings that go together only, one of them left out
            return False
        if result.rule != self.result.rule:
            return False
        self.plan, self.result = plan, result
        self._progress(plan)
        return True

    def _drop_kinds(self) -> bool:
        dropped = False
        for kind in sorted({event.kind for event in self.plan.events}):
            dropped |= self._try(self._with_events(tuple(e for e in self.plan.events if e.kind != kind)))
        return dropped

    def _drop_events(self) -> bool:
        """Drop runs of events, half of all at first, single ones in the end."""
        dropped = False
        size = max(1, len(self.plan.events) // 2)
        while True:
            at = 0
            while at < len(self.plan.events):
                events = self.plan.events
                if self._try(self._with_events(events[:at] + events[at + size :])):
                    dropped = True
                else:
                    at += size
            if size == 1:
                return dropped
            size //= 2

    def _simplify(self) -> bool:
        simplified = False
        for plan in self._simpler():
            simplified |= self._try(plan)
        return simplified

    def _simpler(self) -> Iterator[Plan]:
        """Yield plans with one thing less; made anew for each, since the one before may have been taken over."""
        for name in sorted(self.plan.knobs):
            yield replace(self.plan, knobs=_without(self.plan.knobs, name))
        for name in sorted(self.plan.settings):
            yield replace(self.plan, settings=_without(self.plan.settings, name))
        yield replace(self.plan, forced={})
        for programs in range(1, self.plan.programs):
            yield replace(self.plan, programs=programs)
        yield replace(self.plan, habits={**self.plan.habits, "workers": 1})
        yield replace(self.plan, habits={**self.plan.habits, "cancel": 0.0})
        for operations in (5, 20, 80):
            yield replace(self.plan, habits={**self.plan.habits, "operations_max": operations})
        yield replace(self.plan, turn_s=0.0)
        if self.result.rule != "I11":
            yield replace(self.plan, safety_s=min(self.plan.safety_s, self.result.simulated_s + 0.1))

    def _with_events(self, events: tuple[FaultEvent, ...]) -> Plan:
        return replace(self.plan, events=events)


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}
