"""A task of a simulated program that holds a lease as long as it can, as the owner of a lock does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from paxoskv.client.client import Client
from paxoskv.client.lease import Lease
from paxoskv.errors import LeaseLost, OutcomeUnknown, Overloaded, Refused, Unavailable
from paxoskv.simulator.judge import Judge

_TTLS_S = (0.3, 0.6, 1.5)
_LOOK_S = 0.02


class Holder:
    """Is sure of its lease as long as the client says so, and is always right, unless clocks are wrong (P24)."""

    def __init__(self, judge: Judge, rng: Random) -> None:
        self._judge = judge
        self._rng = rng

    async def run(self, client: Client, is_quiet: Callable[[], bool]) -> None:
        """Hold one lease after the other until cancelled; none while everything is to be quiet."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.05, 0.5))
            if is_quiet():
                continue
            try:
                async with client.lease(self._rng.choice(_TTLS_S)) as lease:
                    await self._hold(lease, is_quiet)
            except LeaseLost:
                self._judge.marks.hit("lease lost by its owner")
            except (OutcomeUnknown, Unavailable, Overloaded, Refused):
                continue

    async def _hold(self, lease: Lease, is_quiet: Callable[[], bool]) -> None:
        for _ in range(self._rng.randrange(5, 150)):
            if lease.is_lost or is_quiet():
                return
            self._judge.holds(lease.id)
            await asyncio.sleep(_LOOK_S)
