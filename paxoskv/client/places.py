"""Room for so many at a time, and a line for the others."""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """Costs next to nothing while there is room. Whoever takes a place leaves it once."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._line: deque[asyncio.Future[None]] = deque()

    def try_take(self) -> bool:
        """Take a place if one is free; nobody waits then."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def take(self, deadline_s: float) -> None:
        """Wait in line for a place. deadline_s: loop time. Raises: TimeoutError, without a place."""
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            async with asyncio.timeout_at(deadline_s):
                await place
        except BaseException:
            if not place.cancelled():  # it was given, and came too late
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back: to the first in line who still waits."""
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
