"""How long to wait before trying again: short, because a failover takes half a second, and never in step."""

from __future__ import annotations

from random import Random

FIRST_S = 0.01
LONGEST_S = 0.1
_DOUBLINGS_MAX = 8


def backoff_s(attempts: int, random: Random) -> float:
    """Return the pause after `attempts` failures in a row (from 1): 10 ms doubling to 100 ms, of it 50 to 100 %."""
    doublings = min(attempts - 1, _DOUBLINGS_MAX)
    longest_s: float = min(LONGEST_S, FIRST_S * 2**doublings)
    return longest_s * (0.5 + random.random() / 2)
