"""The blocking faces of a store, and of what it makes: views, leases, watches."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from paxoskv import client as aio
from paxoskv.client.calls.base import Text
from paxoskv.sync.facade import Facade, Part, blocking, entering, iterating, making

T = TypeVar("T")


class Lost(Part[asyncio.Event]):
    """Set once something held is lost, or may be: stop what relies on it."""

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._aio.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is set, or for `timeout_s`; return whether it is."""
        return self._running().call(_wait(self._aio, timeout_s))


class Lease(Part[aio.Lease]):
    """A lease that is alive while a block of code runs: `paxoskv.Lease`, for use in `with`."""

    __enter__ = entering(aio.Lease.__aenter__)
    __exit__ = blocking(aio.Lease.__aexit__)
    end = blocking(aio.Lease.end)

    def check(self) -> None:
        """Raises: LeaseLost if the lease has ended, or may have."""
        self._aio.check()

    @property
    def is_entered(self) -> bool:
        """Whether it was granted."""
        return self._aio.is_entered

    @property
    def id(self) -> int:
        """The number of the lease, never used again."""
        return self._aio.id

    @property
    def ttl_s(self) -> float:
        """How long it lives without a renewal."""
        return self._aio.ttl_s

    @property
    def lost(self) -> Lost:
        """Set once the lease has ended, or may have."""
        return Lost(self._aio.lost, self)

    @property
    def is_lost(self) -> bool:
        """Whether the lease has ended, or may have; right also just after this program stood still."""
        return self._aio.is_lost


class Watch(Part[aio.Watch]):
    """Every change, once and in order: `paxoskv.Watch`, for `for` and `with`."""

    __enter__ = entering(aio.Watch.__aenter__)
    __exit__ = blocking(aio.Watch.__aexit__)
    __iter__ = iterating(aio.Watch.__aiter__)
    batches = iterating(aio.Watch.batches)
    next = blocking(aio.Watch.next)

    def close(self) -> None:
        """End the watch. Nothing can be read from it any more."""
        self._running().call(_close(self._aio))

    @property
    def revision(self) -> int:
        """Everything up to this revision was read: another watch goes on at the next one. 0 before the beginning."""
        return self._aio.revision


class TypedStore(Part[aio.TypedStore[T]], Generic[T]):
    """A view whose values are Python values: `paxoskv.TypedStore`, blocking."""

    get = blocking(aio.TypedStore[T].get)
    put = blocking(aio.TypedStore[T].put)
    delete = blocking(aio.TypedStore[T].delete)
    update = blocking(aio.TypedStore[T].update)
    scan = iterating(aio.TypedStore[T].scan)


class Store(Facade[aio.Store]):
    """All that a cluster can be asked: `paxoskv.Store`, blocking."""

    put = blocking(aio.Store.put)
    put_many = blocking(aio.Store.put_many)
    delete = blocking(aio.Store.delete)
    cas = blocking(aio.Store.cas)
    incr = blocking(aio.Store.incr)
    append = blocking(aio.Store.append)
    get = blocking(aio.Store.get)
    get_many = blocking(aio.Store.get_many)
    range = blocking(aio.Store.range)
    scan = iterating(aio.Store.scan)
    count = blocking(aio.Store.count)
    delete_range = blocking(aio.Store.delete_range)
    compact = blocking(aio.Store.compact)
    txn = blocking(aio.Store.txn)
    lease = making(aio.Store.lease, Lease)
    grant = blocking(aio.Store.grant)
    keep_alive = blocking(aio.Store.keep_alive)
    revoke = blocking(aio.Store.revoke)
    time_to_live = blocking(aio.Store.time_to_live)
    leases = iterating(aio.Store.leases)
    watch = making(aio.Store.watch, Watch)
    sync = blocking(aio.Store.sync)
    status = blocking(aio.Store.status)
    scoped = making(aio.Store.scoped, lambda view, whole: View(view, whole))
    with_timeout = making(aio.Store.with_timeout, lambda view, whole: View(view, whole))
    guarded = making(aio.Store.guarded, lambda view, whole: View(view, whole))
    typed = making(aio.Store.typed, TypedStore)

    def whole_key(self, key: Text) -> bytes:
        """Return `key` of this view as it is called without any view."""
        return self._aio.whole_key(key)


class View(Part[aio.Store], Store):
    """A view of a cluster, made by `scoped`, `with_timeout` or `guarded`."""


async def _wait(event: asyncio.Event, timeout_s: float | None) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False


async def _close(watch: aio.Watch) -> None:
    watch.close()
