"""Keys in order and their records, with the revision counter that every change moves."""

from __future__ import annotations

from typing import Final

from sortedcontainers import SortedList

from paxoskv.kv.digest import MASK, of_record
from paxoskv.kv.records import VALUE, Record

_Entry = tuple[bytes, int, int, int, int, int]
"""A record and, as its last item, its digest: so that a write need not read the value before it."""

_DIGEST: Final = 5


class Store:
    """A map from keys to records, ordered by the keys' bytes.

    revision: +1 with every change, never reused (P28). contents: digest of all records, see `paxoskv.kv.digest`.

    The order lives beside the map, so that overwriting a key and reading one cost no more than in a plain dict.
    """

    __slots__ = ("_entries", "_order", "contents", "revision")

    def __init__(self) -> None:
        self.revision = 0
        self.contents = 0
        self._entries: dict[bytes, _Entry] = {}
        self._order: SortedList = SortedList()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Record | None:
        """Return the record of `key`, None if it is absent."""
        entry = self._entries.get(key)
        return None if entry is None else entry[:_DIGEST]

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`: one revision. A key that was absent begins again at version 1."""
        self.revision = revision = self.revision + 1
        prior = self._entries.get(key)
        if prior is None:
            created, version, replaced = revision, 1, 0
            self._order.add(key)
        else:
            _, created, _, version, _, replaced = prior
            version += 1
        digest = of_record(key, value, created, revision, version, 0)
        self.contents = (self.contents + digest - replaced) & MASK
        self._entries[key] = (value, created, revision, version, 0, digest)

    def delete(self, key: bytes) -> bool:
        """Remove `key`: one revision if it was there, else nothing. Return whether it was."""
        prior = self._entries.pop(key, None)
        if prior is None:
            return False
        self.revision += 1
        self._order.remove(key)
        self.contents = (self.contents - prior[_DIGEST]) & MASK
        return True

    def range(
        self, start: bytes, end: bytes, limit: int, keys_only: bool, bytes_max: int
    ) -> tuple[list[tuple[bytes, Record]], bool]:
        """Return the first records with start <= key < end in the order of the keys, and whether more are left.

        end: b"" is the end of all keys. limit: of records, at least 1. keys_only: leave the values out (b"").
        bytes_max: of keys and values together; the first record is returned even if it alone exceeds them.
        """
        assert limit >= 1, f"a range returns at least one record, limit is {limit}"
        found: list[tuple[bytes, Record]] = []
        size_bytes = 0
        for key in self._order.irange(start, end or None, (True, False)):
            record = self._entries[key][:_DIGEST]
            if keys_only:
                record = (b"", *record[1:])
            size_bytes += len(key) + len(record[VALUE])
            if found and (len(found) == limit or size_bytes > bytes_max):
                return found, True
            found.append((key, record))
        return found, False
