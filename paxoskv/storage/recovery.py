"""Reading the journal back: at start all of it, later in pieces; every row is verified, none is taken on trust (P5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paxoskv.paxos.ballot import Ballot, Slot, Vote
from paxoskv.storage.connection import Connection
from paxoskv.storage.errors import JournalCorrupt
from paxoskv.storage.records import (
    VOTE_COLUMNS,
    CompactionRecord,
    PromiseRecord,
    Row,
    Seal,
    VoteRecord,
    damaged_slot,
    decode_compaction,
    decode_peer,
    decode_promise,
    decode_vote,
)

CHUNK_BYTES_MAX = 1 << 20
_ROWS_MAX = 256
_SLOT_MIN, _SLOT_MAX = -(1 << 63), (1 << 63) - 1

_SIZES = f"SELECT slot, length(value) FROM votes WHERE slot BETWEEN ? AND ? ORDER BY slot LIMIT {_ROWS_MAX}"
_ROWS = f"SELECT {VOTE_COLUMNS} FROM votes WHERE slot BETWEEN ? AND ? ORDER BY slot"

_REPLACE = "This node must not vote: replace it by a new one"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the journal held when it was opened.

    promised:       the highest ballot promised, or voted in (P6).
    commit_slot:    the durable one: votes in compacted_slot + 1 .. commit_slot are all there, sound, and chosen.
    compacted_slot: slots up to it were removed on purpose.
    highest_slot:   the highest slot of which anything is known.
    seq:            the durable sequence number; never falls in the life of a directory (P4).
    open_votes:     the sound votes above commit_slot.
    faulty:         slots above commit_slot whose row is damaged: neither a vote nor "no vote" (P5).
    """

    promised: Ballot
    commit_slot: Slot
    compacted_slot: Slot
    highest_slot: Slot
    seq: int
    open_votes: dict[Slot, Vote]
    faulty: tuple[Slot, ...]


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

    async def peers(self) -> dict[int, str]:
        """Return the incarnations of the peers met so far. Raises: JournalCorrupt."""
        peers = {}
        for row in await self._connection.query("SELECT node, incarnation, checksum FROM peers"):
            peer = decode_peer(self._seal, row)
            if peer is None:
                raise self.corrupt(f"the row of peer {row[0]} fails its checksum")
            peers[peer[0]] = peer[1]
        return peers

    async def recover(self) -> Recovered:
        """Verify every row, holding no more in memory than one chunk and the open votes. Raises: JournalCorrupt."""
        promise = decode_promise(self._seal, await self.meta("promise"))
        compaction = decode_compaction(self._seal, await self.meta("compaction"))
        if promise is None or compaction is None:
            raise self.corrupt(f"the {'compaction' if promise else 'promise'} row fails its checksum")
        scan = _Scan(self, promise, compaction)
        at = _SLOT_MIN
        while rows := await self._rows(at, _SLOT_MAX, CHUNK_BYTES_MAX):
            for row in rows:
                scan.take(row, decode_vote(self._seal, row))
            at = rows[-1][0] + 1
        return scan.result()

    async def chosen(self, from_slot: Slot, to_slot: Slot, bytes_max: int) -> list[tuple[Slot, Vote]]:
        """Return the votes from `from_slot` on that fit in `bytes_max`, one at least; all up to to_slot are chosen.

        Raises: JournalCorrupt, naming the slot whose row is missing or damaged.
        """
        votes: list[tuple[Slot, Vote]] = []
        slot = from_slot
        for row in await self._rows(from_slot, to_slot, bytes_max):
            record = decode_vote(self._seal, row)
            if row[0] != slot:
                break
            if record is None:
                raise self.corrupt(f"the chosen value in slot {slot} fails its checksum")
            votes.append((slot, record.vote))
            slot += 1
        if not votes:
            raise self.corrupt(f"the chosen value in slot {slot} is missing")
        return votes

    def corrupt(self, what: str) -> JournalCorrupt:
        """Return the error that says `what` about this journal."""
        return JournalCorrupt(f"{self._path} is damaged: {what}. {_REPLACE}")

    async def _rows(self, from_slot: Slot, to_slot: Slot, bytes_max: int) -> Sequence[Row]:
        """Return the first rows of a range whose values fit in `bytes_max`, one at least, if there is any.

        The sizes are asked for first: they cost no reading of the values.
        """
        last, size = None, 0
        for slot, value_bytes in await self._connection.query(_SIZES, (from_slot, to_slot)):
            size += value_bytes or 0
            if last is not None and size > bytes_max:
                break
            last = slot
        return [] if last is None else await self._connection.query(_ROWS, (from_slot, last))


class _Scan:
    """Takes every row in the order of slots, and knows at the end what the journal holds.

    Votes at or below the commit slot known so far are dropped on the way.
    """

    def __init__(self, reader: Reader, promise: PromiseRecord, compaction: CompactionRecord) -> None:
        self._reader = reader
        self._promised = promise.ballot
        self._seq = max(promise.seq, compaction.seq)
        self._compacted = self._commit = self._highest = self._whole_to = compaction.slot
        self._open: dict[Slot, Vote] = {}
        self._faulty: list[Slot] = []

    def take(self, row: Row, record: VoteRecord | None) -> None:
        """Take one row; `record` is None if it is damaged. Raises: JournalCorrupt, if its slot cannot be told."""
        slot = record.slot if record else damaged_slot(row)
        if slot is None or slot <= 0:
            raise self._reader.corrupt(f"a vote near slot {row[0]} fails its checksum, and its slot cannot be told")
        if slot <= self._compacted:
            return
        self._highest = slot
        if slot == self._whole_to + 1:
            self._whole_to = slot
        if record is None:
            self._faulty.append(slot)
            return
        self._promised = max(self._promised, record.vote.ballot)
        self._seq = max(self._seq, record.seq)
        self._open[slot] = record.vote
        if record.commit_slot > self._commit:
            self._advance(record.commit_slot)

    def result(self) -> Recovered:
        """Return what was found. Raises: JournalCorrupt, if a chosen value is missing or damaged."""
        chosen_faulty = [slot for slot in self._faulty if slot <= self._commit]
        if chosen_faulty:
            raise self._reader.corrupt(f"the chosen value in slot {chosen_faulty[0]} fails its checksum")
        if self._whole_to < self._commit:
            raise self._reader.corrupt(f"the chosen value in slot {self._whole_to + 1} is missing")
        return Recovered(
            self._promised,
            self._commit,
            self._compacted,
            self._highest,
            self._seq,
            self._open,
            tuple(self._faulty),
        )

    def _advance(self, commit_slot: Slot) -> None:
        """Rows came in order, so the votes that are now chosen stand first."""
        self._commit = commit_slot
        while self._open and (first := next(iter(self._open))) <= commit_slot:
            del self._open[first]
