"""Keys in order and their records, with the revision counter that every change moves."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sortedcontainers import SortedList

from paxoskv.kv.digest import MASK, of_record
from paxoskv.kv.history import History
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.records import VALUE, Record, header, pack, unpack, unpack_bare

_NO_KEYS: dict[bytes, None] = {}
_NOTHING = (0, 0)
"""Digest and lease of no record."""


class Store:
    """A map from keys to records, ordered by the keys' bytes.

    revision: +1 with every change, never reused (P28). contents: digest of all records, see `paxoskv.kv.digest`.
    history: the changes of the last revisions.

    The order lives beside the map, so that overwriting a key and reading one cost no more than in a plain dict.
    """

    __slots__ = ("_leased", "_order", "_packed", "contents", "history", "revision")

    def __init__(self, limits: KvLimits) -> None:
        self.revision = 0
        self.contents = 0
        self.history = History(limits)
        self._packed: dict[bytes, bytes] = {}
        self._order: SortedList = SortedList()
        self._leased: dict[int, dict[bytes, None]] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def get(self, key: bytes) -> Record | None:
        """Return the record of `key`, None if it is absent."""
        packed = self._packed.get(key)
        return None if packed is None else unpack(packed)

    def packed(self, key: bytes) -> bytes | None:
        """Return the record of `key` as it is kept, None if it is absent."""
        return self._packed.get(key)

    def leased(self, lease: int) -> Collection[bytes]:
        """Return the keys that a lease holds, in no particular order."""
        return self._leased.get(lease, _NO_KEYS).keys()

    # One change at one revision

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`, without a lease: one revision."""
        prior = self.write(key, value, 0)
        self.revision += 1
        self.history.add(key, self._packed[key], prior)

    def delete(self, key: bytes) -> bool:
        """Remove `key`: one revision if it was there, else nothing. Return whether it was."""
        prior = self.replace(key, None)
        if prior is None:
            return False
        self.seal({key: prior})
        return True

    # Many changes at one revision

    def write(self, key: bytes, value: bytes, lease: int) -> bytes | None:
        """Set `key` to `value` at the next revision; return the record before, as it is kept.

        A key that was absent begins again at version 1. Written twice at a revision, it is one version further.
        """
        modified = self.revision + 1
        prior = self._packed.get(key)
        if prior is None:
            created, version, replaced, prior_lease = modified, 1, 0, 0
            self._order.add(key)
        else:
            replaced, created, prior_modified, version, prior_lease = header(prior)
            if prior_modified != modified:
                version += 1
        digest = of_record(key, value, created, modified, version, lease)
        self.contents = (self.contents + digest - replaced) & MASK
        self._packed[key] = pack(digest, created, modified, version, lease, value)
        if lease != prior_lease:
            self._move(key, prior_lease, lease)
        return prior

    def replace(self, key: bytes, packed: bytes | None) -> bytes | None:
        """Set the record of `key` as it is kept, None to remove it, and return the one before."""
        prior = self._packed.get(key)
        if packed is not None:
            self._packed[key] = packed
            if prior is None:
                self._order.add(key)
        elif prior is not None:
            del self._packed[key]
            self._order.remove(key)
        replaced, *_, prior_lease = header(prior) if prior is not None else _NOTHING
        digest, *_, lease = header(packed) if packed is not None else _NOTHING
        self.contents = (self.contents + digest - replaced) & MASK
        self._move(key, prior_lease, lease)
        return prior

    def seal(self, priors: dict[bytes, bytes | None]) -> None:
        """Count what was written and replaced as one revision. priors: the records before, of all keys concerned."""
        self.revision += 1
        present = self._packed
        events = [(key, present.get(key), prior) for key, prior in sorted(priors.items())]
        self.history.add_all(self.revision, events)

    def _move(self, key: bytes, prior: int, lease: int) -> None:
        """Keep the index of the records' lease fields: `key` goes from one lease to another, 0 is none."""
        if prior == lease:
            return
        if prior:
            keys = self._leased[prior]
            del keys[key]
            if not keys:
                del self._leased[prior]
        if lease:
            self._leased.setdefault(lease, {})[key] = None

    # Intervals

    def keys_between(self, start: bytes, end: bytes, descending: bool = False) -> Iterator[bytes]:
        """Yield the keys of `start` <= key < `end` in order; end b"" is the end of all keys."""
        keys: Iterator[bytes] = self._order.irange(start, end or None, (True, False), reverse=descending)
        return keys

    def count(self, start: bytes, end: bytes) -> int:
        """Return how many keys there are of `start` <= key < `end`, without visiting them."""
        stop = self._order.bisect_left(end) if end else len(self._order)
        return max(0, int(stop - self._order.bisect_left(start)))

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
        for key in self.keys_between(start, end):
            record = read(self._packed[key])
            size_bytes += len(key) + len(record[VALUE])
            if found and (len(found) == limit or size_bytes > bytes_max):
                return found, True
            found.append((key, record))
        return found, False
