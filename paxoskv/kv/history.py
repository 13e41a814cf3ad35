"""The last changes of all keys: they feed watches, and reads of a past revision.

What is kept is bounded: whole revisions are dropped, the oldest first. No command's outcome depends on what is
left, so replicas may keep windows of different sizes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from sortedcontainers import SortedDict

from paxoskv.kv.limits import KvLimits
from paxoskv.kv.records import Record, header, unpack

Event = tuple[bytes, Record | None, Record | None]
"""`(key, record, previous)`: the record after the change, None if the key was deleted; then the one before, or None."""

PackedEvent = tuple[bytes, bytes | None, bytes | None]
"""The same with records as the store keeps them."""

Change = tuple[int, tuple[Event, ...]]
"""`(revision, events)`: all that happened at a revision, by key, at most one event for a key."""

_SEGMENTS = 16


class Compacted(ValueError):
    """The history does not reach back so far.

    asked: the revision it was. compacted_revision: the oldest one that can be read; watches begin after it.
    """

    def __init__(self, asked: int, compacted_revision: int) -> None:
        super().__init__(f"revision {asked} is compacted: the history goes back to {compacted_revision}")
        self.asked = asked
        self.compacted_revision = compacted_revision


class FutureRevision(ValueError):
    """A revision that does not exist yet (P29)."""

    def __init__(self, asked: int, current: int) -> None:
        super().__init__(f"revision {asked} is in the future: the store is at {current}")
        self.asked = asked
        self.current = current


class _Segment:
    """Consecutive revisions, dropped together.

    entries: three items per revision, in one flat list, since most of what it costs to keep an event is memory
    touched. `key, packed, before` if the revision has one event, else a tuple of such triples, ordered by key, and
    twice None. `packed` is the record as the store keeps it, and the store's own; `before` the previous one, or the
    revision at which the key was deleted, or None if the window knows nothing older.
    events: beyond one per revision. bytes: of the previous records.
    deleted: the deletions among the events, by key and revision.
    """

    __slots__ = ("bytes", "deleted", "entries", "events", "first")

    def __init__(self, first: int, entries: Sequence[Any]) -> None:
        self.first = first
        self.entries = entries
        self.deleted: list[tuple[bytes, int]] = []
        self.events = 0
        self.bytes = 0

    @property
    def last(self) -> int:
        """The last revision in it."""
        return self.first + len(self.entries) // 3 - 1

    def kept(self, revision: int) -> tuple[tuple[Any, ...], ...]:
        """Return the events of one revision, as they are kept."""
        at = 3 * (revision - self.first)
        entry = self.entries[at : at + 3]
        return (tuple(entry),) if type(entry[0]) is bytes else entry[0]


class History:
    """The changes of the revisions after `compacted_revision`, up to the present one.

    compacted_revision: the oldest revision whose state can still be read; only grows. events, bytes: how many the
    closed segments hold, and of superseded records; the records that keys hold now are the store's.

    Every event refers to its key's record before, so the past of a key is a chain of records that the store had
    anyway, and nothing is copied or indexed by key. What ends a chain, a deletion, is remembered in `_graves`.
    """

    __slots__ = (
        "_bytes_max",
        "_events_max",
        "_fresh",
        "_graves",
        "_older",
        "_tail",
        "bytes",
        "compacted_revision",
        "events",
    )

    def __init__(self, limits: KvLimits) -> None:
        self.compacted_revision = 0
        self.bytes = 0
        self.events = 0
        self._events_max = max(1, limits.history_events_max // _SEGMENTS)
        self._bytes_max = max(1, limits.history_bytes_max // _SEGMENTS)
        self._older: deque[_Segment] = deque()
        self._fresh: list[Any] = []
        self._tail = _Segment(1, self._fresh)
        self._graves: SortedDict = SortedDict()

    # What the store tells

    def add(self, key: bytes, packed: bytes, before: bytes | None) -> None:
        """Remember that the next revision wrote one key."""
        if before is not None:
            self._fresh += (key, packed, before)
            self._tail.bytes += len(before)
        else:
            self._fresh += (key, packed, self._graves.pop(key, None) if self._graves else None)

    def add_all(self, revision: int, events: list[PackedEvent]) -> None:
        """Remember all events of the next revision, ordered by key; a key that neither was nor is there has none."""
        kept: list[tuple[Any, ...]] = []
        size_bytes = 0
        for event in events:
            key, packed, before = event
            if before is not None:
                size_bytes += len(before)
                kept.append(event if packed is not None else self._kept(revision, key, packed, before))
            elif packed is not None:
                kept.append(self._kept(revision, key, packed, before))
        self._fresh += kept[0] if len(kept) == 1 else (tuple(kept), None, None)
        self._tail.events += len(kept) - 1
        self._tail.bytes += size_bytes

    def settle(self) -> None:
        """Keep the window within its bounds; after every slot."""
        tail = self._tail
        if tail.bytes > self._bytes_max or len(tail.entries) // 3 + tail.events >= self._events_max:
            self._begin_segment()

    def compact(self, revision: int) -> None:
        """Forget all changes up to `revision`: it is the oldest state that can be read from now on."""
        self.compacted_revision = max(self.compacted_revision, revision)
        while self._older and self._older[0].last <= revision:
            self._drop_oldest()

    def _kept(self, revision: int, key: bytes, packed: bytes | None, before: bytes | None) -> tuple[Any, ...]:
        """Return an event as it is kept, its key's grave opened or closed."""
        if packed is None:
            self._graves[key] = revision
            self._tail.deleted.append((key, revision))
        if before is None:
            return key, packed, self._graves.pop(key, None)
        return key, packed, before

    def _begin_segment(self) -> None:
        """Close the newest segment, and make room for another one within the bounds."""
        full = self._tail
        full.events += len(full.entries) // 3
        full.entries = tuple(self._fresh)  # the garbage collector stops looking into a tuple of atoms
        self._older.append(full)
        self.events += full.events
        self.bytes += full.bytes
        self._fresh = []
        self._tail = _Segment(full.last + 1, self._fresh)
        events_max, bytes_max = self._events_max * (_SEGMENTS - 1), self._bytes_max * (_SEGMENTS - 1)
        while self._older and (self.events > events_max or self.bytes > bytes_max):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = self._older.popleft()
        self.events -= oldest.events
        self.bytes -= oldest.bytes
        self.compacted_revision = max(self.compacted_revision, oldest.last)
        for key, revision in oldest.deleted:
            if self._graves.get(key) == revision:
                del self._graves[key]

    # What is read

    def check(self, revision: int, current: int) -> None:
        """Let a read at a past revision through. Raises: Compacted, FutureRevision."""
        if revision > current:
            raise FutureRevision(revision, current)
        if revision < self.compacted_revision:
            raise Compacted(revision, self.compacted_revision)

    def packed_at(self, key: bytes, present: bytes | None, revision: int) -> bytes | None:
        """Return the record of `key` at a revision that `check` let through; `present`: its record now."""
        step: bytes | int | None = present if present is not None else self._graves.get(key)
        while step is not None:
            if isinstance(step, bytes):
                modified: int = header(step)[2]
                if modified <= revision:
                    return step
                step = self._before(key, modified)
            elif step <= revision:
                return None
            else:
                step = self._before(key, step)
        return None

    def deleted_keys(self, start: bytes, end: bytes, descending: bool) -> Iterator[bytes]:
        """Yield the keys of an interval that are absent now, and were deleted within the window."""
        keys: Iterator[bytes] = self._graves.irange(start, end or None, (True, False), reverse=descending)
        return keys

    def walk(self, first: int, last: int) -> Iterator[Change]:
        """Yield the changes of the revisions from `first` to `last`, as far as they exist, each whole (P28, P29).

        To be used up before the next command is applied. Raises: Compacted, at the first step, if `first` is not in
        the window any more.
        """
        if first <= self.compacted_revision:
            raise Compacted(first, self.compacted_revision)
        for segment in (*self._older, self._tail):
            for revision in range(max(first, segment.first), min(last, segment.last) + 1):
                events = tuple([_told(event) for event in segment.kept(revision)])
                if events:
                    yield revision, events

    def _before(self, key: bytes, revision: int) -> bytes | int | None:
        """Return what `key` was before the event that it has at `revision`, which is in the window."""
        segment = self._tail
        if revision < segment.first:
            segment = self._older[bisect_right(self._older, revision, key=_first) - 1]
        kept = segment.kept(revision)
        event = kept[bisect_left(kept, key, key=_key)]
        assert event[0] == key, f"revision {revision} did not change {key!r}, but {event[0]!r}"
        before: bytes | int | None = event[2]
        return before


def _told(kept: tuple[Any, ...]) -> Event:
    """Return an event as it is told: unpacked, and without the revision of an earlier deletion."""
    key, packed, before = kept
    record = unpack(packed) if packed is not None else None
    return key, record, unpack(before) if type(before) is bytes else None


def _first(segment: _Segment) -> int:
    return segment.first


def _key(kept: tuple[Any, ...]) -> bytes:
    key: bytes = kept[0]
    return key
