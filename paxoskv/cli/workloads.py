"""What a client of `paxoskv bench` does over and over: random keys, and values that never come twice."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from paxoskv.client import Client, ops

Operation = Callable[[], Awaitable[Any]]
Make = Callable[[Client, "Keys", Random, int], Operation]

STAMP_BYTES = 8
"""At the beginning of a value: when it was written, by the machine's monotonic clock in nanoseconds."""

TXN_KEYS = 3
_BRIEFLY_S = 60.0
_NEVER = 2**62


class Keys:
    """The keys of a run."""

    def __init__(self, count: int) -> None:
        self._count = count

    def key(self, number: int) -> bytes:
        """Return one of the keys."""
        return b"bench/%08d" % (number % self._count)

    def any(self, random: Random) -> bytes:
        """Return a random one."""
        return self.key(random.randrange(self._count))


def put(kv: Client, keys: Keys, random: Random, value_bytes: int) -> Operation:
    """Set a key."""
    filler = _filler(value_bytes)
    return lambda: kv.put(keys.any(random), _value(filler, value_bytes))


def get(kv: Client, keys: Keys, random: Random, value_bytes: int) -> Operation:
    """Read a key."""
    return lambda: kv.get(keys.any(random))


def txn(kv: Client, keys: Keys, random: Random, value_bytes: int) -> Operation:
    """Compare three keys, all of which holds, and set them."""
    filler = _filler(value_bytes)

    def transaction() -> Awaitable[Any]:
        names = [keys.any(random) for _ in range(TXN_KEYS)]
        value = _value(filler, value_bytes)
        return kv.txn(
            compare=[ops.modified(name, "<", _NEVER) for name in names], then=[ops.put(name, value) for name in names]
        )

    return transaction


def lease(kv: Client, keys: Keys, random: Random, value_bytes: int) -> Operation:
    """Grant a lease and revoke it: two writes."""

    async def grant_and_revoke() -> None:
        granted = await kv.grant(_BRIEFLY_S)
        await kv.revoke(granted.lease)

    return grant_and_revoke


OPERATIONS: dict[str, Make] = {"put": put, "get": get, "txn": txn, "lease": lease}


def written_ns(value: bytes) -> int:
    """Return when a value was written."""
    return int.from_bytes(value[:STAMP_BYTES], "big")


def _filler(value_bytes: int) -> bytes:
    return os.urandom(value_bytes)[STAMP_BYTES:]


def _value(filler: bytes, value_bytes: int) -> bytes:
    return time.monotonic_ns().to_bytes(STAMP_BYTES, "big")[:value_bytes] + filler
