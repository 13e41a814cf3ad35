"""What is wrong with a running node, in words for its operator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from paxoskv.node.scrubber import Scrubber
from paxoskv.paxos.replica import Replica
from paxoskv.storage.writer import JournalWriter

WATCH_S = 1.0

SLOTS_SHOWN = 64
"""Damaged slots named in the log and in the status."""

log = logging.getLogger(__name__)


class Health:
    """Judges the disk and the records on it. A node that is not healthy may still vote and serve what it knows."""

    def __init__(self, replica: Replica, writer: JournalWriter, scrubber: Scrubber) -> None:
        self._replica = replica
        self._writer = writer
        self._scrubber = scrubber

    def error(self) -> str | None:
        """Return what is wrong, None if nothing is."""
        return self._writer.stalled or self._damage()

    async def watch(self) -> None:
        """Log when something goes wrong, and when it is right again, until cancelled."""
        told: str | None = None
        while True:
            error = self.error()
            if error is not None and told is None:
                log.error("not healthy", extra={"reason": error})
            elif error is None and told is not None:
                log.info("healthy again", extra={"repaired_rows": self._replica.log.mended})
            told = error
            await asyncio.sleep(WATCH_S)

    def gauges(self) -> dict[str, Callable[[], Any]]:
        """Return the fields of a status that speak of it.

        quarantined: never while a node runs; `cluster status` fills it in for one that its peers will not have back.
        repairing: chosen values are missing here, so that the state stands still until peers have told them.
        faulty_slots: the first slots whose record is damaged. repaired_rows: those written anew since the start.
        """
        replica = self._replica
        return {
            "healthy": lambda: self.error() is None,
            "error": self.error,
            "quarantined": lambda: False,
            "repairing": lambda: replica.log.is_repairing,
            "faulty_slots": lambda: replica.damaged_slots[:SLOTS_SHOWN],
            "repaired_rows": lambda: replica.log.mended + self._scrubber.mended,
            **self._scrubber.gauges(),
        }

    def _damage(self) -> str | None:
        log, damaged = self._replica.log, self._replica.damaged_slots
        if log.is_repairing:
            return (
                f"repairing: the chosen value in slot {log.commit_slot + 1} is lost here or is being read back, "
                f"damaged records: {len(damaged)}; waiting for a peer that knows it"
            )
        if damaged:
            return f"damaged records: {len(damaged)}, from slot {damaged[0]} on; they are being written anew"
        return None
