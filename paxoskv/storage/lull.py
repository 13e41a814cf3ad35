"""Notices when nothing happens for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Lull:
    """Calls `on_lull` once nothing was noted for `seconds`, or up to twice as long, after `expect`.

    One timer serves however many notes: making and cancelling one for each would cost more than all else about them.
    """

    def __init__(self, seconds: float, on_lull: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_lull = on_lull
        self._is_quiet = True
        self._timer: asyncio.TimerHandle | None = None

    def expect(self) -> None:
        """Call back at the next lull."""
        if self._timer is None:
            self._wait()

    def note(self) -> None:
        """Something happens."""
        self._is_quiet = False

    def cancel(self) -> None:
        """Expect nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._is_quiet = True
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        if self._is_quiet:
            self._timer = None
            self._on_lull()
        else:
            self._wait()
