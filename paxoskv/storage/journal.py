"""The journal: one node's promise, votes and identity, as the node sees them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from paxoskv.paxos.ballot import Ballot, Slot, Vote
from paxoskv.paxos.effects import SavePromise, SaveVote, Write
from paxoskv.storage.ballast import Ballast
from paxoskv.storage.birth import bear
from paxoskv.storage.connection import Connection, translated_os
from paxoskv.storage.directory import make_directory
from paxoskv.storage.errors import DiskFull, JournalCorrupt, JournalFailed, VoteDamaged
from paxoskv.storage.identity import Identity, check_identity, decode_identity, encode_identity
from paxoskv.storage.inspection import Inspection, Inspector
from paxoskv.storage.pagecache import PageCache
from paxoskv.storage.precheck import (
    JOURNAL_NAME,
    PAGE_BYTES,
    WAL_NAME,
    check_files,
    is_born,
    mark_open,
    unmark_open,
)
from paxoskv.storage.rebuild import mark_failed, rebuild_after_failure
from paxoskv.storage.records import (
    VOTE_COLUMNS,
    CompactionRecord,
    PeerRecord,
    PromiseRecord,
    Row,
    Seal,
    VoteRecord,
    encode_compaction,
    encode_peer,
    encode_promise,
    encode_vote,
)
from paxoskv.storage.recovery import CHUNK_BYTES_MAX, Reader
from paxoskv.storage.scan import Recovered
from paxoskv.storage.schema import DROP_PEER, PEER_COLUMNS, SAVE_META, TABLES

STATEMENT_ROWS_MAX = 1024
"""Votes of one transaction: 8,192 variables, far below SQLite's limit of 32,766."""
STATEMENT_BYTES_MAX = 8 << 20

MARK_TIMEOUT_S = 1.0

_FRAMES_PER_STATEMENT = 3
_FRAME_BYTES = PAGE_BYTES + 24

log = logging.getLogger(__name__)


