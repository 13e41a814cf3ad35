"""Draws the plan of a seed: a random subset of the faults at random rates, and often constants that are too small.

Source: pitfalls C.1; swarm testing: a run with few kinds of faults gets further into their consequences than one with
all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from paxoskv.simulator.faults import CATALOGUE
from paxoskv.simulator.knobs import KNOBS, TICK, TICKS_S
from paxoskv.simulator.leases import perhaps_with_leases
from paxoskv.simulator.plan import FaultEvent, Plan

ALL = tuple(CATALOGUE)

_KINDS_WANTED = 4
"""Who names a few kinds wants to see them: of fewer than this, every seed gets all."""

_INTRICATE = ("late promises", "rotten votes")


def draw(seed: int, nodes: int | None = None, kinds: Sequence[str] = ALL) -> Plan:
    """Return the plan of a seed.

    nodes: 3 or 5; by the seed if None. kinds: the faults to choose from; none for a calm run.
    """
    rng = Random(f"{seed}/plan")
    nodes = nodes or rng.choice((3, 3, 3, 5))
    safety_s = rng.choice((4.0, 8.0, 12.0))
    tiny = rng.random() < 0.7
    programs = rng.choice((1, 2, 3, 3, 4))
    settings = _settings(rng, nodes, tiny)
    forced = _forced(rng) if tiny and rng.random() < 0.4 else {}
    tick_s = rng.choice(TICKS_S)
    knobs = (_knobs(rng) if tiny else {}) | (_small_parts() if forced else {})
    plan = Plan(
        seed=seed,
        nodes=nodes,
        safety_s=safety_s,
        settings=settings,
        forced=forced,
        limits=_limits(rng) if tiny else {},
        knobs={TICK: tick_s, **knobs},
        mood={"base_s": rng.choice((0.00005, 0.0005)), "delay_s": rng.choice((0.0001, 0.001, 0.005))},
        habits=_habits(rng, safety_s / programs),
        programs=programs,
        turn_s=rng.choice((0.0, 0.00005, 0.002)),
        sync_s=rng.choice((0.0001, 0.0005, 0.005)),
        kernel_bytes=rng.choice((200, 4_000) if forced else (200, 4_000, 1 << 16, 1 << 16)),
        ending=rng.getrandbits(32),
        events=_events(rng, safety_s, _theme(rng, kinds)),
    )
    return perhaps_with_leases(plan, () if tuple(kinds) == ALL else kinds)


def _settings(rng: Random, nodes: int, tiny: bool) -> dict[str, Any]:
    timeout_s = rng.choice((0.2, 0.4, 0.4, 0.8, 0.8))
    settings: dict[str, Any] = {
        "election_timeout_s": timeout_s,
        "heartbeat_s": timeout_s / rng.choice((4, 8)),
        "election_jitter_s": timeout_s / 2,
        "session_idle_s": rng.choice((600.0, 600.0, 600.0, 3.0, 1.0)),
        "scrub_s": rng.choice((0.0, 0.3, 1.0, 3.0)),
        "leases_max": rng.choice((2, 50_000, 50_000)),
        "history_events_max": rng.choice((16, 64, 100_000)),
    }
    if tiny:
        settings["window"] = rng.choice((1, 1, 2, 4, 16))
        settings["batch_commands_max"] = rng.choice((1, 1, 2, 4096))
        settings["requests_in_flight_max"] = rng.choice((1, 2, 1024))
    if nodes == 5 and rng.random() < 0.4:
        settings["phase2_quorum"] = rng.choice((2, 4))
    return settings


def _forced(rng: Random) -> dict[str, int]:
    """Bounds so small that a configuration would not allow them; the queue of a peer still holds any one message."""
    return {"bytes_in_flight_max": rng.choice((60, 300)), "peer_queue_bytes_max": rng.choice((2_000, 6_000))}


def _limits(rng: Random) -> dict[str, int]:
    """Limits of what one command may do, so small that they are met."""
    choices = {
        "lease_keys_max": (1, 2),
        "expiry_keys_max": (1, 3),
        "command_keys_max": (2, 5),
        "reply_bytes_max": (100, 300),
        "grown_value_bytes_max": (60, 300),
    }
    return {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.4}


def _small_parts() -> dict[str, float]:
    """What goes with such a queue: pieces of promises and lessons that fit in it, as any configuration ensures."""
    return {name: min(values) for name, values in KNOBS.items() if name.endswith(".PART_BYTES_MAX")}


def _knobs(rng: Random) -> dict[str, float]:
    share = rng.choice((0.1, 0.4))
    return {name: rng.choice(values) for name, values in KNOBS.items() if rng.random() < share}


def _habits(rng: Random, seconds: float) -> dict[str, Any]:
    workers = rng.randrange(1, 5)
    return {
        "workers": workers,
        "think_s": seconds * workers / rng.choice((80, 200, 400)),
        "keys": rng.choice((1, 2, 4, 8)),
        "timeout_s": rng.choice((0.5, 2.0, 5.0)),
        "cancel": rng.choice((0.0, 0.0, 0.1)),
        "onlookers": rng.choice((0, 1, 1, 2)),
        "holders": rng.choice((0, 0, 1)),
    }


def _theme(rng: Random, kinds: Sequence[str]) -> Sequence[str]:
    """Return the kinds of a life: all of them, or one that takes several steps, with nothing to get in its way."""
    intricate = [kind for kind in _INTRICATE if kind in kinds]
    return (rng.choice(intricate),) if intricate and rng.random() < 0.2 else kinds


def _events(rng: Random, safety_s: float, kinds: Sequence[str]) -> tuple[FaultEvent, ...]:
    """Choose kinds, then times for each of them."""
    share = max(rng.choice((0.08, 0.2, 0.5)), min(1.0, _KINDS_WANTED / max(1, len(kinds))))
    eager = rng.choice((0.5, 1.0, 2.5)) * (1 if share < 0.4 else 0.5)
    events = []
    for kind in kinds:
        if rng.random() < share:
            per_s = CATALOGUE[kind].per_minute / 60 * eager * rng.choice((0.3, 1.0, 2.0))
            at_s = rng.expovariate(per_s)
            while at_s < safety_s:
                events.append(FaultEvent(round(at_s, 6), kind, rng.getrandbits(32)))
                at_s += rng.expovariate(per_s)
    return tuple(sorted(events))
