"""What one command does to the store: all of it, or nothing, at one revision."""

from __future__ import annotations

from itertools import islice

from paxoskv.kv.leases import Leases
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.records import VALUE, Record
from paxoskv.kv.replies import LEASE_NOT_FOUND, REPLY_TOO_LARGE, TOO_MANY_KEYS, TOO_MANY_LEASE_KEYS, Refused
from paxoskv.kv.store import Store

Found = tuple[bytes, Record]

_RECORD_BYTES = 48
"""What a record in a reply costs beside its key and its value."""


class Change:
    """Writes to the store at once, so that what follows sees it; `commit` makes it a revision, `undo` takes it back.

    A key may be written several times: it has one event, and its version grows by one.
    packed: returns the record of a key as the store keeps it.
    keys_left, bytes_left: how much more the command may look at, and return. value_bytes_max: of a grown value.
    """

    __slots__ = ("_leases", "_limits", "_priors", "_store", "bytes_left", "keys_left", "packed", "value_bytes_max")

    def __init__(self, store: Store, leases: Leases, limits: KvLimits) -> None:
        self._store = store
        self._leases = leases
        self._limits = limits
        self._priors: dict[bytes, bytes | None] = {}
        self.value_bytes_max = limits.grown_value_bytes_max
        self.packed = store.packed
        self.keys_left = limits.command_keys_max
        self.bytes_left = limits.reply_bytes_max

    # Reads

    def get(self, key: bytes) -> Record | None:
        """Return the record of `key` as the change has left it."""
        return self._store.get(key)

    def count(self, start: bytes, end: bytes) -> int:
        """Return how many keys an interval has."""
        return self._store.count(start, end)

    def keys(self, start: bytes, end: bytes) -> list[bytes]:
        """Return all keys of an interval. Raises: Refused, TOO_MANY_KEYS."""
        if self._store.count(start, end) > self.keys_left:
            raise Refused(TOO_MANY_KEYS)
        return self.first_keys(start, end, self.keys_left, False)

    def first_keys(self, start: bytes, end: bytes, limit: int, descending: bool) -> list[bytes]:
        """Return at most `limit` keys of an interval, and no more than the command may look at."""
        found = list(islice(self._store.keys_between(start, end, descending), min(limit, self.keys_left)))
        self.keys_left -= len(found)
        return found

    def has_room(self, key: bytes, record: Record) -> bool:
        """Whether the reply may hold this record too; if so, it is counted."""
        size_bytes = len(key) + len(record[VALUE]) + _RECORD_BYTES
        if size_bytes > self.bytes_left:
            return False
        self.bytes_left -= size_bytes
        return True

    def give(self, key: bytes, record: Record | None) -> Record | None:
        """Return a record that goes into the reply. Raises: Refused, REPLY_TOO_LARGE."""
        if record is not None and not self.has_room(key, record):
            raise Refused(REPLY_TOO_LARGE)
        return record

    # Writes

    def put(self, key: bytes, value: bytes, lease: int) -> None:
        """Set `key` to `value`. Raises: Refused, if there is no such lease or it holds too many keys."""
        if lease:
            self._check_lease(lease, key)
        prior = self._store.write(key, value, lease)
        if key not in self._priors:
            self._priors[key] = prior

    def delete(self, key: bytes) -> bool:
        """Remove `key`; return whether it was there."""
        prior = self._store.replace(key, None)
        if prior is not None and key not in self._priors:
            self._priors[key] = prior
        return prior is not None

    def _check_lease(self, lease: int, key: bytes) -> None:
        if lease not in self._leases:
            raise Refused(LEASE_NOT_FOUND)
        keys = self._store.leased(lease)
        if len(keys) >= self._limits.lease_keys_max and key not in keys:
            raise Refused(TOO_MANY_LEASE_KEYS)

    # The end

    def commit(self) -> None:
        """Make what was written one revision; if nothing was, there is none."""
        if self._priors:
            self._store.seal(self._priors)

    def undo(self) -> None:
        """Leave the store as it was."""
        for key, prior in self._priors.items():
            self._store.replace(key, prior)
