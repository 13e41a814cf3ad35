"""What a watch tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from paxoskv.client.answers import record_fields
from paxoskv.client.results import Entry
from paxoskv.net.codec import blob, items, number
from paxoskv.net.protocol import ProtocolError


class Event(NamedTuple):
    """One key was changed.

    entry: what it holds since then, None if it was deleted. previous: what it held before, if the watch asked for it.
    is_last: no other event of this revision follows.
    """

    revision: int
    key: bytes
    entry: Entry | None
    previous: Entry | None
    is_last: bool

    @property
    def value(self) -> bytes | None:
        """What the key holds since then, None if it was deleted."""
        return None if self.entry is None else self.entry.value

    @property
    def is_delete(self) -> bool:
        """Whether the key was deleted, by whatever: a call, a range, or the end of a lease."""
        return self.entry is None

    @property
    def is_create(self) -> bool:
        """Whether the key did not exist before."""
        return self.entry is not None and self.entry.created == self.entry.modified


class Batch(NamedTuple):
    """All that a watch is told of one revision; without events: nothing happened up to it."""

    revision: int
    events: tuple[Event, ...]


class Told(NamedTuple):
    """What some watches were told: every change up to the revision `last`, if it was for them.

    batches: of revisions that are told whole, ascending. part: of a revision above `last`, if any: more of it follows,
    or else only a larger `last`. event_count: of the events in batches.
    """

    last: int
    batches: tuple[Batch, ...] = ()
    part: Batch | None = None
    event_count: int = 0

    @property
    def first(self) -> int:
        """The first revision of which anything is told; 0 if there is none."""
        if self.batches:
            return self.batches[0].revision
        return self.part.revision if self.part is not None else 0

    def after(self, part: Batch) -> Told:
        """Return the same with a part in front that was told before. Raises: ProtocolError if it cannot stand there."""
        if self.first not in (0, part.revision) and min(self.first, self.last) < part.revision:
            raise ProtocolError(f"revision {part.revision} was told in part, and then {self.first}")
        if self.last < part.revision:
            return self._replace(part=_joined(part, self.part))
        event_count = self.event_count + len(part.events)
        if self.first == part.revision:
            return self._replace(batches=(_joined(part, self.batches[0]), *self.batches[1:]), event_count=event_count)
        return self._replace(batches=(_completed(part), *self.batches), event_count=event_count)


_new_event: Callable[[Iterable[Any]], Event] = partial(tuple.__new__, Event)
_new_entry: Callable[[Iterable[Any]], Entry] = partial(tuple.__new__, Entry)
"""As the classes, without their handling of arguments: half of what it costs to be told an event."""


def addressees(answer: tuple[Any, ...]) -> tuple[int, ...]:
    """Return which watches the events in `[0, EVENTS, last, changes, [watch, ...]]` are for. Raises: ProtocolError."""
    if len(answer) < 5:
        raise ProtocolError("events come with the last revision told, the changes, and the watches they are for")
    return tuple([number(watch) for watch in items(answer[4])])


def told(answer: tuple[Any, ...], cut: int) -> Told:
    """Check the rest of them: `changes` are `[[revision, [[key, record, previous], ...]], ...]`.

    cut: how much of each key is the prefix of the view. Raises: ProtocolError.
    """
    last, before = number(answer[2]), 0
    batches: list[Batch] = []
    part: Batch | None = None
    for raw in items(answer[3]):
        revision, events = items(raw, 2)
        if number(revision) <= before or part is not None:
            raise ProtocolError(f"a watch was told revision {revision} after {before}, which is whole or in part (P29)")
        before, is_whole = revision, revision <= last
        found = [_event(revision, event, cut, False) for event in items(events)[:-1]]
        found += [_event(revision, event, cut, is_whole) for event in events[-1:]]
        if not is_whole:
            part = Batch(revision, tuple(found))
        elif found:
            batches.append(Batch(revision, tuple(found)))
    return Told(last, tuple(batches), part, sum([len(one.events) for one in batches]))


def _joined(part: Batch, more: Batch | None) -> Batch:
    return part if more is None else Batch(part.revision, part.events + more.events)


def _completed(part: Batch) -> Batch:
    """Return a revision that was told in parts, and then only that they were all."""
    *events, last = part.events
    return Batch(part.revision, (*events, last._replace(is_last=True)))


def _event(revision: int, raw: Any, cut: int, is_last: bool) -> Event:
    key, record, previous = items(raw, 3)
    name = blob(key)[cut:]
    entry = None if record is None else _new_entry((name, *record_fields(record)))
    before = None if previous is None else _new_entry((name, *record_fields(previous)))
    return _new_event((revision, name, entry, before, is_last))
