"""Leases as the model keeps them, and how each of them came to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True)
class Tenancy:
    """A lease that exists. expires_ms: log time at which it is still alive. renewed_slot: of its last renewal.

    due_slot: the slot in which its time was over, 0 if it is not; it exists until there is room for its end.
    """

    ttl_ms: int
    expires_ms: int
    renewed_slot: int
    due_slot: int = 0


class Expiry(NamedTuple):
    """A lease whose time ran out, and the slots of its last renewal and of that."""

    lease: int
    ttl_ms: int
    renewed_slot: int
    due_slot: int


class Tenancies:
    """All leases. ended: the slot in which each of those ended that exist no more. expiries: of those that ran out."""

    def __init__(self) -> None:
        self.alive: dict[int, Tenancy] = {}
        self.ended: dict[int, int] = {}
        self.expiries: list[Expiry] = []
        self.granted: dict[int, int] = {}

    def grant(self, ttl_ms: int, now_ms: int, slot: int) -> int:
        """Return the number of a new lease."""
        lease = len(self.granted) + 1
        self.granted[lease] = slot
        self.alive[lease] = Tenancy(ttl_ms, now_ms + ttl_ms, slot)
        return lease

    def renew(self, lease: int, now_ms: int, slot: int) -> int:
        """Begin a lease's time anew; return it, 0 if there is no such lease."""
        tenancy = self.alive.get(lease)
        if tenancy is None:
            return 0
        tenancy.expires_ms, tenancy.renewed_slot, tenancy.due_slot = now_ms + tenancy.ttl_ms, slot, 0
        return tenancy.ttl_ms

    def overdue(self, now_ms: int, slot: int) -> list[int]:
        """Return the leases whose time is over in a slot, the earliest first."""
        over = sorted((one.expires_ms, lease) for lease, one in self.alive.items() if one.expires_ms < now_ms)
        for _, lease in over:
            self.alive[lease].due_slot = self.alive[lease].due_slot or slot
        return [lease for _, lease in over]

    def expire(self, lease: int, slot: int) -> None:
        """The time of a lease has run out."""
        tenancy = self.end(lease, slot)
        self.expiries.append(Expiry(lease, tenancy.ttl_ms, tenancy.renewed_slot, tenancy.due_slot))

    def end(self, lease: int, slot: int) -> Tenancy:
        """A lease ends."""
        self.ended[lease] = slot
        return self.alive.pop(lease)

    def was_alive(self, lease: int, slot: int) -> bool:
        """Whether a lease existed after a slot."""
        return self.granted.get(lease, slot + 1) <= slot < self.ended.get(lease, slot + 1)
