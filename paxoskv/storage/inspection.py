"""A second look at a journal in use, a little at a time: what was damaged since it was written or read (P5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from paxoskv.paxos.ballot import Slot
from paxoskv.storage.connection import Connection
from paxoskv.storage.identity import IDENTITY_SEAL
from paxoskv.storage.records import Row, Seal, checked_payload, decode_peer, decode_vote
from paxoskv.storage.recovery import SLOT_MAX, Reader
from paxoskv.storage.schema import PEER_COLUMNS

ROWS_MAX = 32
BYTES_MAX = 256 << 10
"""Of one look: it takes the connection's thread for less than a commit does."""

LOST_MAX = 1024
"""Vanished rows reported by one look; the others wait for the next pass."""

_META = "SELECT name, payload, checksum FROM meta"
_MEND_META = "UPDATE meta SET payload = ?, checksum = ? WHERE name = ? AND payload IS ? AND checksum IS ?"
_ADD_META = "INSERT OR IGNORE INTO meta(name, payload, checksum) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Inspection:
    """One look. rows: how many were read. damaged: slots whose row is damaged or gone. next_slot: None at the end."""

    rows: int
    damaged: tuple[Slot, ...]
    next_slot: Slot | None


class Inspector:
    """Reads rows again and compares their checksums."""

    def __init__(self, connection: Connection, seal: Seal, reader: Reader) -> None:
        self._connection = connection
        self._seal = seal
        self._reader = reader

    async def votes(self, from_slot: Slot, commit_slot: Slot) -> Inspection:
        """Look at the next rows from `from_slot` on; up to `commit_slot` every slot has one. Raises: StorageError."""
        rows = await self._reader.rows(from_slot, SLOT_MAX, BYTES_MAX, ROWS_MAX)
        damaged = [row[0] for row in rows if decode_vote(self._seal, row) is None]
        lost = islice(_lost(from_slot, commit_slot, rows), LOST_MAX)
        return Inspection(len(rows), tuple(sorted([*damaged, *lost])), rows[-1][0] + 1 if rows else None)

    async def mend_meta(self, good: Callable[[], Mapping[str, Row]]) -> int:
        """Write the damaged rows of `meta` anew; return how many.

        good: makes the rows as they ought to be now. A row is replaced only if it is still the damaged one: the writer
        may have written a newer one meanwhile, and a promise is never lowered (P1a). Raises: StorageError.
        """
        found = {row[0].decode(errors="replace"): row[1:] for row in await self._connection.query(_META)}
        damaged = [name for name in good() if not self._is_sound(name, found.get(name))]
        for name in damaged:
            row = found.get(name)
            if row is None:
                await self._connection.query(_ADD_META, (name, *good()[name]))
            else:
                await self._connection.query(_MEND_META, (*good()[name], name, *row))
        return len(damaged)

    async def damaged_peers(self) -> list[tuple[int, object]]:
        """Return (node, checksum) of the damaged rows of `peers`, as they stand there. Raises: StorageError."""
        rows = await self._connection.query(f"SELECT {PEER_COLUMNS} FROM peers")
        return [(row[0], row[-1]) for row in rows if decode_peer(self._seal, row) is None]

    def _is_sound(self, name: str, row: Row | None) -> bool:
        seal = IDENTITY_SEAL if name == "identity" else self._seal
        return row is not None and checked_payload(seal, name.encode(), row) is not None


def _lost(from_slot: Slot, commit_slot: Slot, rows: Sequence[Row]) -> Iterator[Slot]:
    """Yield the chosen slots that have no row, before and between `rows`; after them too, if there is none at all."""
    expected = from_slot
    for row in rows:
        yield from range(expected, min(row[0], commit_slot + 1))
        expected = row[0] + 1
    if not rows:
        yield from range(expected, commit_slot + 1)
