"""What a node remembers of its peers: which life of each it has met, and how far that life had got (P3, P4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from paxoskv.net.peering import Life
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.records import PeerRecord

log = logging.getLogger(__name__)

SAVE_S = 5.0
"""How often new sequence numbers become durable: a few seconds are lost if all nodes die at once."""

Save = Callable[[Mapping[int, PeerRecord]], Awaitable[None]]


class PeerMemory:
    """Lives and sequence numbers of the other members. A life is durable before it is believed, a number soon.

    known: what is durable at the start. save: makes records durable.
    A number is *seen* if its node announced it to us itself, on its own connection, in the order of its deeds. It is
    *told* if a third node passed it on, which may overtake the node's own words: then it only counts for what we tell.
    """

    def __init__(self, known: Mapping[int, PeerRecord], save: Save) -> None:
        self._saved = dict(known)
        self._save = save
        self._incarnations = {node: peer.incarnation for node, peer in known.items()}
        self._seen = {node: peer.seq for node, peer in known.items()}
        self._told: dict[int, int] = {}

    def incarnation(self, node: int) -> str | None:
        """Return the life of `node` that is believed, None if it was never met."""
        return self._incarnations.get(node)

    def seen(self, node: int) -> int:
        """Return the highest number that `node` has announced to us, in any of its process's lives."""
        return self._seen.get(node, 0)

    def note(self, node: int, seq: int) -> None:
        """`node` itself says that `seq` is durable there."""
        if seq > self._seen.get(node, 0):
            self._seen[node] = seq

    def hear(self, node: int, life: Life) -> None:
        """Somebody else says so; it counts only for the life that we know."""
        if self._incarnations.get(node) == life.incarnation and life.seq > self._told.get(node, 0):
            self._told[node] = life.seq

    def lives(self) -> dict[int, Life]:
        """Return everything we know, to tell it to others."""
        return {node: Life(incarnation, self._highest(node)) for node, incarnation in self._incarnations.items()}

    async def meet(self, node: int, incarnation: str) -> None:
        """Believe a life of a node that was never met; in memory at once, so that no other one is believed meanwhile.

        Raises: DiskFull, and nothing is believed; any other StorageError.
        """
        self._incarnations[node] = incarnation
        try:
            await self._write({node: PeerRecord(incarnation, self._highest(node))})
        except DiskFull:
            del self._incarnations[node]
            raise

    async def run(self) -> None:
        """Keep what is durable nearly up to date, until cancelled. Raises: StorageError."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self.save()

    async def save(self) -> None:
        """Make the numbers durable that have grown; a full disk may wait. Raises: StorageError."""
        saved, lives = self._saved, self.lives()
        grown = {node: PeerRecord(*lives[node]) for node in saved if lives[node].seq > saved[node].seq}
        if not grown:
            return
        try:
            await self._write(grown)
        except DiskFull as error:
            log.warning("what peers have announced is not saved just now", extra={"reason": str(error)})

    def _highest(self, node: int) -> int:
        return max(self._seen.get(node, 0), self._told.get(node, 0))

    async def _write(self, records: Mapping[int, PeerRecord]) -> None:
        await self._save(records)
        self._saved.update(records)
