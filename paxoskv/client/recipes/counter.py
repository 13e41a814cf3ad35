"""A counter."""

from __future__ import annotations

from paxoskv.client.calls.base import Text
from paxoskv.client.keys import to_key
from paxoskv.client.store import Store
from paxoskv.errors import NotANumber


class Counter:
    """A number of 64 bits that many change at the same time; no change is lost, none is made twice (P25)."""

    def __init__(self, kv: Store, name: Text) -> None:
        self._kv = kv
        self._key = to_key(name)

    async def add(self, by: int = 1) -> int:
        """Add `by`, which may be negative; return the sum. Raises: NumberOverflow, NotANumber."""
        return (await self._kv.incr(self._key, by)).value

    async def value(self) -> int:
        """Return the number; 0 if nothing was ever added. Raises: NotANumber."""
        raw = (await self._kv.get(self._key)).value
        if raw is None:
            return 0
        try:
            return int(raw)
        except ValueError:
            raise NotANumber(f"the key holds {raw!r:.40}, which is not a decimal number") from None

    async def set(self, value: int) -> None:
        """Begin anew at `value`."""
        await self._kv.put(self._key, str(value))
