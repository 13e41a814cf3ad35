"""After the disk has failed, the next start copies the journal into a new file, or refuses (P6)."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paxoskv.paxos.effects import SavePromise
from paxoskv.storage.directory import sync
from paxoskv.storage.errors import DiskFull, JournalCorrupt, JournalFailed
from paxoskv.storage.journal import Journal
from paxoskv.storage.precheck import unmark_open
from paxoskv.storage.rebuild import mark_failed, rebuild_after_failure
from paxoskv.storage.records import PeerRecord
from paxoskv.storage.scan import Recovered
from tests.storage.kit import B2, CLUSTER, NODE, Disk, Reports, opened, sqlite_error, tamper, vote, written

IO_ERROR = (sqlite3.SQLITE_IOERR, "SQLITE_IOERR")


@pytest.fixture
async def failed(tmp_path: Path) -> Path:
    """A directory as a process leaves it whose disk has failed: votes in the log alone, and the mark."""
    async with opened(tmp_path / "live") as journal:
        await journal.write([SavePromise(B2), *(vote(slot, b"v%d" % slot * 50, B2) for slot in range(1, 40))])
        await journal.save_peers({2: PeerRecord("aa", 7)})
        shutil.copytree(tmp_path / "live", tmp_path / "failed")
    mark_failed(tmp_path / "failed")
    return tmp_path / "failed"


async def contents(directory: Path) -> tuple[Recovered, dict[int, PeerRecord]]:
    async with opened(directory) as journal:
        return journal.recovered, journal.peers


async def test_the_failure_of_a_write_leaves_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = Reports()
    async with opened(tmp_path) as journal:
        writer = reports.writer(journal)
        disk = Disk(monkeypatch)
        disk.errors = [sqlite_error(*IO_ERROR)]
        writer.submit(1, [vote(1)])
        await writer.run()
        assert (tmp_path / "journal.failed").exists()
        await writer.close()
    assert isinstance(reports.failures[0], JournalFailed)
    assert reports.tickets == []


async def test_a_full_disk_and_a_damaged_row_are_no_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([vote(1), vote(2)])
        disk = Disk(monkeypatch)
        disk.errors = [sqlite_error(sqlite3.SQLITE_FULL, "SQLITE_FULL")]
        with pytest.raises(DiskFull):
            await journal.write([vote(3)])
    assert os.listdir(tmp_path) == ["journal.db"]


async def test_a_disk_that_does_not_take_the_mark_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(directory: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("paxoskv.storage.journal.mark_failed", broken)
    async with opened(tmp_path) as journal:
        disk = Disk(monkeypatch)
        disk.errors = [sqlite_error(*IO_ERROR)]
        with pytest.raises(JournalFailed, match="injected SQLITE_IOERR"):
            await journal.write([vote(1)])


async def test_the_next_start_uses_a_new_file_with_the_same_in_it(failed: Path, tmp_path: Path) -> None:
    before = (failed / "journal.db").stat().st_ino
    expected = await contents(tmp_path / "live")
    async with opened(failed) as journal:
        assert (journal.recovered, journal.peers) == expected
        assert sorted(os.listdir(failed)) == ["journal.db", "journal.db-wal", "journal.open"]
        assert (failed / "journal.db").stat().st_ino != before
        assert (failed / "journal.db").stat().st_mode & 0o777 == 0o600
        await journal.write([vote(40, ballot=B2)])
    async with opened(failed) as journal:
        assert journal.recovered.highest_slot == 40


async def test_a_start_without_a_mark_copies_nothing(tmp_path: Path) -> None:
    await written(tmp_path, vote(1))
    before = (tmp_path / "journal.db").stat().st_ino
    async with opened(tmp_path):
        assert (tmp_path / "journal.db").stat().st_ino == before


async def test_damaged_votes_are_copied_as_they_are(failed: Path) -> None:
    """They stay faulty, and are repaired from the peers."""
    async with opened(failed):
        pass
    tamper(failed, "UPDATE votes SET value = x'00' WHERE slot = 5")
    mark_failed(failed)
    async with opened(failed) as journal:
        assert journal.recovered.faulty == (5,)


async def test_a_file_that_cannot_be_read_whole_is_refused(failed: Path) -> None:
    async with opened(failed):
        pass
    mark_failed(failed)
    path = failed / "journal.db"
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size - 4096)
        stream.write(os.urandom(4096))
    for _ in range(2):
        with pytest.raises(JournalCorrupt):
            await Journal.open(failed, CLUSTER, NODE)
        assert (failed / "journal.failed").exists()


class _PowerLost(Exception):
    pass


STEPS = 10


@pytest.mark.parametrize("steps", range(STEPS))
async def test_a_crash_at_every_step_of_the_copying_loses_nothing(
    failed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """The steps are the flushes, the renames and the removals; the next start begins where this one ended."""
    expected = await contents(tmp_path / "live")
    unmark_open(failed)
    left = steps

    def step() -> None:
        nonlocal left
        if left == 0:
            raise _PowerLost
        left -= 1

    with monkeypatch.context() as patch:
        for name in ("rename", "unlink"):
            patch.setattr(Path, name, stepping(getattr(Path, name), step))
        patch.setattr("paxoskv.storage.rebuild.sync", stepping(sync, step))
        with pytest.raises(_PowerLost):
            await asyncio.to_thread(rebuild_after_failure, failed / "journal.db")
    assert await contents(failed) == expected
    assert os.listdir(failed) == ["journal.db"]


async def test_the_steps_are_all_of_them(failed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the test above tries every one."""
    unmark_open(failed)
    taken: list[None] = []
    with monkeypatch.context() as patch:
        for name in ("rename", "unlink"):
            patch.setattr(Path, name, stepping(getattr(Path, name), lambda: taken.append(None)))
        patch.setattr("paxoskv.storage.rebuild.sync", stepping(sync, lambda: taken.append(None)))
        await asyncio.to_thread(rebuild_after_failure, failed / "journal.db")
    assert len(taken) == STEPS


def stepping(original: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    """A function that takes a step before it does its work."""

    def call(*arguments: Any, **options: Any) -> Any:
        step()
        return original(*arguments, **options)

    return call


async def test_a_copy_under_way_is_worth_nothing(failed: Path, tmp_path: Path) -> None:
    (failed / "journal.rebuild").write_bytes(b"half a copy")
    (failed / "journal.rebuild-journal").write_bytes(b"and its journal")
    assert await contents(failed) == await contents(tmp_path / "live")


async def test_no_room_for_a_copy_is_told(failed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("paxoskv.storage.rebuild.sync", full)
        with pytest.raises(DiskFull, match="disk full, free space in"):
            await Journal.open(failed, CLUSTER, NODE)
    async with opened(failed) as journal:
        assert journal.recovered.highest_slot == 39
