"""Leases: keys that live as long as somebody says so, by log time alone (P26)."""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from itertools import islice
from typing import NamedTuple

from sortedcontainers import SortedDict

from paxoskv.kv.digest import MASK, mix
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.store import Store


class LeaseView(NamedTuple):
    """A lease as readers see it. remaining_ms: by log time, which may lag behind: an upper bound. keys: how many."""

    lease: int
    ttl_ms: int
    remaining_ms: int
    keys: int


class _Lease:
    """ttl_ms: how long it lives after a grant or a renewal. expires_ms: at this log time alive, but not later."""

    __slots__ = ("expires_ms", "ttl_ms")

    def __init__(self, ttl_ms: int, expires_ms: int) -> None:
        self.ttl_ms = ttl_ms
        self.expires_ms = expires_ms


class Leases:
    """The leases that are alive, and the end of those that are not.

    granted: how many there were so far, which is the id of the newest; ids are never reused. contents: digest of all.
    A lease exists until `expire` or `revoke` removes it together with its keys, whatever the time (P18, P26).
    """

    __slots__ = ("_by_id", "_due", "_limits", "_store", "contents", "granted")

    def __init__(self, store: Store, limits: KvLimits) -> None:
        self.granted = 0
        self.contents = 0
        self._store = store
        self._limits = limits
        self._by_id: SortedDict = SortedDict()
        self._due: list[tuple[int, int]] = []
        """A heap of (log time, lease), one for each lease, never later than its expiry; `_earliest` corrects it."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, lease: int) -> bool:
        return lease in self._by_id

    # What commands do

    def grant(self, ttl_ms: int, now_ms: int) -> int | None:
        """Return the id of a new lease, None if there is no room for one."""
        if len(self._by_id) >= self._limits.leases_max:
            return None
        self.granted += 1
        lease = _Lease(ttl_ms, now_ms + ttl_ms)
        self._by_id[self.granted] = lease
        self.contents = (self.contents + _digest(self.granted, lease)) & MASK
        heappush(self._due, (lease.expires_ms, self.granted))
        return self.granted

    def renew(self, lease_id: int, now_ms: int) -> int:
        """Let a lease live for its whole time from now on; return that time in ms, 0 if there is no such lease."""
        lease: _Lease | None = self._by_id.get(lease_id)
        if lease is None:
            return 0
        expires_ms = now_ms + lease.ttl_ms
        if expires_ms != lease.expires_ms:
            before = _digest(lease_id, lease)
            lease.expires_ms = expires_ms
            self.contents = (self.contents + _digest(lease_id, lease) - before) & MASK
        return lease.ttl_ms

    def renew_all(self, now_ms: int) -> int:
        """Renew every lease; return how many there are."""
        for lease_id in self._by_id:
            self.renew(lease_id, now_ms)
        return len(self._by_id)

    def revoke(self, lease_id: int) -> int | None:
        """End a lease and delete its keys at one revision; return how many, None if there is no such lease."""
        lease: _Lease | None = self._by_id.pop(lease_id, None)
        if lease is None:
            return None
        self.contents = (self.contents - _digest(lease_id, lease)) & MASK
        keys = list(self._store.leased(lease_id))
        if keys:
            self._store.seal({key: self._store.replace(key, None) for key in keys})
        return len(keys)

    # What time does

    @property
    def next_expiry_ms(self) -> int | None:
        """Log time at which the next lease is expired, None without one."""
        earliest = self._earliest()
        return earliest[0] + 1 if earliest else None

    def are_due(self, now_ms: int) -> bool:
        """Whether the time of a lease is over."""
        earliest = self._earliest() if self._due and self._due[0][0] < now_ms else None
        return earliest is not None and earliest[0] < now_ms

    def expire(self, now_ms: int) -> None:
        """End the leases whose time is over, the earliest first.

        Once they and their keys are `expiry_keys_max`, the others wait for the next slot: late is allowed, early is
        not, and neither many keys nor many leases without any may hold up a node (P42).
        """
        ended = 0
        while ended < self._limits.expiry_keys_max:
            earliest = self._earliest()
            if earliest is None or earliest[0] >= now_ms:
                return
            ended += 1 + (self.revoke(earliest[1]) or 0)

    def _earliest(self) -> tuple[int, int] | None:
        """Return expiry and id of the lease that expires first, None without one."""
        due = self._due
        while due:
            noted_ms, lease_id = due[0]
            lease = self._by_id.get(lease_id)
            if lease is None:
                heappop(due)
            elif lease.expires_ms != noted_ms:
                heapreplace(due, (lease.expires_ms, lease_id))
            else:
                return due[0]
        return None

    # What readers ask

    def view(self, lease_id: int, now_ms: int) -> LeaseView | None:
        """Return what there is to know of a lease, None if there is no such lease."""
        lease = self._by_id.get(lease_id)
        if lease is None:
            return None
        remaining_ms = max(0, lease.expires_ms - now_ms)
        return LeaseView(lease_id, lease.ttl_ms, remaining_ms, len(self._store.leased(lease_id)))

    def ids_after(self, after: int, limit: int) -> list[int]:
        """Return at most `limit` ids of leases above `after`, ascending."""
        return list(islice(self._by_id.irange(after, inclusive=(False, True)), limit))


def _digest(lease_id: int, lease: _Lease) -> int:
    return mix(mix(lease_id, lease.ttl_ms), lease.expires_ms)
