"""A lease that is alive while a block of code runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from paxoskv.client.keeper import Kept
from paxoskv.client.results import GrantResult
from paxoskv.client.wire import Wire
from paxoskv.errors import LeaseLost, PaxoskvError


class Lease:
    """Made by `lease` of a client, for use in `async with`: granted at the beginning, revoked at the end.

    In between it is kept alive in the background, through failovers and lost connections. It is lost when its time
    runs out because no node could be reached, or this program stood still; then `lost` is set, and the keys that it
    held are gone or will be soon. Leaving the block raises LeaseLost then, unless another error does that already.
    """

    def __init__(
        self,
        wire: Wire,
        ttl_s: float,
        grant: Callable[[float], Awaitable[GrantResult]],
        revoke: Callable[[int], Awaitable[Any]],
    ) -> None:
        self._wire = wire
        self._ttl_s = ttl_s
        self._grant = grant
        self._revoke = revoke
        self._kept: Kept | None = None

    async def __aenter__(self) -> Self:
        if self._kept is not None:
            raise RuntimeError("a lease is entered once: make another one")
        self._wire.now_s()
        sent_s = self._wire.keeper.clock()
        granted = await self._grant(self._ttl_s)
        self._kept = self._wire.keeper.keep(granted.lease, granted.ttl_s, sent_s)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if await self.end() or error is not None:
            return
        raise LeaseLost(f"lease {self.id} was lost: its {self.ttl_s:g} s ran out without a renewal")

    async def end(self) -> bool:
        """Revoke the lease if that is possible, else it ends by itself; return whether it was alive until now."""
        kept = self._entered()
        was_lost = kept.is_lost
        self._wire.keeper.drop(kept)
        if not was_lost:
            with suppress(PaxoskvError):
                await self._revoke(kept.id)
        kept.lost.set()
        return not was_lost

    @property
    def is_entered(self) -> bool:
        """Whether it was granted."""
        return self._kept is not None

    @property
    def id(self) -> int:
        """The number of the lease, never used again."""
        return self._entered().id

    @property
    def ttl_s(self) -> float:
        """How long it lives without a renewal."""
        return self._entered().ttl_s

    @property
    def lost(self) -> asyncio.Event:
        """Set once the lease has ended, or may have."""
        return self._entered().lost

    @property
    def is_lost(self) -> bool:
        """Whether the lease has ended, or may have; right also just after this program stood still."""
        return self._entered().is_lost

    def check(self) -> None:
        """Raises: LeaseLost if the lease has ended, or may have."""
        if self.is_lost:
            raise LeaseLost(f"lease {self.id} was lost: its {self.ttl_s:g} s ran out without a renewal")

    def _entered(self) -> Kept:
        if self._kept is None:
            raise RuntimeError("the lease is not entered: use `async with kv.lease(...) as lease`")
        return self._kept