class Journal:
    """What one node must never forget. Made by `create` or `open`, ended by `close`.

    identity:          whose journal it is.
    recovered:         what it held when it was opened.
    seq:               the durable sequence number, +1 per transaction of promises or votes (P4).
    commit_slot:       the durable one: up to it every vote in the journal is the chosen one. After a start that found
                       a chosen vote damaged it begins below that one, at `recovered.commit_slot`.
    ballast:           the reserve for a full disk (P9); whoever writes gives it up and takes it back.
    unsettled_bytes:   about how much of the write-ahead log is not in the database yet; `checkpoint` moves it.
    """

    def __init__(
        self,
        directory: Path,
        identity: Identity,
        connection: Connection,
        recovered: Recovered,
        peers: dict[int, PeerRecord],
    ) -> None:
        self.identity = identity
        self.recovered = recovered
        self.seq = recovered.seq
        self.commit_slot = recovered.commit_slot
        self.unsettled_bytes = 0
        self.ballast = Ballast(directory, 0)
        self._directory = directory
        self._path = directory / JOURNAL_NAME
        self._connection = connection
        self._seal = Seal(identity.cluster)
        self._reader = Reader(connection, self._seal, self._path)
        self._promised = recovered.promised
        self._peers = peers
        self._loading = asyncio.Lock()
        self._peering = asyncio.Lock()
        self._inspector = Inspector(connection, self._seal, self._reader)
        self._cache: PageCache | None = None
        self._has_begun = True

    # Beginning and end

    @classmethod
    async def create(cls, directory: Path, cluster: str, node: int, ballast_bytes: int = 0) -> Journal:
        """Make the journal of a node that never ran, then open it; one that is there already is only opened.

        Raises: StorageError, as `open`, but not NotBootstrapped; DiskFull, if there is no room for it.
        """
        make_directory(directory)
        if not is_born(directory):
            await asyncio.to_thread(bear, directory, Identity.new(cluster, node))
        return await cls.open(directory, cluster, node, ballast_bytes)

    @classmethod
    async def open(cls, directory: Path, cluster: str, node: int, ballast_bytes: int = 0) -> Journal:
        """Open and verify the journal in `directory`; whoever calls holds its DirectoryLock.

        ballast_bytes: kept in reserve for a full disk; what there is not room for now may be acquired later.

        Raises: NotBootstrapped, WrongIdentity, UnknownFormat, JournalCorrupt, JournalFailed, DirectoryInUse,
        DirectoryUnusable; each with its remedy in the message.
        """
        await asyncio.to_thread(check_files, directory)
        if await asyncio.to_thread(rebuild_after_failure, directory / JOURNAL_NAME):
            log.warning("the disk failed under the last process: the journal was copied into a new file")
            await asyncio.to_thread(check_files, directory)
        cache = PageCache(directory / JOURNAL_NAME)
        try:
            connection = await Connection.open(directory / JOURNAL_NAME)
            try:
                await connection.check_structure(TABLES)
                self = await cls.attach(directory, connection, cluster, node)
                connection.on_failed = self._note_failure
                self.ballast = Ballast(directory, ballast_bytes)
                await self._begin()
            except BaseException:
                await connection.close()
                raise
        except BaseException:
            cache.close()
            raise
        self._cache = cache
        return self

    @classmethod
    async def attach(cls, directory: Path, connection: Connection, cluster: str, node: int) -> Journal:
        """Verify every row behind `connection`, and return the journal; it writes nothing yet.

        What `open` does once the files themselves have passed. `directory` is for messages. Raises: as `open`.
        """
        path = directory / JOURNAL_NAME
        reader = Reader(connection, Seal(cluster), path)
        identity = decode_identity(await reader.meta("identity"), str(path))
        check_identity(identity, cluster, node, str(path))
        return cls(directory, identity, connection, await reader.recover(), await reader.peers())

    async def close(self) -> None:
        """Close the file. Whatever was not written by then never will be; a second call does nothing."""
        try:
            await self.unmark()
        finally:
            await self._connection.close()
            if self._cache is not None:
                self._cache.close()

    async def unmark(self) -> None:
        """Announce the end: from now on SQLite may remove the write-ahead log."""
        if self._connection.is_open:
            with translated_os(self._path):
                await asyncio.to_thread(unmark_open, self._directory)

    def abandon(self) -> None:
        """Give the file up without waiting for a disk that may hang; the thread ends when the disk lets it."""
        self._connection.abandon()

    # Writing

    async def write(self, writes: Sequence[Write]) -> None:
        """Make `writes` durable in their order; a vote replaces an older one of its slot.

        The promise goes first, and covers the ballots of the votes: a vote that is damaged later then takes no
        promise with it. Votes follow in one transaction, or in several, in order, if they are too many for one.
        Raises: DiskFull, and the same `writes` may be tried again; any other StorageError, and nothing more may be.
        """
        votes = [write for write in writes if isinstance(write, SaveVote)]
        ballots = [write.ballot if isinstance(write, SavePromise) else write.vote.ballot for write in writes]
        highest = max(ballots, default=self._promised)
        if highest > self._promised:
            await self._save_promise(highest, self.seq + 1)
        for chunk in _chunks(votes):
            await self._save_votes(chunk)

    async def prove(self) -> None:
        """Write something that changes nothing: does the disk take it? Raises: StorageError, as `write`.

        The sequence number stays: were it to grow with every start, enough starts would hide a rollback (P4).
        """
        await self._save_promise(self._promised, self.seq)
        await self.checkpoint()

    async def begin(self) -> None:
        """Prove that the disk takes writes, then mark the journal as in use; once. Raises: StorageError, as `write`.

        In this order: from the mark on, the write-ahead log is missed if it is not there.
        """
        if not self._has_begun:
            await self.prove()
            with translated_os(self._path):
                await asyncio.to_thread(mark_open, self._directory)
            self._has_begun = True

    async def save_peers(self, peers: Mapping[int, PeerRecord]) -> None:
        """Remember what is known of some peers; durable when this returns. Raises: StorageError, as `write`."""
        for node, peer in peers.items():
            known = self._peers.get(node, peer)
            assert known.incarnation == peer.incarnation, f"node {node} is known as {known.incarnation}, not {peer}"
            assert known.seq <= peer.seq, f"node {node} had announced {known.seq}, not {peer.seq}"
        async with self._peering:
            await self._write_peers(peers)
            self._peers.update(peers)

    async def checkpoint(self) -> None:
        """Move the write-ahead log into the database, so that it is used from its beginning again (P8).

        The file keeps its size: writing over it costs half of what growing it does. Raises: StorageError, as `write`.
        """
        busy, frames, moved = (await self._connection.query("PRAGMA wal_checkpoint(PASSIVE)"))[0]
        if busy or frames != moved:
            raise JournalFailed(f"{self._path}: checkpoint moved {moved} of {frames} frames: another program reads it")
        self.unsettled_bytes = 0

    # Reading

    @property
    def peers(self) -> dict[int, PeerRecord]:
        """What is durably known of every peer met so far (P3, P4); a copy."""
        return dict(self._peers)

    async def replay(self, from_slot: Slot, to_slot: Slot) -> AsyncIterator[list[tuple[Slot, Vote]]]:
        """Yield the chosen votes of from..to in order, verified, in pieces of about 1 MiB.

        Raises: JournalCorrupt if a slot was compacted, so that nothing is skipped in silence; JournalFailed, if a row
        cannot be read that could be a moment ago.
        """
        compacted = self.recovered.compacted_slot
        if from_slot <= compacted:
            raise JournalCorrupt(
                f"{self._path} begins at slot {compacted + 1}, the state it has to continue ends at {from_slot - 1}. "
                "Replace this node by a new one"
            )
        assert to_slot <= self.commit_slot, f"slot {to_slot} is above the durable commit slot {self.commit_slot}"
        while from_slot <= to_slot:
            try:
                votes = await self._reader.chosen(from_slot, to_slot, CHUNK_BYTES_MAX)
            except VoteDamaged as error:
                raise JournalFailed(f"{error}, which it did not when the journal was opened: check the disk") from error
            yield votes
            from_slot = votes[-1][0] + 1

    async def load(self, from_slot: Slot, to_slot: Slot, bytes_max: int) -> list[tuple[Slot, Vote]]:
        """Return chosen votes from `from_slot` on, contiguous and verified: what fits in `bytes_max`, one at least.

        Empty if the slots are above the durable commit slot: there the journal may still hold a vote that was not
        chosen. One load at a time, so that the writer never waits for more than one.
        Raises: VoteDamaged, if the first row is; StorageError.
        """
        assert from_slot > self.recovered.compacted_slot, f"slot {from_slot} was compacted"
        to_slot = min(to_slot, max(self.commit_slot, self.recovered.known_slot))
        if from_slot > to_slot:
            return []
        async with self._loading:
            return await self._reader.chosen(from_slot, to_slot, bytes_max)

    # Looking again

    async def forget_cached(self) -> None:
        """Have SQLite and the kernel forget their copies: an inspection is to read the disk. Raises: StorageError."""
        await self._connection.query("PRAGMA shrink_memory")
        if self._cache is not None:
            with translated_os(self._path):
                await asyncio.to_thread(self._cache.drop)

    async def inspect(self, from_slot: Slot) -> Inspection:
        """Verify a few more votes from `from_slot` on; begin with 1. Raises: StorageError."""
        return await self._inspector.votes(max(from_slot, self.recovered.compacted_slot + 1), self.commit_slot)

    async def mend_facts(self) -> int:
        """Verify identity, promise, compaction and peers; write what is damaged anew from memory, and count it.

        Memory was verified at the start, and is what this node has said since. Raises: StorageError.
        """
        mended = await self._inspector.mend_meta(self._facts)
        async with self._peering:
            damaged = await self._inspector.damaged_peers()
            if damaged and self._peers:
                await self._write_peers(self._peers)
            for node, checksum in damaged:
                if node not in self._peers:
                    await self._connection.query(DROP_PEER, (node, checksum))
        return mended + len(damaged)

    def file_bytes(self) -> int:
        """Return the size of the database, without the write-ahead log. Raises: OSError."""
        return self._path.stat().st_size

    def wal_bytes(self) -> int:
        """Return the size of the write-ahead log; it is reused, so it stands at its highest. Raises: OSError."""
        wal = self._directory / WAL_NAME
        return wal.stat().st_size if wal.exists() else 0

    # Inside

    async def _begin(self) -> None:
        """Begin to write. A full disk may wait: see the writer."""
        self._has_begun = False
        try:
            await self.ballast.acquire()
        except DiskFull as error:
            log.warning("starting without a reserve on the disk", extra={"reason": str(error)})
        try:
            await self.begin()
        except DiskFull as error:
            log.warning("starting on a full disk", extra={"reason": str(error)})
            if await self.ballast.release():
                with suppress(DiskFull):
                    await self.begin()

    async def _note_failure(self) -> None:
        """Leave a mark for the next start, if the disk still takes one."""
        try:
            async with asyncio.timeout(MARK_TIMEOUT_S):
                await asyncio.to_thread(mark_failed, self._directory)
        except (OSError, TimeoutError) as error:
            log.error("the failure of the disk could not be noted on it", extra={"reason": str(error)})

    def _facts(self) -> dict[str, Row]:
        """The rows of `meta` as they ought to be."""
        return {
            "identity": encode_identity(self.identity),
            "promise": encode_promise(self._seal, PromiseRecord(self._promised, self.seq)),
            "compaction": encode_compaction(self._seal, CompactionRecord(self.recovered.compacted_slot, self.seq)),
        }

    async def _write_peers(self, peers: Mapping[int, PeerRecord]) -> None:
        columns = [column for node, peer in peers.items() for column in encode_peer(self._seal, node, peer)]
        await self._connection.query(_insert("peers", PEER_COLUMNS, len(peers)), columns)

    async def _save_promise(self, ballot: Ballot, seq: int) -> None:
        await self._connection.query(SAVE_META, ("promise", *encode_promise(self._seal, PromiseRecord(ballot, seq))))
        self._promised = ballot
        self._settle_later(seq, 0)

    async def _save_votes(self, votes: Sequence[SaveVote]) -> None:
        """One statement, one transaction, one hop; the last vote of a slot wins."""
        seq = self.seq + 1
        latest = {save.slot: save for save in votes}
        columns = [
            column
            for slot, save in latest.items()
            for column in encode_vote(self._seal, VoteRecord(slot, save.vote, save.commit_slot, seq))
        ]
        await self._connection.query(_insert("votes", VOTE_COLUMNS, len(latest)), columns)
        self.commit_slot = max(self.commit_slot, max(save.commit_slot for save in votes))
        self._settle_later(seq, sum(len(save.vote.value) for save in votes))

    def _settle_later(self, seq: int, value_bytes: int) -> None:
        self.seq = seq
        self.unsettled_bytes += (_FRAMES_PER_STATEMENT + value_bytes // PAGE_BYTES) * _FRAME_BYTES


def _chunks(votes: Sequence[SaveVote]) -> Iterator[Sequence[SaveVote]]:
    """Cut votes, in their order, into what one transaction may hold.

    Cut first, and drop replaced votes only within a piece: a vote's commit_slot speaks of the votes before it.
    """
    begin, size = 0, 0
    for end, save in enumerate(votes):
        size += len(save.vote.value)
        if end > begin and (end - begin == STATEMENT_ROWS_MAX or size > STATEMENT_BYTES_MAX):
            yield votes[begin:end]
            begin, size = end, len(save.vote.value)
    if votes:
        yield votes[begin:]


@lru_cache(maxsize=64)
def _insert(table: str, columns: str, rows: int) -> str:
    """The statement for a number of rows; the same string again finds SQLite's prepared one."""
    placeholders = f"({', '.join('?' for _ in columns.split(','))})"
    return f"INSERT OR REPLACE INTO {table}({columns}) VALUES {', '.join([placeholders] * rows)}"
