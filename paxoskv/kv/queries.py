"""Reads of many keys, now or at a past revision, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from heapq import merge

from paxoskv.kv.records import VALUE, Record, header, unpack, unpack_bare
from paxoskv.kv.store import Store

SCAN_MAX = 10_000


class Shape(IntEnum):
    """What a page tells of the keys: whole records, records without values (b""), or only how many there are."""

    RECORDS = 0
    KEYS = 1
    COUNT = 2


@dataclass(frozen=True, slots=True)
class Query:
    """What to read: keys of start <= key < end; end b"" is the end of all keys.

    limit:     records in a page, at least 1; a COUNT has no records and looks at `scan_max` keys.
    bytes_max: of keys and values in a page; the first record is told even if it alone exceeds them.
    revision:  to read at, 0 for the present one. descending: the last keys first.
    modified, created: only records whose revision lies within these bounds, both included; an upper bound 0 is none.
    scan_max:  keys that a page looks at, so that a filter that nothing passes does not hold up the node (H17).
    """

    start: bytes
    end: bytes
    limit: int
    bytes_max: int
    revision: int = 0
    descending: bool = False
    shape: Shape = Shape.RECORDS
    modified: tuple[int, int] = (0, 0)
    created: tuple[int, int] = (0, 0)
    scan_max: int = SCAN_MAX

    @property
    def is_filtered(self) -> bool:
        """Whether it leaves out keys of its interval."""
        return self.modified != (0, 0) or self.created != (0, 0)


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of an answer.

    revision: the one it was read at, and the next piece has to be read at. count: of the keys in this piece.
    resume: None if this was all; else the bound to go on with, the start of an ascending query, the end of a
    descending one. A piece may be empty although more follows.
    """

    revision: int
    records: list[tuple[bytes, Record]]
    count: int
    resume: bytes | None


def read(store: Store, query: Query) -> Page:
    """Return the first page of what a query asks for. Raises: Compacted, FutureRevision."""
    assert query.limit >= 1, f"a page has room for at least one record, limit is {query.limit}"
    assert query.scan_max >= 1, f"a page looks at at least one key, scan_max is {query.scan_max}"
    revision = query.revision or store.revision
    store.history.check(revision, store.revision)
    if query.shape is Shape.COUNT:
        return _count(store, query, revision)
    found: list[tuple[bytes, Record]] = []
    size_bytes = looked_at = 0
    show = unpack if query.shape is Shape.RECORDS else unpack_bare
    for key, packed in _records(store, query, revision):
        if looked_at == query.scan_max:
            return Page(revision, found, len(found), _resume(key, query))
        looked_at += 1
        if packed is None or not _passes(packed, query):
            continue
        record = show(packed)
        size_bytes += len(key) + len(record[VALUE])
        if found and (len(found) == query.limit or size_bytes > query.bytes_max):
            return Page(revision, found, len(found), _resume(key, query))
        found.append((key, record))
    return Page(revision, found, len(found), None)


def _count(store: Store, query: Query, revision: int) -> Page:
    if revision == store.revision and not query.is_filtered:
        return Page(revision, [], store.count(query.start, query.end), None)
    count = 0
    for looked_at, (key, packed) in enumerate(_records(store, query, revision)):
        if looked_at == query.scan_max:
            return Page(revision, [], count, _resume(key, query))
        count += packed is not None and _passes(packed, query)
    return Page(revision, [], count, None)


def _records(store: Store, query: Query, revision: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield the keys of an interval that exist or did at `revision`, in order, with their packed record then."""
    present = store.keys_between(query.start, query.end, query.descending)
    if revision == store.revision:
        for key in present:
            yield key, store.packed(key)
        return
    gone = store.history.deleted_keys(query.start, query.end, query.descending)
    for key in merge(present, gone, reverse=query.descending):
        yield key, store.history.packed_at(key, store.packed(key), revision)


def _passes(packed: bytes, query: Query) -> bool:
    _, created, modified, _, _ = header(packed)
    return _lies_within(modified, query.modified) and _lies_within(created, query.created)


def _lies_within(revision: int, bounds: tuple[int, int]) -> bool:
    least, most = bounds
    return least <= revision and (not most or revision <= most)


def _resume(key: bytes, query: Query) -> bytes:
    """Return the bound of the page that begins with `key`."""
    return key + b"\x00" if query.descending else key
