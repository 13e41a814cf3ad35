"""The one clock and the one list of what happens next; everything else in the simulator is built on it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from hashlib import blake2b
from random import Random

Act = Callable[[], None]


class Violation(Exception):
    """Something that must never happen has happened.

    rule: the invariant of pitfalls C.1 that it breaks, such as "I1", or "bug" for an error that production code raised.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


class EventsExhausted(Violation):
    """A run that does not come to its end in any sensible number of events: a loop that feeds itself."""

    def __init__(self, events: int, now: float) -> None:
        super().__init__("endless", f"{events} events were not enough, simulated time is {now:.3f} s")


class World:
    """Simulated time, in seconds, and the events in it, ordered by (time, order of scheduling).

    Events run one after the other; two runs of one seed run the same events. `note` collects what distinguishes runs
    in a hash. `tell` is for the story of a run; `telling` says whether anybody listens, so that nobody else pays, and
    `speaker` which process is running. clocks_differ: some process has ever had a clock that was wrong.
    """

    def __init__(self, seed: int, events_max: int = 5_000_000) -> None:
        self.seed = seed
        self.now = 0.0
        self.events = 0
        self.violation: Violation | None = None
        self.telling = False
        self.clocks_differ = False
        self.speaker = ""
        self._story: Callable[[float, str], None] | None = None
        self._events_max = events_max
        self._heap: list[tuple[float, int, Act]] = []
        self._count = 0
        self._hash = blake2b(digest_size=8)

    def rng(self, name: str) -> Random:
        """Return the generator of one subsystem: what another one draws does not move it."""
        return Random(f"{self.seed}/{name}")

    def at(self, time: float, act: Act) -> None:
        """Let `act` happen at a time, now at the earliest."""
        self._count += 1
        heapq.heappush(self._heap, (time, self._count, act))

    def after(self, delay_s: float, act: Act) -> None:
        """Let `act` happen after a delay."""
        self.at(self.now + delay_s, act)

    def run_until(self, end: float, done: Callable[[], bool] | None = None) -> bool:
        """Live until `end`, or until `done` holds; return whether it does. Raises: Violation, the first one."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= end:
            self.now, _, act = pop(heap)
            act()
            self.events += 1
            if self.violation is not None:
                raise self.violation
            if done is not None and done():
                return True
            if self.events > self._events_max:
                raise EventsExhausted(self.events, self.now)
        self.now = max(self.now, end)
        return False

    def fail(self, rule: str, message: str) -> None:
        """Note a violation; the run ends after this event. Only the first one counts: later ones follow from it."""
        if self.violation is None:
            self.violation = Violation(rule, message)

    # Telling runs apart, and telling them

    def note(self, data: bytes) -> None:
        """Let the trace hash depend on `data`."""
        self._hash.update(data)

    def trace_hash(self) -> str:
        """Return the hash of all that was noted, as 16 hex digits."""
        return self._hash.hexdigest()

    def listen(self, story: Callable[[float, str], None]) -> None:
        """Have the story told to `story`, line by line, with its time."""
        self._story = story
        self.telling = True

    def tell(self, line: str) -> None:
        """Add a line to the story; callers look at `telling` first where making the line costs something."""
        if self._story is not None:
            self._story(self.now, line)
