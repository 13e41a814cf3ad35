"""Listens to what production code logs during a run: for marks, and for the story."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from paxoskv.simulator.marks import Marks
from paxoskv.simulator.world import World

_MARKS: tuple[tuple[str, str, str], ...] = (
    ("connection refused", "fails its checksum", "damaged frame"),
    ("connection refused", "outside 1..", "damaged frame"),
    ("connection refused", "no hello within", "stranger refused"),
    ("connection refused", "speaks protocol", "stranger refused"),
    ("connection refused", "this is the port for", "stranger refused"),
    ("peer refused", "another incarnation", "emptied node found out"),
    ("peer refused", "", "stranger refused"),
    ("peer unreachable", "nobody listens", "process gone"),
    ("the disk has space again", "", "full disk waited out"),
    ("starting on a full disk", "", "start on a full disk"),
    ("records were damaged since they were written", "", "damaged record found"),
    ("records were damaged since they were written; written anew from memory", "", "damaged record found"),
)
"""Message, part of its reason, mark."""

_FIELDS = ("node", "peer", "remote", "reason", "role", "leader", "ballot", "slots")


class _Logbook(logging.Handler):
    def __init__(self, world: World, marks: Marks) -> None:
        super().__init__()
        self._world = world
        self._marks = marks

    def emit(self, record: logging.LogRecord) -> None:
        reason = str(getattr(record, "reason", ""))
        for message, part, mark in _MARKS:
            if record.msg == message and part in reason:
                self._marks.hit(mark)
        if self._world.telling:
            fields = {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
            self._world.tell(f"  {self._world.speaker}: {record.msg} {fields}")


@contextmanager
def kept(world: World, marks: Marks) -> Iterator[None]:
    """Take what is logged for the duration of a run; nobody else hears of it."""
    logger = logging.getLogger("paxoskv")
    before = (logger.handlers[:], logger.level, logger.propagate)
    logger.handlers[:] = [_Logbook(world, marks)]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.handlers[:], level, logger.propagate = before
        logger.setLevel(level)
