"""All states that the log has led to: what every key held after every slot, and what every revision changed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

Record = tuple[bytes, int, int, int, int]
"""(value, created, modified, version, lease), as clients see it."""

Event = tuple[bytes, Record | None, Record | None]
"""(key, record, previous): what a key holds since then, None if it is gone, and what it held before."""


class Interval(NamedTuple):
    """The keys of start <= key < end; end b"" is the end of all keys."""

    start: bytes
    end: bytes

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.start <= key and (not self.end or key < self.end)


EVERYTHING = Interval(b"", b"")


class _Key:
    """The versions of one key; slots and revisions say since when each holds."""

    __slots__ = ("records", "revisions", "slots")

    def __init__(self) -> None:
        self.slots: list[int] = []
        self.revisions: list[int] = []
        self.records: list[Record | None] = []

    def at(self, places: list[int], place: int) -> Record | None:
        found = bisect_right(places, place)
        return self.records[found - 1] if found else None


class Past:
    """Every version of every key. changes: for each revision, from 1, its slot and its events by key."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, tuple[Event, ...]]] = []
        self._keys: dict[bytes, _Key] = {}
        self._revisions: list[int] = [0]

    @property
    def revision(self) -> int:
        """The newest one."""
        return len(self.changes)

    def add(self, slot: int, events: Iterable[Event]) -> None:
        """The next revision was made, in a slot. events: all of it, one for each key."""
        ordered = tuple(sorted(events))
        self.changes.append((slot, ordered))
        for key, record, _ in ordered:
            versions = self._keys.setdefault(key, _Key())
            versions.slots.append(slot)
            versions.revisions.append(self.revision)
            versions.records.append(record)

    def end_slot(self) -> None:
        """The next slot is over."""
        self._revisions.append(self.revision)

    def revision_at(self, slot: int) -> int:
        """Return the revision after a slot."""
        return self._revisions[slot]

    def record_at(self, key: bytes, slot: int) -> Record | None:
        """Return what a key held after a slot."""
        versions = self._keys.get(key)
        return None if versions is None else versions.at(versions.slots, slot)

    def record_in(self, key: bytes, revision: int) -> Record | None:
        """Return what a key held at a revision."""
        versions = self._keys.get(key)
        return None if versions is None else versions.at(versions.revisions, revision)

    def range_at(self, slot: int) -> list[tuple[bytes, Record]]:
        """Return all keys that existed after a slot, in their order."""
        return self.range_in(self.revision_at(slot))

    def range_in(self, revision: int, interval: Interval = EVERYTHING) -> list[tuple[bytes, Record]]:
        """Return the keys of an interval that existed at a revision, in their order."""
        found = ((key, self.record_in(key, revision)) for key in sorted(self._keys) if key in interval)
        return [(key, record) for key, record in found if record is not None]

    def events_of(self, revision: int, interval: Interval) -> tuple[Event, ...]:
        """Return what a revision changed in an interval."""
        return tuple(event for event in self.changes[revision - 1][1] if event[0] in interval)
