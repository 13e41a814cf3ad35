"""Work that comes again and again, and must leave time for what matters more."""

from __future__ import annotations

from collections.abc import Callable

from paxoskv.node.turns import Turns


class Pace:
    """Runs a piece of work at the end of the turn in which it is wanted, and rests after it for as long as it took.

    So the work takes half of the event loop's time at most, and what waits for the loop, writes above all, waits for
    one piece at most. What is wanted during the rest gathers, and is done in one larger and cheaper piece.
    clock: monotonic seconds.
    """

    def __init__(self, work: Callable[[], None], turns: Turns, clock: Callable[[], float]) -> None:
        self._work = work
        self._turns = turns
        self._clock = clock
        self._is_wanted = False
        self._is_due = False
        self._rests_until_s = 0.0

    def run_soon(self) -> None:
        """There is something to do; the work itself may say so as well."""
        self._is_wanted = True
        if not self._is_due:
            self._schedule()

    def _schedule(self) -> None:
        self._is_due = True
        rest_s = self._rests_until_s - self._clock()
        if rest_s > 0:
            self._turns.call_later(rest_s, self._run)
        else:
            self._turns.call_soon(self._run)

    def _run(self) -> None:
        self._is_wanted = False
        began_s = self._clock()
        self._work()
        ended_s = self._clock()
        self._rests_until_s = 2 * ended_s - began_s
        self._is_due = False
        if self._is_wanted:
            self._schedule()
