"""What simulated programs call, drawn at random; the judge hears of every invocation and every answer.

Keys are called after what happens to them, since each kind of judgement wants some for itself: a to h are put, deleted
and compared one by one; n* only count, t* only grow, m* are accounts between which transactions move what never
becomes more or less, and x* are for everything else, in whatever combination.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from paxoskv.simulator.calls import leases, plain, reads, writes
from paxoskv.simulator.calls.desk import Desk

Call = Callable[[Desk], Awaitable[None]]

READS: dict[Call, int] = {
    plain.get: 55,
    plain.stale: 8,
    plain.some: 12,
    reads.past: 8,
    reads.pages: 8,
    reads.count: 3,
    reads.many: 3,
    reads.recent: 4,
    leases.look_up: 2,
}
WRITES: dict[Call, int] = {
    plain.put: 36,
    plain.cas: 12,
    plain.delete: 9,
    writes.incr: 8,
    writes.append: 6,
    writes.transfer: 6,
    writes.txn: 8,
    writes.single: 5,
    writes.compact: 2,
    leases.grant: 4,
    leases.attach: 5,
    leases.keep_alive: 3,
    leases.revoke: 1,
}
"""Kinds of calls, and how often each comes among the reads and the writes of a program."""


def draw(desk: Desk, reads_share: float) -> Call:
    """Choose a call. reads_share: of those that change nothing."""
    kinds = READS if desk.rng.random() < reads_share else WRITES
    return desk.rng.choices(list(kinds), list(kinds.values()))[0]


__all__ = ["READS", "WRITES", "Call", "Desk", "draw"]
