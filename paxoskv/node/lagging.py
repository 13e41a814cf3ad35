"""Reads chosen slots back from the journal, for peers that are far behind and for ourselves after damage (P5)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from paxoskv.node.engine import Engine
from paxoskv.node.supervisor import Supervisor
from paxoskv.paxos.acceptor import PART_BYTES_MAX
from paxoskv.paxos.effects import Load
from paxoskv.paxos.messages import Learn, Message
from paxoskv.paxos.replica import Replica
from paxoskv.storage.errors import VoteDamaged
from paxoskv.storage.journal import Journal

log = logging.getLogger(__name__)


class Laggards:
    """Serves one load per node at a time: catching up never crowds out the votes of today (P22)."""

    def __init__(
        self, journal: Journal, replica: Replica, send: Callable[[int, Message], None], supervisor: Supervisor
    ) -> None:
        self._journal = journal
        self._replica = replica
        self._send = send
        self._supervisor = supervisor
        self._engine: Engine | None = None
        self._busy: set[int] = set()

    def connect(self, engine: Engine) -> None:
        """Name who hears what the journal tells ourselves, and what it cannot read; before the first load."""
        self._engine = engine

    def load(self, load: Load) -> None:
        """Send the slots to the peer when they are read; a request too many is lost, the peer asks again."""
        if load.to not in self._busy:
            self._busy.add(load.to)
            self._supervisor.spawn(self._serve(load), f"catch-up of node {load.to}")

    async def _serve(self, load: Load) -> None:
        assert self._engine is not None, "nobody listens to the journal yet"
        try:
            votes = await self._journal.load(load.from_slot, load.to_slot, PART_BYTES_MAX)
        except VoteDamaged as damage:
            log.error("a chosen record is damaged and has to be written anew", extra={"reason": str(damage)})
            self._engine.on_damaged([damage.slot])
            return
        finally:
            self._busy.discard(load.to)
        slots = self._replica.log
        learn = Learn(slots.commit_slot, slots.compacted_slot, tuple(votes))
        if load.to == self._replica.node:
            self._engine.on_message(load.to, learn)
        else:
            self._send(load.to, learn)
