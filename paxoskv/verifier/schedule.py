"""What is made from a seed alone: which fault comes when, without end, and how the nodes are configured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from paxoskv.verifier.faults import Fault

REST_S = (0.1, 0.8)


@dataclass(frozen=True, slots=True)
class Episode:
    """One fault to come. rest_s: the pause before it. hold_s: how long it stands. seed: of its own choices."""

    fault: Fault
    hold_s: float
    rest_s: float
    seed: int


def tuning(seed: int) -> dict[str, object]:
    """Return settings of all nodes. Limits are often tiny, so that rare things happen all the time."""
    random = Random(f"{seed} tuning")
    return {
        "window": random.choice((1, 2, 16)),
        "batch_commands_max": random.choice((1, 4, 4096)),
        "session_idle_s": random.choice((2.0, 600.0)),
        "scrub_s": random.choice((1.0, 3600.0)),
    }


def plan(seed: int, faults: Sequence[Fault]) -> Iterator[Episode]:
    """Yield episodes for ever, none if there are no faults: every kind once, in random order, then all anew."""
    random = Random(f"{seed} {' '.join(fault.name for fault in faults)}")
    while faults:
        for fault in random.sample(faults, len(faults)):
            hold_s, rest_s = random.uniform(*fault.hold_s), random.uniform(*REST_S)
            yield Episode(fault, hold_s, rest_s, random.getrandbits(32))
