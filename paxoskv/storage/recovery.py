"""Reading the journal back: at start all of it, later in pieces; every row is verified, none is taken on trust (P5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paxoskv.paxos.ballot import Slot, Vote
from paxoskv.storage.connection import Connection
from paxoskv.storage.errors import JournalCorrupt, VoteDamaged
from paxoskv.storage.records import (
    VOTE_COLUMNS,
    PeerRecord,
    Row,
    Seal,
    decode_compaction,
    decode_peer,
    decode_promise,
    decode_vote,
)
from paxoskv.storage.scan import Recovered, Scan, SlotUnknown
from paxoskv.storage.schema import PEER_COLUMNS

CHUNK_BYTES_MAX = 1 << 20
ROWS_MAX = 256
SLOT_MIN, SLOT_MAX = -(1 << 63), (1 << 63) - 1

_SIZES = "SELECT slot, length(value) FROM votes WHERE slot BETWEEN ? AND ? ORDER BY slot LIMIT ?"
_ROWS = f"SELECT {VOTE_COLUMNS} FROM votes WHERE slot BETWEEN ? AND ? ORDER BY slot"

_REPLACE = "This node must not vote: replace it by a new one"


class Reader:
    """Reads and verifies the rows of one journal. `path` is for messages."""

    def __init__(self, connection: Connection, seal: Seal, path: Path) -> None:
        self._connection = connection
        self._seal = seal
        self._path = path

    async def meta(self, name: str) -> Row:
        """Return (payload, checksum) of a row of `meta`. Raises: JournalCorrupt, if it is not there."""
        rows = await self._connection.query("SELECT payload, checksum FROM meta WHERE name = ?", (name,))
        if len(rows) != 1:
            raise self.corrupt(f"the {name} row is missing")
        return rows[0]

    async def peers(self) -> dict[int, PeerRecord]:
        """Return what is known of the peers met so far. Raises: JournalCorrupt."""
        peers = {}
        for row in await self._connection.query(f"SELECT {PEER_COLUMNS} FROM peers"):
            known = decode_peer(self._seal, row)
            if known is None:
                raise self.corrupt(f"the row of peer {row[0]} fails its checksum")
            node, peer = known
            peers[node] = peer
        return peers

    async def recover(self) -> Recovered:
        """Verify every row, holding no more in memory than one chunk and the open votes. Raises: JournalCorrupt."""
        promise = decode_promise(self._seal, await self.meta("promise"))
        compaction = decode_compaction(self._seal, await self.meta("compaction"))
        if promise is None or compaction is None:
            raise self.corrupt(f"the {'compaction' if promise else 'promise'} row fails its checksum")
        scan = Scan(promise, compaction)
        at = SLOT_MIN
        while rows := await self.rows(at, SLOT_MAX, CHUNK_BYTES_MAX):
            for row in rows:
                try:
                    scan.take(row, decode_vote(self._seal, row))
                except SlotUnknown:
                    what = f"a vote near slot {row[0]} fails its checksum, and its slot cannot be told"
                    raise self.corrupt(what) from None
            at = rows[-1][0] + 1
        return scan.result()

    async def chosen(self, from_slot: Slot, to_slot: Slot, bytes_max: int) -> list[tuple[Slot, Vote]]:
        """Return the votes from `from_slot` on that fit in `bytes_max`, one at least; all up to to_slot are chosen.

        What comes before a damaged row is returned. Raises: VoteDamaged, if the first row is missing or damaged.
        """
        votes: list[tuple[Slot, Vote]] = []
        slot, flaw = from_slot, "is missing"
        for row in await self.rows(from_slot, to_slot, bytes_max):
            record = decode_vote(self._seal, row)
            if row[0] != slot or record is None:
                flaw = "fails its checksum" if row[0] == slot else flaw
                break
            votes.append((slot, record.vote))
            slot += 1
        if not votes:
            raise VoteDamaged(f"{self._path}: the chosen value in slot {slot} {flaw}", slot)
        return votes

    def corrupt(self, what: str) -> JournalCorrupt:
        """Return the error that says `what` about this journal."""
        return JournalCorrupt(f"{self._path} is damaged: {what}. {_REPLACE}")

    async def rows(self, from_slot: Slot, to_slot: Slot, bytes_max: int, rows_max: int = ROWS_MAX) -> Sequence[Row]:
        """Return the first rows of a range whose values fit in `bytes_max`, one at least, if there is any.

        The sizes are asked for first: they cost no reading of the values.
        """
        last, size = None, 0
        for slot, value_bytes in await self._connection.query(_SIZES, (from_slot, to_slot, rows_max)):
            size += value_bytes or 0
            if last is not None and size > bytes_max:
                break
            last = slot
        return [] if last is None else await self._connection.query(_ROWS, (from_slot, last))
