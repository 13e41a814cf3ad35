"""Leases that live while `paxoskv bench` measures something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from paxoskv.client import Client, Lease, connect

TTL_S = 60.0
IN_FLIGHT_MAX = 256


@asynccontextmanager
async def live_leases(endpoints: str, timeout_s: float, count: int) -> AsyncIterator[None]:
    """Keep `count` leases alive in the block, each with one key. Raises: PaxoskvError."""
    if not count:
        yield
        return
    async with connect(endpoints, timeout_s=timeout_s) as kv:
        leases = [kv.lease(TTL_S) for _ in range(count)]
        turns = asyncio.Semaphore(IN_FLIGHT_MAX)
        try:
            await asyncio.gather(*(_begin(kv, lease, number, turns) for number, lease in enumerate(leases)))
            yield
        finally:
            await asyncio.gather(*(_end(lease, turns) for lease in leases if lease.is_entered))


async def _begin(kv: Client, lease: Lease, number: int, turns: asyncio.Semaphore) -> None:
    async with turns:
        await lease.__aenter__()
        await kv.put(b"bench-lease/%08d" % number, b"", lease=lease)


async def _end(lease: Lease, turns: asyncio.Semaphore) -> None:
    async with turns:
        await lease.end()
