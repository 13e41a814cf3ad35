"""Watchers under the load of `paxoskv bench`: how many changes they are told, and how late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress

from paxoskv.cli.histogram import Tally
from paxoskv.cli.workloads import STAMP_BYTES, Keys, written_ns
from paxoskv.client import Client, Event, Watch
from paxoskv.errors import PaxoskvError

KINDS = ("watch", "watch one")
"""Every watcher is told every change; or those of one key, another one for each watcher."""

PREFIX = b"bench/"
GRACE_S = 0.2
"""What was written before the end may still arrive after it."""


async def run(
    kind: str,
    clients: Sequence[Client],
    keys: Keys,
    keep_step: Callable[[], Awaitable[float]],
    seconds: float,
    tally: Tally,
) -> None:
    """Begin a watch through each of `clients`, then count what they are told while the load lasts.

    keep_step: tells that all watches stand, and returns when the counted seconds begin, by the monotonic clock.
    """
    async with AsyncExitStack() as stack:
        watches = [_watch(kind, kv, keys.key(number)) for number, kv in enumerate(clients)]
        await asyncio.gather(*(stack.enter_async_context(watch) for watch in watches))
        start_s = await keep_step()
        tally.ended_s = start_s + seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(tally.ended_s + GRACE_S - time.monotonic()):
                await asyncio.gather(*(_count(watch, start_s, seconds, tally) for watch in watches))


def _watch(kind: str, kv: Client, key: bytes) -> Watch:
    return kv.watch(key=key) if kind == "watch one" else kv.watch(PREFIX)


async def _count(watch: Watch, start_s: float, seconds: float, tally: Tally) -> None:
    """Count what one watch is told until it is cancelled, or has failed."""
    start_ns = round(start_s * 1e9)
    end_ns = start_ns + round(seconds * 1e9)
    try:
        async for batch in watch.batches():
            now_ns = time.monotonic_ns()
            if start_ns <= now_ns < end_ns:
                _record(batch.events, now_ns, tally)
    except PaxoskvError as error:
        tally.errors[type(error).__name__] += 1


def _record(events: Sequence[Event], now_ns: int, tally: Tally) -> None:
    for event in events:
        value = event.value
        if value is not None and len(value) >= STAMP_BYTES:
            tally.histogram.record(max(0, now_ns - written_ns(value)))
