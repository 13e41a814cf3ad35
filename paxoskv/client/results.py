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
    lease: that the key is attached to, 0 for none. value: empty if only keys were asked for.
    """

    key: bytes
    value: bytes
    created: int
    modified: int
    version: int
    lease: int


class WriteResult(NamedTuple):
    """The write was applied."""

    revision: int
    slot: int
    ballot: Ballot


class PutResult(NamedTuple):
    """The key has its new value, unless `written` is False: then the condition failed and nothing changed.

    previous: the entry before, if it was asked for or failed the condition; None if there was none.
    """

    revision: int
    slot: int
    ballot: Ballot
    written: bool = True
    previous: Entry | None = None


class CountResult(NamedTuple):
    """value: the number that the key holds now."""

    value: int
    revision: int
    slot: int
    ballot: Ballot


class AppendResult(NamedTuple):
    """size_bytes: of the value that the key holds now."""

    size_bytes: int
    revision: int
    slot: int
    ballot: Ballot


class GetResult(NamedTuple):
    """What a key holds; `entry` is None if it does not exist.

    age_s: of a read that asked no other node: how long ago the node last was in touch with a leader and a quorum;
    None if it never was, and for other reads.
    """

    entry: Entry | None
    revision: int
    slot: int
    ballot: Ballot
    age_s: float | None = None

    @property
    def value(self) -> bytes | None:
        """The value, None if the key does not exist."""
        return None if self.entry is None else self.entry.value


class DeleteResult(NamedTuple):
    """The key is gone. deleted: whether it had existed; if not, nothing changed. previous: it, if asked for."""

    deleted: bool
    revision: int
    slot: int
    ballot: Ballot
    previous: Entry | None = None


class DeleteRangeResult(NamedTuple):
    """The keys are gone, all at one revision.

    deleted: how many. more: keys are left in the range beyond the limit. previous: the entries, if asked for.
    """

    deleted: int
    more: bool
    previous: tuple[Entry, ...]
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


class Continuation(NamedTuple):
    """Where the next page of a range begins; only for giving back to `range`."""

    revision: int
    bound: bytes


class RangeResult(NamedTuple):
    """One page of a range, in the order asked for.

    continuation: for the next page, None if this was the last. A page may be empty, and not the last.
    revision: the one that the page was read at. age_s: as in GetResult.
    """

    entries: tuple[Entry, ...]
    continuation: Continuation | None
    revision: int
    slot: int
    ballot: Ballot
    age_s: float | None = None

    @property
    def more(self) -> bool:
        """Whether the range goes on after this page."""
        return self.continuation is not None


class CountOfKeys(NamedTuple):
    """keys: how many there are in a range."""

    keys: int
    revision: int
    slot: int
    ballot: Ballot


class GetManyResult(NamedTuple):
    """What some keys hold, all at one revision. entries: of those that exist, by key."""

    entries: dict[bytes, Entry]
    revision: int
    slot: int
    ballot: Ballot


class GrantResult(NamedTuple):
    """lease: the id of the new lease, never used again. ttl_s: how long it lives unless it is kept alive."""

    lease: int
    ttl_s: float
    revision: int
    slot: int
    ballot: Ballot


class RevokeResult(NamedTuple):
    """The lease is gone. deleted: how many keys went with it."""

    deleted: int
    revision: int
    slot: int
    ballot: Ballot


class LeaseInfo(NamedTuple):
    """A lease that exists. remaining_s: an estimate, rather too long. keys: that it holds, if asked for, in order."""

    lease: int
    ttl_s: float
    remaining_s: float
    key_count: int
    keys: tuple[bytes, ...] = ()
