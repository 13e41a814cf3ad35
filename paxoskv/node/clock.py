"""The clock a node lives by: monotonic seconds, whatever happens to the time of day (P30)."""

from __future__ import annotations

import time
from collections.abc import Callable

from paxoskv.node.exits import USAGE, NodeFailure


def boottime() -> float:
    """Return seconds since boot, those included in which the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def clock_for(leases: bool) -> Callable[[], float]:
    """Return the clock of a node.

    leases: its clock has to go on while the machine is suspended, or its lease would outlast that (P24).
    Raises: NodeFailure, if the system has no such clock.
    """
    if not leases:
        return time.monotonic
    if not hasattr(time, "CLOCK_BOOTTIME"):
        raise NodeFailure(
            USAGE,
            "lease_reads needs a clock that goes on while the machine is suspended (CLOCK_BOOTTIME), which this system "
            "does not have: found the cluster without it",
        )
    return boottime
