"""Watches of one interval with the same options: what they are told is encoded once for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from paxoskv.kv.history import Event
from paxoskv.net import protocol
from paxoskv.node.watch import Position, Subscription, Watch

Told = tuple[int, int, Event]
"""An event and its place: revision, index, event."""

_REVISION = itemgetter(0)
_EVENT_BYTES = 48
"""What an event takes in a frame beside its key and its values."""


class Stretch(NamedTuple):
    """A piece of the history, from the place `begin` to right before `end`.

    unfinished: events of the revision of `begin` that were told before, if `end` is beyond that revision.
    """

    begin: Position
    end: Position
    events: list[Told]
    unfinished: tuple[Event, ...] = ()

    @property
    def last(self) -> int:
        """The last revision that is told whole once this is."""
        return self.end[0] - 1


class Group:
    """The watches of one cohort that watch the same, by their connections, each of which is told once for all it has.

    noted: events for them in the stretch that is being told.
    """

    __slots__ = ("connections", "end", "noted", "options", "start")

    def __init__(self, start: bytes, end: bytes, options: int) -> None:
        self.start = start
        self.end = end
        self.options = options
        self.connections: dict[Subscription, dict[Watch, None]] = {}
        self.noted: list[Told] = []

    @property
    def watches(self) -> list[Watch]:
        """All who are in it."""
        return [watch for watches in self.connections.values() for watch in watches]

    def add(self, watch: Watch) -> None:
        """Take a watch in."""
        watch.group = self
        self.connections.setdefault(watch.subscription, {})[watch] = None

    def remove(self, watch: Watch) -> None:
        """Let a watch go that is in it."""
        watch.group = None
        watches = self.connections[watch.subscription]
        del watches[watch]
        if not watches:
            del self.connections[watch.subscription]

    def note(self, told: Told) -> None:
        """Take an event of a key that is watched, unless its kind is not wanted."""
        unwanted = protocol.NO_DELETE if told[2][1] is None else protocol.NO_PUT
        if not self.options & unwanted:
            self.noted.append(told)

    def tell(self, stretch: Stretch, finishes: bool) -> list[Watch]:
        """Tell all watches what was noted; return those that have no room for it.

        finishes: a revision ends here of which a part may have been told: even nothing more has to be said (P29).
        """
        noted, self.noted = self.noted, []
        fallen: list[Watch] = []
        if not noted and not finishes:
            return fallen
        encoded: dict[Position, bytes | None] = {}
        for subscription, watches in self.connections.items():
            for place, here in _by_place(watches, stretch.begin).items():
                if place not in encoded:
                    encoded[place] = self._encode_from(place, noted, stretch, finishes)
                part = encoded[place]
                if part is None:
                    continue
                if subscription.sink.is_writable:
                    subscription.sink.push(protocol.complete(0, part, 3, [watch.number for watch in here]))
                else:
                    fallen += here
        return fallen

    def _encode_from(self, place: Position, noted: list[Told], stretch: Stretch, finishes: bool) -> bytes | None:
        """Return what the watches are told that stand at `place`, in the stretch or after it; None if nothing."""
        if place >= stretch.end:
            return None
        own = [told for told in noted if told[:2] >= place]
        is_half_told = place[1] > 0
        return self._encode(own, stretch.last) if own or finishes or is_half_told else None

    def _encode(self, noted: list[Told], last: int) -> bytes:
        """Return what watches are told, without their numbers."""
        with_previous = self.options & protocol.PREVIOUS
        changes = [
            (revision, [event if with_previous else (event[0], event[1], None) for _, _, event in events])
            for revision, events in groupby(noted, _REVISION)
        ]
        return protocol.encode_part(protocol.EVENTS, last, changes)


def _by_place(watches: Iterable[Watch], begin: Position) -> dict[Position, list[Watch]]:
    """Sort watches by where they have to go on in a stretch that begins at `begin`."""
    places: dict[Position, list[Watch]] = {}
    for watch in watches:
        places.setdefault(max(watch.position, begin), []).append(watch)
    return places


def event_bytes(event: Event) -> int:
    """Return about how many bytes of a frame an event takes."""
    key, record, previous = event
    return len(key) + (len(record[0]) if record else 0) + (len(previous[0]) if previous else 0) + _EVENT_BYTES
