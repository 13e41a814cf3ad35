"""A watch over the event loop: how late it runs what is due (P42).

A loop that stands still sends no heartbeats and answers nobody, so others elect a leader. The watchdog ticks on the
loop and counts the ticks that came late; a thread beside it logs where the loop stands while a long stall lasts.
It only tells; what a leader must confirm after a stall is the business of its leases and read rounds.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

log = logging.getLogger(__name__)

BUDGET_S = 0.1
"""Lateness that counts as a stall: two heartbeats, a quarter of the shortest election timeout."""
TICK_S = 0.05
STACK_AFTER_S = 1.0
"""Length of a stall from which on its stack is logged, once."""
LOOK_S = 0.25
"""How often the thread looks."""


class Watchdog:
    """Measures the stalls of the loop that runs it.

    stalls:        ticks that came more than `budget_s` late.
    stall_max_ms:  the longest lateness counted, in milliseconds.
    """

    def __init__(
        self,
        *,
        budget_s: float = BUDGET_S,
        stack_after_s: float = STACK_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stalls = 0
        self.stall_max_ms = 0.0
        self._budget_s = budget_s
        self._stack_after_s = stack_after_s
        self._clock = clock
        self._due = self._looked = clock()
        self._told_of: float | None = None  # the value of `_due` whose stall had its stack logged

    async def run(self) -> None:
        """Watch until cancelled."""
        stopping = threading.Event()
        arguments = (stopping, threading.get_ident())
        thread = threading.Thread(target=self._watch, args=arguments, name="loop-watchdog", daemon=True)
        self.expect()
        thread.start()
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self.measure()
                self.expect()
        finally:
            stopping.set()
            thread.join()

    def expect(self) -> None:
        """Note when the next tick is due."""
        self._due = self._clock() + TICK_S

    def measure(self) -> None:
        """Run by the loop at a tick: count and log it if it is late."""
        late_ms = (self._clock() - self._due) * 1_000
        if late_ms > self._budget_s * 1_000:
            self.stalls += 1
            self.stall_max_ms = max(self.stall_max_ms, late_ms)
            log.warning("event loop stalled", extra={"stall_ms": round(late_ms, 1), "stalls": self.stalls})

    def look(self, loop_thread: int) -> None:
        """Run by the thread: log the stack of the loop's thread, once in a stall that lasts too long."""
        now, due = self._clock(), self._due
        overslept_s = now - self._looked - LOOK_S
        self._looked = now
        if overslept_s > self._budget_s:
            return  # the whole process stood still (SIGSTOP, a suspended machine): the stack would show nothing
        if now - due > self._stack_after_s and due != self._told_of:
            self._told_of = due
            fields = {"stall_ms": round((now - due) * 1_000, 1), "stack": stack_of(loop_thread)}
            log.warning("event loop stands still", extra=fields)

    def _watch(self, stopping: threading.Event, loop_thread: int) -> None:
        self._looked = self._clock()
        while not stopping.wait(LOOK_S):
            self.look(loop_thread)


def stack_of(thread_id: int, frames_max: int = 12) -> list[str]:
    """Return the innermost frames of a thread, the innermost last, as `file:line function`."""
    frame = sys._current_frames().get(thread_id)
    summary = traceback.extract_stack(frame)[-frames_max:] if frame is not None else []
    return [f"{entry.filename}:{entry.lineno} {entry.name}" for entry in summary]
