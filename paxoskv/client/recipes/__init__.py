"""Recipes: what programs that work together need, made of the calls of a store.

    async with paxoskv.Lock(kv, "jobs") as lock:
        await kv.guarded(lock.guard).put("report", "...")  # refused by the store once the lock is lost

Whoever waits stands in a line, in the order of arrival, under a lease: who dies or is cut off falls out of it by
itself. Nobody can know at every moment that it still holds what it holds: a program may stand still for longer than
its lease. So every holder has a `token` that grows from holder to holder, a `guard` that the store itself checks in
the transaction that needs it (P27), a `lost` event, and `is_lost`.

A name is a key prefix of the user's choice; what a recipe keeps lies under `NAME/.KIND/`, relative to the view that
it was given. What it never does: keep a task, a lease or a watch beyond its block.

Where to start reading: `line` (waiting under a lease), `lock`, and then whatever is needed.
"""

from __future__ import annotations

from paxoskv.client.recipes.barrier import Barrier
from paxoskv.client.recipes.cache import Cache
from paxoskv.client.recipes.counter import Counter
from paxoskv.client.recipes.election import Election
from paxoskv.client.recipes.lock import Lock
from paxoskv.client.recipes.queue import Claim, Item, Queue
from paxoskv.client.recipes.registration import Registration
from paxoskv.client.recipes.rwlock import RWLock
from paxoskv.client.recipes.semaphore import Semaphore

__all__ = [
    "Barrier",
    "Cache",
    "Claim",
    "Counter",
    "Election",
    "Item",
    "Lock",
    "Queue",
    "RWLock",
    "Registration",
    "Semaphore",
]
