"""The scrubber: verifies the whole journal again and again, slowly, while the node runs (P5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Any

from paxoskv.paxos.ballot import Slot
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.inspection import ROWS_MAX
from paxoskv.storage.journal import Journal

PAUSE_S = 0.1
"""Between two looks of `ROWS_MAX` rows: a few hundred rows a second, and a commit waits for one look at most."""

log = logging.getLogger(__name__)


class Scrubber:
    """Sweeps over the journal every `interval_s`, and has damaged records written anew.

    on_damaged: has votes of these slots written anew, from memory or from peers. clock: monotonic seconds.
    rows: how many were verified. mended: damaged rows that are no votes, written anew from memory.
    """

    def __init__(
        self,
        journal: Journal,
        on_damaged: Callable[[Collection[Slot]], None],
        interval_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._on_damaged = on_damaged
        self._interval_s = interval_s
        self._clock = clock
        self._swept_s: float | None = None
        self.rows = 0
        self.mended = 0

    async def run(self) -> None:
        """Sweep until cancelled; the start has just verified everything. Raises: StorageError."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.sweep()

    async def sweep(self) -> None:
        """Verify every row once; what is damaged is reported as soon as it is found. Raises: StorageError."""
        await self._journal.forget_cached()
        await self._mend_facts()
        slot: Slot | None = 1
        while slot is not None:
            look = await self._journal.inspect(slot)
            self.rows += look.rows
            if look.damaged:
                log.error("records were damaged since they were written", extra={"slots": look.damaged[:ROWS_MAX]})
                self._on_damaged(look.damaged)
            slot = look.next_slot
            await asyncio.sleep(PAUSE_S)
        self._swept_s = self._clock()

    def gauges(self) -> dict[str, Callable[[], Any]]:
        """Return the fields of a status. last_scrub_s: seconds since a sweep ended, None if none has yet."""
        return {
            "scrubbed_rows": lambda: self.rows,
            "last_scrub_s": lambda: None if self._swept_s is None else round(self._clock() - self._swept_s, 1),
        }

    async def _mend_facts(self) -> None:
        try:
            mended = await self._journal.mend_facts()
        except DiskFull as error:
            log.error("damaged records cannot be written anew just now", extra={"reason": str(error)})
            return
        if mended:
            self.mended += mended
            log.error("records were damaged since they were written; written anew from memory", extra={"rows": mended})
