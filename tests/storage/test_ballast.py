"""A reserve for the day the disk is full: promises are recorded, and space is noticed when it is back (P9, R11)."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from io import FileIO
from pathlib import Path

import pytest

from paxoskv.paxos.ballot import Ballot
from paxoskv.paxos.effects import SavePromise
from paxoskv.storage import writer as writer_module
from paxoskv.storage.ballast import BALLAST_NAME, Ballast
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.journal import Journal
from paxoskv.storage.writer import JournalWriter
from tests.storage.kit import B1, CLUSTER, NODE, Disk, Reports, opened, sqlite_error, vote
from tests.support import eventually

DISK_BYTES = 4 << 20
BALLAST_BYTES = 1 << 20
FULL = (13, "SQLITE_FULL")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of `DISK_BYTES`. Skips where mounting one is not permitted."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("not run: there is no mount command, so no disk that could be full")
    if done.returncode != 0:
        pytest.skip(f"not run: mounting a small disk needs root: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(writer_module, "RETRY_S", 0.001)
    monkeypatch.setattr(writer_module, "REFILL_S", 0.001)


@asynccontextmanager
async def writing(directory: Path, reports: Reports) -> AsyncIterator[JournalWriter]:
    """A writer at work, with a reserve."""
    journal = await Journal.create(directory, CLUSTER, NODE, BALLAST_BYTES)
    writer = reports.writer(journal)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        await writer.close()
        await task


def fill(directory: Path) -> None:
    """Leave no free byte."""
    with (directory / "hog").open("wb", buffering=0) as stream:
        for size in (1 << 16, 1 << 12, 1):
            while _took(stream, size):
                continue


def _took(stream: FileIO, size_bytes: int) -> bool:
    """Whether there was room for at least a part of so many bytes."""
    try:
        stream.write(b"x" * size_bytes)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


async def test_a_reserve_takes_its_space_once_and_gives_it_up(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path, BALLAST_BYTES)
    missing = [ballast.is_missing]
    await ballast.acquire()
    missing.append(ballast.is_missing)
    assert missing == [True, False]
    file = tmp_path / BALLAST_NAME
    assert file.stat().st_blocks * 512 >= BALLAST_BYTES
    assert file.stat().st_mode & 0o777 == 0o600
    born = file.stat().st_mtime_ns
    again = Ballast(tmp_path, BALLAST_BYTES)
    await again.acquire()
    assert file.stat().st_mtime_ns == born, "it was there already"
    assert await again.release()
    assert not await again.release()
    assert not file.exists()


async def test_no_reserve_is_no_reserve(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path, 0)
    await ballast.acquire()
    assert not ballast.is_missing
    assert not await ballast.release()
    assert os.listdir(tmp_path) == []


async def test_a_reserve_that_is_too_small_is_made_anew(tmp_path: Path) -> None:
    """Cut short, or only a hole."""
    with (tmp_path / BALLAST_NAME).open("wb") as stream:
        stream.truncate(BALLAST_BYTES)
    await Ballast(tmp_path, BALLAST_BYTES).acquire()
    assert (tmp_path / BALLAST_NAME).stat().st_blocks * 512 >= BALLAST_BYTES


async def test_a_reserve_that_does_not_fit_leaves_nothing_behind(small_disk: Path) -> None:
    ballast = Ballast(small_disk, 2 * DISK_BYTES)
    with pytest.raises(DiskFull, match=r"journal\.ballast cannot grow: disk full, free space in"):
        await ballast.acquire()
    assert ballast.is_missing
    assert os.listdir(small_disk) == []


@pytest.mark.usefixtures("quick")
async def test_promises_are_recorded_on_a_full_disk(small_disk: Path) -> None:
    """What was queued too; then the reserve is taken back as soon as there is space."""
    reports = Reports()
    async with writing(small_disk, reports) as writer:
        fill(small_disk)
        for ticket in range(1, 9):
            writer.submit(ticket, [vote(ticket, bytes(50_000))])
        await eventually(lambda: reports.tickets[-1:] == [8])
        assert "disk full, free space in" in str(writer.stalled)
        assert "disk full, free space in" in str(reports.full[0])
        assert not (small_disk / BALLAST_NAME).exists()
        for round_ in range(2, 40):
            writer.submit(7 + round_, [SavePromise(Ballot(round_, 2))])
            await eventually(partial(is_written, reports, 7 + round_))
        assert writer.stalled
        assert None not in reports.full
        (small_disk / "hog").unlink()
        await eventually(lambda: writer.stalled is None)
        assert reports.full[-1] is None
        assert (small_disk / BALLAST_NAME).exists()
    assert reports.failures == []
    async with opened(small_disk) as journal:
        assert journal.recovered.promised == Ballot(39, 2)
        assert journal.recovered.highest_slot == 8


@pytest.mark.usefixtures("quick")
async def test_a_start_on_a_full_disk_uses_the_reserve_and_says_so(small_disk: Path) -> None:
    async with writing(small_disk, Reports()):
        pass
    fill(small_disk)
    reports = Reports()
    async with writing(small_disk, reports) as writer:
        await eventually(lambda: writer.stalled)
        writer.submit(1, [SavePromise(B1)])
        await eventually(lambda: reports.tickets == [1])
        assert (small_disk / "journal.open").exists(), "from the first write on, the log is missed if it is gone"
        (small_disk / "hog").unlink()
        await eventually(lambda: reports.full[-1:] == [None])
    async with opened(small_disk) as journal:
        assert journal.recovered.promised == B1


@pytest.mark.usefixtures("quick")
async def test_without_a_reserve_the_first_write_that_succeeds_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = Reports()
    async with opened(tmp_path) as journal:
        writer = reports.writer(journal)
        task = asyncio.create_task(writer.run())
        disk = Disk(monkeypatch)
        disk.errors = [sqlite_error(*FULL) for _ in range(3)]
        writer.submit(1, [vote(1)])
        await eventually(lambda: reports.tickets == [1])
        assert len(reports.full) == 4
        assert reports.full[-1] is None
        await writer.close()
        await task


@pytest.mark.usefixtures("quick")
async def test_space_is_noticed_although_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that refuses votes has nothing to write: it looks by itself."""
    reports = Reports()
    async with writing(tmp_path, reports) as writer:
        disk = Disk(monkeypatch)
        allocate = Ballast._allocate
        monkeypatch.setattr(Ballast, "_allocate", lambda self: _full())
        disk.errors = [sqlite_error(*FULL)]
        writer.submit(1, [vote(1)])
        await eventually(lambda: reports.tickets == [1])
        assert writer.stalled
        monkeypatch.setattr(Ballast, "_allocate", allocate)
        await eventually(lambda: writer.stalled is None)


def is_written(reports: Reports, ticket: int) -> bool:
    """Whether everything up to `ticket` was reported as durable."""
    return reports.tickets[-1:] == [ticket]


def _full() -> None:
    raise DiskFull("journal.ballast cannot grow: disk full")
