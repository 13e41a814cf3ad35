"""Watches that stand at one place of the history, and move on together."""

from __future__ import annotations

from paxoskv.kv.history import Event
from paxoskv.kv.machine import Machine
from paxoskv.node.watch import Position, Watch
from paxoskv.node.watchgroup import Group, Stretch, Told, event_bytes
from paxoskv.node.watchindex import WatchIndex

STRETCH_REVISIONS_MAX = 1_000
STRETCH_BYTES_MAX = 512 << 10
"""Keys and values of a stretch, which is told in one turn of the loop and in one frame; one event may be larger.

Where many connections watch the same they share these bytes, so that a turn stays short (P42).
"""
STRETCH_BYTES_MIN = 4 << 10
"""For each, however many they are: a frame has its cost too."""


class Cohort:
    """position: everything before it is told to every watch in here, except what comes before its own position."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self._index = WatchIndex()
        self._crowd = 1

    def __bool__(self) -> bool:
        return bool(self._index)

    @property
    def watches(self) -> list[Watch]:
        """All who are in it."""
        return [watch for group in self._index.groups() for watch in group.watches]

    def join(self, watch: Watch) -> None:
        """Take a watch whose position is not before the cohort's."""
        watch.cohort = self
        group = self._index.group(watch.start, watch.end, watch.options)
        group.add(watch)
        self._crowd = max(self._crowd, len(group.connections))

    def leave(self, watch: Watch) -> None:
        """Let a watch go, its position where it has to go on."""
        group = watch.group
        assert group is not None, f"watch {watch.number} is in no cohort"
        group.remove(watch)
        watch.cohort = None
        watch.position = max(watch.position, self.position)
        if not group.connections:
            self._index.drop(group)
        if not self._index:
            self._crowd = 1

    def overtaken(self, compacted_revision: int) -> list[Watch]:
        """Return the watches that would miss something, since the history begins after `compacted_revision`."""
        return [watch for watch in self.watches if max(watch.position, self.position)[0] <= compacted_revision]

    def tell(self, machine: Machine, last: int) -> list[Watch]:
        """Tell the next stretch of the history, up to the revision `last` at most.

        Returns those who had no room and left. Raises: Compacted, if the history begins after the position.
        """
        share = max(STRETCH_BYTES_MIN, STRETCH_BYTES_MAX // self._crowd)
        stretch = cut(machine, self.position, last, min(share, STRETCH_BYTES_MAX))
        fallen = [watch for group, finishes in self._note(stretch).items() for watch in group.tell(stretch, finishes)]
        for watch in fallen:
            self.leave(watch)
        self.position = stretch.end
        return fallen

    def _note(self, stretch: Stretch) -> dict[Group, bool]:
        """Give every event to the groups that watch its key; return the groups to be told, and whether in any case."""
        watching = self._index.watching
        touched: dict[Group, bool] = {}
        for key, _, _ in stretch.unfinished:
            touched.update(dict.fromkeys(watching(key), True))
        for told in stretch.events:
            for group in watching(told[2][0]):
                group.note(told)
                touched.setdefault(group, False)
        return touched


def cut(machine: Machine, begin: Position, last: int, bytes_max: int) -> Stretch:
    """Return the stretch of the history from `begin` on, at most up to the revision `last`.

    bytes_max: of what `event_bytes` counts; the first event may be larger. Raises: Compacted.
    """
    first, skipped = begin
    last = min(last, machine.revision, first + STRETCH_REVISIONS_MAX - 1)
    taken: list[Told] = []
    size_bytes = 0
    unfinished: tuple[Event, ...] = ()
    for revision, events in machine.events(first, last):
        told_before = skipped if revision == first else 0
        if told_before:
            unfinished = events[:told_before]
        for index in range(told_before, len(events)):
            size_bytes += event_bytes(events[index])
            if taken and size_bytes > bytes_max:
                return Stretch(begin, (revision, index), taken, unfinished if revision > first else ())
            taken.append((revision, index, events[index]))
    return Stretch(begin, (max(first, last + 1), 0), taken, unfinished)
