"""What work on the event loop asks of it, so that a simulated one can stand in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that is due, such as asyncio's TimerHandle."""

    def cancel(self) -> None:
        """Let it not happen."""


CallSoon = Callable[[Callable[[], None]], object]
"""Runs a function at the end of this turn of the event loop."""

CallLater = Callable[[float, Callable[[], None]], Timer]
"""Runs a function after so many seconds."""


class Turns(Protocol):
    """The event loop, or what stands for it."""

    def call_soon(self, function: Callable[[], None], /) -> object:
        """Run a function at the end of this turn."""

    def call_later(self, delay_s: float, function: Callable[[], None], /) -> Timer:
        """Run a function after some seconds."""
