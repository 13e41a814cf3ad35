"""What can be held: the common face of locks, semaphores and elections."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from paxoskv.client.calls.base import Text
from paxoskv.client.ops import Compare
from paxoskv.client.recipes.line import Blocking, Place, within
from paxoskv.client.store import Store
from paxoskv.errors import LeaseLost


class Holding:
    """Something that is acquired by standing in line, and released.

    It is acquired once at a time; further tasks need objects of their own. Leaving the block raises LeaseLost if it
    was lost meanwhile, unless another error does that already.
    """

    def __init__(self, kv: Store, directory: bytes, ttl_s: float, value: Text, suffix: bytes = b"") -> None:
        self._kv = kv
        self._directory = directory
        self._ttl_s = ttl_s
        self._value = value
        self._suffix = suffix
        self._place: Place | None = None

    async def acquire(self, timeout_s: float | None = None) -> None:
        """Wait until it is ours, for as long as it takes, or for `timeout_s`.

        Raises: TimeoutError; LeaseLost if we fell out of the line, being cut off for too long. Ctrl-C or a cancelled
        task gives the place in the line back.
        """
        if self._place is not None:
            raise RuntimeError("it is held or waited for already: another task needs an object of its own")
        self._place = place = Place(self._kv, self._directory, self._ttl_s, self._value, self._suffix)

        async def work() -> None:
            await place.enter()
            await place.wait_for_turn(self._blocking())

        await within(timeout_s, work, self._give_up)

    async def release(self) -> None:
        """Give it to whoever is next. Raises: LeaseLost if it was lost before."""
        place = self._held()
        self._place = None
        if not await place.leave():
            raise LeaseLost(f"it was lost before it was released: the {self._ttl_s:g} s of its lease ran out")

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            await self.release()
        else:
            await self._give_up()

    @property
    def token(self) -> int:
        """The fencing token: it grows from holder to holder, so others can tell who is late (P27)."""
        return self._held().created

    @property
    def key(self) -> bytes:
        """The key that stands for it: as long as it exists, created at revision `token`, this is not lost."""
        return self._held().key

    @property
    def guard(self) -> Compare:
        """A compare for transactions, and for `guarded`: it holds as long as this is not lost, as the store sees it."""
        return self._held().guard

    @property
    def lost(self) -> asyncio.Event:
        """Set once it is lost, or may be: stop what relies on it."""
        return self._held().lease.lost

    @property
    def is_lost(self) -> bool:
        """Whether it is lost, or may be; right also just after this program stood still."""
        return self._held().lease.is_lost

    def check(self) -> None:
        """Raises: LeaseLost if it is lost, or may be."""
        self._held().lease.check()

    def _blocking(self) -> Blocking:
        """Return who has to leave first: the one who came before us."""
        return lambda before: before[-1:]

    def _held(self) -> Place:
        if self._place is None:
            raise RuntimeError(f"the {type(self).__name__.lower()} is not held: acquire it first")
        return self._place

    async def _give_up(self) -> None:
        place, self._place = self._place, None
        if place is not None:
            await place.leave()
