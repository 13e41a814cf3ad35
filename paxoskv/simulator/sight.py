"""What one program has been told of an interval by its watches, one after the other, and whether that is all (P29)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from paxoskv.client.results import Entry
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.model import Model
from paxoskv.simulator.past import Event, Interval, Record
from paxoskv.simulator.world import World


class Wish(NamedTuple):
    """What a watch is asked to tell."""

    interval: Interval
    puts: bool = True
    deletes: bool = True
    previous: bool = False


class Sight:
    """Everything up to the revision `told` was told; node: by whom last, 0 for nobody yet.

    Each event of the interval has to come once, in the order of revisions, all of a revision together, or the watch
    has to end with Compacted, and only if the history does not reach back to what comes next.
    """

    def __init__(self, world: World, model: Model, marks: Marks, wish: Wish, told: int) -> None:
        self.wish = wish
        self.told = told
        self.node = 0
        self._world = world
        self._model = model
        self._marks = marks

    @classmethod
    def of_chance(cls, world: World, model: Model, marks: Marks, rng: Random, keys: Sequence[bytes]) -> Sight:
        """Return one that begins somewhere in the known past."""
        key = rng.choice(keys)
        prefix = key[:1]
        interval = rng.choice(
            (
                Interval(b"", b""),
                Interval(prefix, bytes([prefix[0] + 1])),
                Interval(key, key + b"\0"),
                Interval(key, b""),
            )
        )
        puts = rng.random() < 0.85
        wish = Wish(interval, puts, not puts or rng.random() < 0.85, rng.random() < 0.5)
        return cls(world, model, marks, wish, rng.choice((0, model.revision, model.revision // 2)))

    @property
    def is_complete(self) -> bool:
        """Whether there is nothing left to be told."""
        return not any(self._events(revision) for revision in range(self.told + 1, self._model.revision + 1))

    def begin(self, told: int, floor: int) -> None:
        """A watch without a revision begins: no earlier than what was complete before it. floor: slot of that."""
        if not self._model.revision_at(floor) <= told <= self._model.revision:
            self._fail(f"begins after revision {told}, complete was {self._model.revision_at(floor)}")
        self.told = told

    def take(self, revision: int, events: Sequence[tuple[bytes, Entry | None, Entry | None]], node: int) -> None:
        """A watch tells all of a revision; without events: nothing happened up to it."""
        if revision > self._model.revision:
            self._fail(f"is told revision {revision}, which nobody has applied")
            return
        if revision <= self.told:
            self._fail(f"is told revision {revision} after {self.told}")
        for between in range(self.told + 1, revision):
            if self._events(between):
                self._fail(f"is told revision {revision} after {self.told}, not {self._events(between)!r:.200}")
        found = tuple((key, _record(entry), _record(previous)) for key, entry, previous in events)
        if found != self._events(revision):
            self._fail(f"is told {found!r:.200} of revision {revision}, it was {self._events(revision)!r:.200}")
        if self.node not in (0, node):
            self._marks.hit("watch goes on at another node")
        self.told, self.node = revision, node

    def compacted(self, revision: int) -> None:
        """A watch has ended, since the history goes back to this revision only; another one begins there."""
        self._marks.hit("watcher told Compacted")
        if revision not in self._model.forgotten:
            self._fail(f"is told that revision {revision} is the oldest one, it is so nowhere")
        if self.told >= revision:
            self._fail(f"is told that {revision} is the oldest revision, though it has all up to {self.told}")
        self.told = max(self.told, revision)

    def _events(self, revision: int) -> tuple[Event, ...]:
        wish = self.wish
        return tuple(
            (key, record, previous if wish.previous else None)
            for key, record, previous in self._model.past.events_of(revision, wish.interval)
            if (wish.deletes if record is None else wish.puts)
        )

    def _fail(self, what: str) -> None:
        self._world.fail("P29", f"a watch of {self.wish} {what}")


def _record(entry: Entry | None) -> Record | None:
    return None if entry is None else (entry.value, entry.created, entry.modified, entry.version, entry.lease)
