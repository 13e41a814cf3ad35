"""What is wrong with a running node, in words for its operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paxoskv.node.scrubber import Scrubber
from paxoskv.paxos.replica import Replica
from paxoskv.storage.writer import JournalWriter

SLOTS_SHOWN = 64
"""Damaged slots named in the log and in the status."""


class Health:
    """Judges the disk and the records on it. A node that is not healthy may still vote and serve what it knows."""

    def __init__(self, replica: Replica, writer: JournalWriter, scrubber: Scrubber) -> None:
        self._replica = replica
        self._writer = writer
        self._scrubber = scrubber

    def error(self) -> str | None:
        """Return what is wrong, None if nothing is."""
        return self._writer.stalled or self._damage()

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
                f"{len(damaged)} records are damaged; waiting for a peer that knows it"
            )
        if damaged:
            return f"{len(damaged)} records of the journal are damaged, from slot {damaged[0]} on; repairing them"
        return None
