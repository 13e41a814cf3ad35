"""The blocking faces of the recipes: `paxoskv.Lock` and its like, for use in `with`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from paxoskv import client as aio
from paxoskv.client.calls.base import Text
from paxoskv.client.ops import Compare
from paxoskv.client.recipes.holding import Holding as AioHolding
from paxoskv.sync.facade import Part, blocking, entering, iterating, making
from paxoskv.sync.store import Lost, Store

H_co = TypeVar("H_co", bound=AioHolding, covariant=True)


class Holding(Part[H_co], Generic[H_co]):
    """Something that is acquired by standing in line, and released."""

    __enter__ = entering(AioHolding.__aenter__)
    __exit__ = blocking(AioHolding.__aexit__)
    acquire = blocking(AioHolding.acquire)
    release = blocking(AioHolding.release)

    def check(self) -> None:
        """Raises: LeaseLost if it is lost, or may be."""
        self._aio.check()

    @property
    def token(self) -> int:
        """The fencing token: it grows from holder to holder, so others can tell who is late (P27)."""
        return self._aio.token

    @property
    def key(self) -> bytes:
        """The key that stands for it: as long as it exists, created at revision `token`, this is not lost."""
        return self._aio.key

    @property
    def guard(self) -> Compare:
        """A compare for transactions, and for `guarded`: it holds as long as this is not lost, as the store sees it."""
        return self._aio.guard

    @property
    def lost(self) -> Lost:
        """Set once it is lost, or may be: stop what relies on it."""
        return Lost(self._aio.lost, self)

    @property
    def is_lost(self) -> bool:
        """Whether it is lost, or may be; right also just after this program stood still."""
        return self._aio.is_lost


class Lock(Holding[aio.Lock]):
    """Mutual exclusion: `paxoskv.Lock`, blocking."""

    def __init__(self, kv: Store, name: Text, *, ttl_s: float = 10.0, value: Text = b"") -> None:
        super().__init__(aio.Lock(kv._aio, name, ttl_s=ttl_s, value=value), kv)

    holder = blocking(aio.Lock.holder)


class Semaphore(Holding[aio.Semaphore]):
    """As a lock, with up to `limit` holders: `paxoskv.Semaphore`, blocking."""

    def __init__(self, kv: Store, name: Text, limit: int, *, ttl_s: float = 10.0, value: Text = b"") -> None:
        super().__init__(aio.Semaphore(kv._aio, name, limit, ttl_s=ttl_s, value=value), kv)


class RWLock(Part[aio.RWLock]):
    """Many may read at the same time, or one may write: `paxoskv.RWLock`, blocking."""

    def __init__(self, kv: Store, name: Text, *, ttl_s: float = 10.0) -> None:
        super().__init__(aio.RWLock(kv._aio, name, ttl_s=ttl_s), kv)

    read = making(aio.RWLock.read, Holding)
    write = making(aio.RWLock.write, Holding)


class Election(Holding[aio.Election]):
    """Elects one of many: `paxoskv.Election`, blocking."""

    def __init__(self, kv: Store, name: Text, *, value: Text = b"", ttl_s: float = 10.0) -> None:
        super().__init__(aio.Election(kv._aio, name, value=value, ttl_s=ttl_s), kv)

    campaign = blocking(aio.Election.campaign)
    resign = blocking(aio.Election.resign)
    proclaim = blocking(aio.Election.proclaim)
    leader = blocking(aio.Election.leader)
    observe = iterating(aio.Election.observe)


class Barrier(Part[aio.Barrier]):
    """Nobody goes on before all are there: `paxoskv.Barrier`, blocking."""

    def __init__(self, kv: Store, name: Text, parties: int, *, ttl_s: float = 10.0) -> None:
        super().__init__(aio.Barrier(kv._aio, name, parties, ttl_s=ttl_s), kv)

    __enter__ = entering(aio.Barrier.__aenter__)
    __exit__ = blocking(aio.Barrier.__aexit__)
    enter = blocking(aio.Barrier.enter)
    leave = blocking(aio.Barrier.leave)


class Queue(Part[aio.Queue]):
    """What is put in comes out once, the oldest first: `paxoskv.Queue`, blocking."""

    def __init__(self, kv: Store, name: Text, *, ttl_s: float = 10.0) -> None:
        super().__init__(aio.Queue(kv._aio, name, ttl_s=ttl_s), kv)

    put = blocking(aio.Queue.put)
    get = blocking(aio.Queue.get)
    size = blocking(aio.Queue.size)
    claim = making(aio.Queue.claim, lambda claim, queue: Claim(claim, queue))


class Claim(Part[aio.Claim]):
    """An item that is taken out when the block ends well, and else given back."""

    __enter__ = blocking(aio.Claim.__aenter__)
    __exit__ = blocking(aio.Claim.__aexit__)


class Counter(Part[aio.Counter]):
    """A number that many change at the same time: `paxoskv.Counter`, blocking."""

    def __init__(self, kv: Store, name: Text) -> None:
        super().__init__(aio.Counter(kv._aio, name), kv)

    add = blocking(aio.Counter.add)
    value = blocking(aio.Counter.value)
    set = blocking(aio.Counter.set)


class Cache(Part[aio.Cache], Mapping[bytes, aio.Entry]):
    """A dict that is kept fresh by a watch: `paxoskv.Cache`, blocking."""

    def __init__(self, kv: Store, prefix: Text = b"") -> None:
        super().__init__(aio.Cache(kv._aio, prefix), kv)

    __enter__ = entering(aio.Cache.__aenter__)
    __exit__ = blocking(aio.Cache.__aexit__)
    changes = iterating(aio.Cache.changes)

    def refreshed(self) -> Cache:
        """Wait until every write is shown that was finished before this call. Raises: Unavailable."""
        self._running().call(self._aio.refreshed())
        return self

    @property
    def revision(self) -> int:
        """The revision that is shown."""
        return self._aio.revision

    def __getitem__(self, key: Text) -> aio.Entry:
        return self._aio[key]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._running().call(_keys(self._aio)))

    def __len__(self) -> int:
        return len(self._aio)


class Registration(Part[aio.Registration]):
    """A service that is listed while it lives: `paxoskv.Registration`, blocking."""

    def __init__(self, kv: Store, name: Text, value: Text, *, ttl_s: float = 10.0) -> None:
        super().__init__(aio.Registration(kv._aio, name, value, ttl_s=ttl_s), kv)

    __enter__ = entering(aio.Registration.__aenter__)
    __exit__ = blocking(aio.Registration.__aexit__)

    @property
    def key(self) -> bytes:
        """The key under which it is listed."""
        return self._aio.key

    @staticmethod
    def members(kv: Store, name: Text) -> list[aio.Entry]:
        """Return the services listed under a name."""
        return kv._running().call(aio.Registration.members(kv._aio, name))


async def _keys(cache: aio.Cache) -> list[bytes]:
    """Copy the keys where nothing changes them meanwhile."""
    return list(cache)
