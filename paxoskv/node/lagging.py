"""Reads chosen slots back from the journal for peers that are far behind."""

from __future__ import annotations

from collections.abc import Callable

from paxoskv.node.supervisor import Supervisor
from paxoskv.paxos.acceptor import PART_BYTES_MAX
from paxoskv.paxos.effects import Load
from paxoskv.paxos.messages import Learn, Message
from paxoskv.paxos.replica import Replica
from paxoskv.storage.journal import Journal


class Laggards:
    """Serves one load per peer at a time: catching up never crowds out the votes of today (P22)."""

    def __init__(
        self, journal: Journal, replica: Replica, send: Callable[[int, Message], None], supervisor: Supervisor
    ) -> None:
        self._journal = journal
        self._replica = replica
        self._send = send
        self._supervisor = supervisor
        self._busy: set[int] = set()

    def load(self, load: Load) -> None:
        """Send the slots to the peer when they are read; a request too many is lost, the peer asks again."""
        if load.to not in self._busy:
            self._busy.add(load.to)
            self._supervisor.spawn(self._serve(load), f"catch-up of node {load.to}")

    async def _serve(self, load: Load) -> None:
        try:
            votes = await self._journal.load(load.from_slot, load.to_slot, PART_BYTES_MAX)
        finally:
            self._busy.discard(load.to)
        log = self._replica.log
        self._send(load.to, Learn(log.commit_slot, log.compacted_slot, tuple(votes)))
