"""What the calls of a client return. Plain tuples with names: cheap to make, impossible to change.

Every result says where in the cluster's one order it stands:
    revision   the store's revision after a write, or the one a read saw; one more for every change of a key
    slot       the position in the log at which the write was applied, or up to which a read saw everything
    ballot     (round, node) of the leadership known to the node that answered
A revision that a write returned only grows and is never used again: it serves as a fencing token (P27).
"""

from __future__ import annotations

from typing import NamedTuple

Ballot = tuple[int, int]


class Entry(NamedTuple):
    """A key that exists.

    created, modified: revisions of its creation and last change. version: writes since its creation, from 1.
    lease: always 0 for now. value: empty if only keys were asked for.
    """

    key: bytes
    value: bytes
    created: int
    modified: int
    version: int
    lease: int


class PutResult(NamedTuple):
    """The key has its new value."""

    revision: int
    slot: int
    ballot: Ballot


class GetResult(NamedTuple):
    """What a key holds; `entry` is None if it does not exist."""

    entry: Entry | None
    revision: int
    slot: int
    ballot: Ballot

    @property
    def value(self) -> bytes | None:
        """The value, None if the key does not exist."""
        return None if self.entry is None else self.entry.value


class DeleteResult(NamedTuple):
    """The key is gone. deleted: whether it had existed; if not, nothing changed."""

    deleted: bool
    revision: int
    slot: int
    ballot: Ballot


class CasResult(NamedTuple):
    """The outcome of a compare-and-set.

    succeeded: whether the condition held, and with it the key has its new value.
    current: the entry that failed the condition; None if the key does not exist, or after a success.
    """

    succeeded: bool
    revision: int
    slot: int
    ballot: Ballot
    current: Entry | None


class RangeResult(NamedTuple):
    """One page of a range, in the order of the keys.

    continuation: the last key of the page if more follow it, for `after`; else None.
    """

    entries: tuple[Entry, ...]
    continuation: bytes | None
    revision: int
    slot: int
    ballot: Ballot

    @property
    def more(self) -> bool:
        """Whether keys are left after this page."""
        return self.continuation is not None
