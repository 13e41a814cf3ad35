"""The one task that writes: what it reports is durable, and nothing follows a failure (P1, P6, P8, P9, P33)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from paxoskv.storage import writer as writer_module
from paxoskv.storage.errors import JournalFailed
from paxoskv.storage.journal import Journal
from paxoskv.storage.records import PeerRecord
from paxoskv.storage.writer import JournalWriter
from tests.storage.kit import Disk, Reports, opened, sqlite_error, vote
from tests.support import eventually

FULL = (sqlite3.SQLITE_FULL, "SQLITE_FULL")
IO_ERROR = (sqlite3.SQLITE_IOERR, "SQLITE_IOERR")


class Gate:
    """Holds statements that write while it is shut."""

    def __init__(self, disk: Disk) -> None:
        self.opened = asyncio.Event()
        self.reached = asyncio.Event()
        disk.before = self._pass

    async def _pass(self, sql: str) -> None:
        if sql.startswith("INSERT") and not self.opened.is_set():
            self.reached.set()
            await self.opened.wait()


@asynccontextmanager
async def writing(journal: Journal, reports: Reports) -> AsyncIterator[JournalWriter]:
    """A writer at work; closed at the end, unless the test did that."""
    writer = reports.writer(journal)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        await writer.close()
        await task


async def slots_in(directory: Path) -> set[int]:
    """The slots of which a restart finds a vote."""
    async with opened(directory) as journal:
        found = journal.recovered
        return set(range(1, found.commit_slot + 1)) | set(found.open_votes)


async def test_a_ticket_comes_back_when_its_records_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1: what waits for a ticket speaks of records; while the disk has not answered, nobody may."""
    reports = Reports()
    async with opened(tmp_path) as journal, writing(journal, reports) as writer:
        gate = Gate(Disk(monkeypatch))
        writer.submit(1, [vote(1)])
        await gate.reached.wait()
        assert reports.tickets == []
        assert writer.backlog_records == 1
        gate.opened.set()
        await eventually(lambda: reports.tickets)
        assert reports.tickets == [1]
        assert (writer.backlog_records, writer.backlog_bytes) == (0, 0)
    assert await slots_in(tmp_path) == {1}


async def test_what_arrives_during_a_commit_is_the_next_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Group commit: one report for all of them, under the last ticket."""
    reports = Reports()
    async with opened(tmp_path) as journal, writing(journal, reports) as writer:
        writer.submit(1, [vote(1)])
        await eventually(lambda: reports.tickets == [1])
        disk = Disk(monkeypatch)
        gate = Gate(disk)
        writer.submit(2, [vote(2)])
        await gate.reached.wait()
        for ticket in (3, 4, 5):
            writer.submit(ticket, [vote(ticket)])
        gate.opened.set()
        await eventually(lambda: reports.tickets[-1:] == [5])
        assert reports.tickets == [1, 2, 5]
        assert len(disk.inserts) == 2
    assert await slots_in(tmp_path) == {1, 2, 3, 4, 5}


async def test_what_was_submitted_is_written_before_the_end(tmp_path: Path) -> None:
    """P37."""
    reports = Reports()
    async with opened(tmp_path) as journal, writing(journal, reports) as writer:
        for ticket in range(1, 9):
            writer.submit(ticket, [vote(ticket)])
    assert reports.tickets[-1] == 8
    assert await slots_in(tmp_path) == set(range(1, 9))


async def test_nothing_is_taken_after_the_end(tmp_path: Path) -> None:
    reports = Reports()
    async with opened(tmp_path) as journal, writing(journal, reports) as writer:
        await writer.close()
        writer.submit(1, [vote(1)])
        assert writer.backlog_records == 0
    assert reports.tickets == []


async def test_a_full_disk_is_waited_out_and_never_reported_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9: the records are tried again, and their ticket comes back once, when there is room."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.001)
    reports = Reports()
    async with opened(tmp_path) as journal, writing(journal, reports) as writer:
        disk = Disk(monkeypatch)
        disk.errors = [sqlite_error(*FULL) for _ in range(20_000)]
        writer.submit(1, [vote(1)])
        await eventually(lambda: len(disk.inserts) > 3)
        assert reports.tickets == []
        assert "disk full" in str(writer.stalled)
        disk.errors.clear()
        await eventually(lambda: reports.tickets)
        assert reports.tickets == [1]
        assert not writer.stalled
    assert reports.failures == []
    assert await slots_in(tmp_path) == {1}


async def test_a_full_disk_does_not_hold_up_the_end_and_is_not_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9, P37."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.001)
    reports = Reports()
    async with opened(tmp_path) as journal, writing(journal, reports) as writer:
        disk = Disk(monkeypatch)
        disk.errors = [sqlite_error(*FULL) for _ in range(20_000)]
        writer.submit(1, [vote(1)])
        await eventually(lambda: writer.stalled)
    assert reports.tickets == []


async def test_after_an_io_error_nothing_is_written_or_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: SQLite would go on, and a commit that was called failed may be there later. The first error is the last."""
    reports = Reports()
    async with opened(tmp_path) as journal, writing(journal, reports) as writer:
        disk = Disk(monkeypatch)
        disk.errors = [sqlite_error(*IO_ERROR)]
        writer.submit(1, [vote(1)])
        await eventually(lambda: reports.failures)
        inserts = len(disk.inserts)
        writer.submit(2, [vote(2)])
        await writer.close()
        assert len(disk.inserts) == inserts, "something was written after the failure"
    assert reports.tickets == []
    [failure] = reports.failures
    assert isinstance(failure, JournalFailed)
    assert "SQLITE_IOERR" in str(failure)


async def test_a_failed_journal_refuses_every_later_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P6: whoever asks, and although the disk would answer again."""
    async with opened(tmp_path) as journal:
        disk = Disk(monkeypatch)
        disk.errors = [sqlite_error(*IO_ERROR)]
        with pytest.raises(JournalFailed):
            await journal.write([vote(1)])
        asked = len(disk.statements)
        for again in (journal.write([vote(2)]), journal.checkpoint(), journal.save_peers({2: PeerRecord("life", 1)})):
            with pytest.raises(JournalFailed):
                await again
        assert len(disk.statements) == asked
    assert await slots_in(tmp_path) == set()


async def test_a_long_log_is_moved_when_nobody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P8: not inside a commit, where it would hold up votes."""
    monkeypatch.setattr(writer_module, "IDLE_CHECKPOINT_BYTES", 1)
    monkeypatch.setattr(writer_module, "IDLE_S", 0.001)
    reports = Reports()
    async with opened(tmp_path) as journal, writing(journal, reports) as writer:
        writer.submit(1, [vote(1)])
        await eventually(lambda: reports.tickets and journal.unsettled_bytes == 0)


async def test_tickets_ascend(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        writer = Reports().writer(journal)
        writer.submit(2, [vote(1)])
        with pytest.raises(AssertionError, match="ticket 2 after 2"):
            writer.submit(2, [vote(2)])
        await writer.close()
