"""The clock by which a client judges whether its leases may still be alive."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_s() -> float:
    """Return seconds that no clock jump moves (P30), and that pass while the machine is suspended, too (P24)."""
    return time.clock_gettime(_CLOCK)
