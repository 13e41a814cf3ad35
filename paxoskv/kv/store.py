"""Keys in order and their records, with the revision counter that every change moves."""

from __future__ import annotations

from sortedcontainers import SortedList

from paxoskv.kv.digest import MASK, of_record
from paxoskv.kv.records import VALUE, Record, header, pack, unpack, unpack_bare


class Store:
    """A map from keys to records, ordered by the keys' bytes.

    revision: +1 with every change, never reused (P28). contents: digest of all records, see `paxoskv.kv.digest`.

    The order lives beside the map, so that overwriting a key and reading one cost no more than in a plain dict.
    """

    __slots__ = ("_order", "_packed", "contents", "revision")

    def __init__(self) -> None:
        self.revision = 0
        self.contents = 0
        self._packed: dict[bytes, bytes] = {}
        self._order: SortedList = SortedList()

    def __len__(self) -> int:
        return len(self._packed)

    def get(self, key: bytes) -> Record | None:
        """Return the record of `key`, None if it is absent."""
        packed = self._packed.get(key)
        return None if packed is None else unpack(packed)

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`: one revision. A key that was absent begins again at version 1."""
        self.revision = revision = self.revision + 1
        prior = self._packed.get(key)
        if prior is None:
            created, version, replaced = revision, 1, 0
            self._order.add(key)
        else:
            replaced, created, _, version, _ = header(prior)
            version += 1
        digest = of_record(key, value, created, revision, version, 0)
        self.contents = (self.contents + digest - replaced) & MASK
        self._packed[key] = pack(digest, created, revision, version, 0, value)

    def delete(self, key: bytes) -> bool:
        """Remove `key`: one revision if it was there, else nothing. Return whether it was."""
        prior = self._packed.pop(key, None)
        if prior is None:
            return False
        self.revision += 1
        self._order.remove(key)
        self.contents = (self.contents - header(prior)[0]) & MASK
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
        read = unpack_bare if keys_only else unpack
        for key in self._order.irange(start, end or None, (True, False)):
            record = read(self._packed[key])
            size_bytes += len(key) + len(record[VALUE])
            if found and (len(found) == limit or size_bytes > bytes_max):
                return found, True
            found.append((key, record))
        return found, False
