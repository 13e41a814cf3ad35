"""What a range asks for, and what the answer has to be."""

from __future__ import annotations

from typing import NamedTuple

from paxoskv.simulator.past import EVERYTHING, Interval, Past, Record


class Question(NamedTuple):
    """A range. revision: of the past, None for the present. created, modified: first and last, 0 for no end."""

    interval: Interval = EVERYTHING
    revision: int | None = None
    limit: int = 1000
    descending: bool = False
    keys_only: bool = False
    created: tuple[int, int] = (0, 0)
    modified: tuple[int, int] = (0, 0)

    @property
    def is_plain(self) -> bool:
        """Whether every key that is looked at is told, so that a page that is not the last one leaves a key out."""
        return self.revision is None and self.created == self.modified == (0, 0)

    def answer(self, past: Past, revision: int) -> list[tuple[bytes, Record]]:
        """Return everything that a revision has to tell."""
        found = past.range_in(revision, self.interval)
        matching = [(key, record) for key, record in found if self._matches(record)]
        if self.keys_only:
            matching = [(key, (b"", *record[1:])) for key, record in matching]
        return matching[::-1] if self.descending else matching

    def _matches(self, record: Record) -> bool:
        return _within(record[1], self.created) and _within(record[2], self.modified)


def _within(revision: int, bounds: tuple[int, int]) -> bool:
    first, last = bounds
    return first <= revision and (not last or revision <= last)
