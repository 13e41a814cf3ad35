"""Constants of production code that a run makes tiny, so that what is rare at their real size happens often (S31).

And the few places where production code reaches outside, for chance and for files beside the journal: a run gives them
something of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from paxoskv.kv.limits import KvLimits
from paxoskv.simulator.world import World

KNOBS: dict[str, tuple[float, ...]] = {
    "paxoskv.paxos.log.TAIL_SLOTS": (2, 8, 64),
    "paxoskv.paxos.log.TAIL_BYTES_MAX": (64, 1_000),
    "paxoskv.paxos.log.OPEN_BYTES_MAX": (100, 1_000),
    "paxoskv.paxos.acceptor.PART_VOTES_MAX": (1, 2),
    "paxoskv.paxos.acceptor.PART_BYTES_MAX": (40, 400),
    "paxoskv.paxos.learner.PART_BYTES_MAX": (40, 400),
    "paxoskv.node.lagging.PART_BYTES_MAX": (40, 400),
    "paxoskv.node.engine.BACKLOG_BYTES_MAX": (300, 2_000),
    "paxoskv.node.reads.PAGE_KEYS_MAX": (1, 3),
    "paxoskv.node.reads.PAGE_BYTES_MAX": (8, 64),
    "paxoskv.node.cohort.STRETCH_REVISIONS_MAX": (1, 4),
    "paxoskv.node.cohort.STRETCH_BYTES_MAX": (1, 200),
    "paxoskv.node.cohort.STRETCH_BYTES_MIN": (1, 100),
    "paxoskv.node.scans.TURN_KEYS_MAX": (1, 5),
    "paxoskv.node.watches.PROGRESS_S": (0.05, 0.5),
    "paxoskv.node.watches.PROGRESS_REVISIONS_MIN": (1, 4),
    "paxoskv.client.stream.EVENTS_HELD_MAX": (1, 8),
    "paxoskv.storage.recovery.CHUNK_BYTES_MAX": (50, 500),
    "paxoskv.storage.journal.CHUNK_BYTES_MAX": (50, 500),
    "paxoskv.storage.writer.STATEMENT_ROWS_MAX": (1, 3),
    "paxoskv.storage.journal.STATEMENT_ROWS_MAX": (1, 3),
    "paxoskv.storage.writer.STATEMENT_BYTES_MAX": (60, 500),
    "paxoskv.storage.journal.STATEMENT_BYTES_MAX": (60, 500),
    "paxoskv.storage.writer.WAL_BYTES_MAX": (10_000, 60_000),
    "paxoskv.storage.writer.IDLE_CHECKPOINT_BYTES": (1, 10_000),
    "paxoskv.net.stream.FLUSH_BYTES": (1, 200),
    "paxoskv.node.clients.PAUSE_BYTES": (50, 1_000),
    "paxoskv.node.memory.SAVE_S": (0.1, 1.0),
    "paxoskv.node.scrubber.PAUSE_S": (0.001, 0.02),
    "paxoskv.storage.inspection.ROWS_MAX": (1, 10),
}
"""`module.NAME` -> values to choose from."""

TICK = "paxoskv.node.server.TICK_S"
TICKS_S = (0.01, 0.02, 0.04)
"""How often a node lets time pass in its core; coarser than in production, a run has fewer events."""


@contextmanager
def turned(settings: Mapping[str, float], limits: Mapping[str, int], world: World) -> Iterator[None]:
    """Set constants for the duration of a run, and stand in for what production code reaches outside.

    limits: of the state machine, of every node that is configured meanwhile.
    """
    clients = world.rng("clients' own")
    values: dict[str, Any] = {
        **settings,
        "paxoskv.net.link.random": world.rng("links' own"),
        "paxoskv.node.config.KvLimits": partial(KvLimits, **limits),
        "paxoskv.client.client.boot_s": lambda: asyncio.get_running_loop().time(),
        "paxoskv.client.client.Random": lambda: Random(clients.getrandbits(64)),
        "paxoskv.storage.journal.mark_open": _no_file,
        "paxoskv.storage.journal.unmark_open": _no_file,
    }
    before = {name: _swap(name, value) for name, value in values.items()}
    try:
        yield
    finally:
        for name, value in before.items():
            _swap(name, value)


def _no_file(directory: Path) -> None:
    """Marks beside the journal are files; how a start reads them is tested with real ones."""


def _swap(name: str, value: Any) -> Any:
    """Set an attribute of a module; return what it was. Raises: AttributeError if there is none."""
    module_name, _, attribute = name.rpartition(".")
    module = import_module(module_name)
    before = getattr(module, attribute)
    setattr(module, attribute, value)
    return before
