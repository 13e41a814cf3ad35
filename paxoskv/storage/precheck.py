"""What is looked at before SQLite may touch the files: opening a damaged journal can destroy the evidence."""

from __future__ import annotations

import os
from pathlib import Path

from paxoskv.storage.directory import FILE_MODE, sync, usable
from paxoskv.storage.errors import JournalCorrupt, JournalFailed, NotBootstrapped
from paxoskv.storage.quarantine import check_quarantine
from paxoskv.storage.wal import FRAME_HEADER_BYTES, HEADER_BYTES, check_wal

JOURNAL_NAME = "journal.db"
WAL_NAME = "journal.db-wal"
MARK_NAME = "journal.open"

PAGE_BYTES = 4096
"""Measured best for rows of 300 bytes to 8 KiB: a commit writes whole pages."""

_MAGIC = b"SQLite format 3\0"
_READ_BYTES = 1 << 20
_WAL_VERSIONS = b"\2\2"
_WAL_BYTES_MIN = HEADER_BYTES + FRAME_HEADER_BYTES + PAGE_BYTES


def is_born(directory: Path) -> bool:
    """Whether there is a journal; a directory that had one may not get another (P3).

    Raises: JournalCorrupt, if only its companions are left; DirectoryUnusable.
    """
    with usable(directory):
        if (directory / JOURNAL_NAME).exists():
            return True
        traces = [name for name in (WAL_NAME, MARK_NAME) if (directory / name).exists()]
    if traces:
        raise JournalCorrupt(
            f"{directory / JOURNAL_NAME} is missing, but {traces[0]} shows that this node has run: its promises "
            "are lost. Put the file back, or replace this node by a new one"
        )
    return False


def check_files(directory: Path) -> None:
    """Refuse a directory whose files are missing or plainly damaged; flush the others and forget cached copies.

    What a process killed in mid-write left in the page cache is not durable until it is flushed (P1), and after a
    failed flush the cache may show what the disk never got (P6). The mark comes down only after a check passed:
    a refusal lasts, and an opening that fails later may let SQLite move and remove the log.
    Raises: NotBootstrapped, JournalCorrupt, JournalFailed, DirectoryUnusable.
    """
    journal, wal = directory / JOURNAL_NAME, directory / WAL_NAME
    if not is_born(directory):
        raise NotBootstrapped(
            f"there is no journal in {directory}. If this node never ran: start it once with --bootstrap. "
            "If it ran before, its promises are lost and it must be replaced by a new node"
        )
    with usable(directory):
        check_quarantine(directory)
        for path in (journal, wal):
            if path.exists():
                _flush_and_reread(path)
        _check_header(journal)
        if (directory / MARK_NAME).exists() and (not wal.exists() or wal.stat().st_size < _WAL_BYTES_MIN):
            raise JournalCorrupt(
                f"{wal} is missing or cut short although the journal was not closed: the latest votes are lost. "
                "Put the file back, or replace this node by a new one"
            )
        check_wal(wal, PAGE_BYTES)
        unmark_open(directory)


def mark_open(directory: Path) -> None:
    """Note durably that from now on the write-ahead log must exist. Raises: OSError."""
    os.close(os.open(directory / MARK_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    sync(directory)


def unmark_open(directory: Path) -> None:
    """Note durably that the log may be removed: SQLite does so in an orderly end. Raises: OSError."""
    mark = directory / MARK_NAME
    if mark.exists():
        mark.unlink()
        sync(directory)


def _flush_and_reread(path: Path) -> None:
    """Read the file once from end to end: in order, that is ten times faster than SQLite's reads in the cold."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(fd)
        if hasattr(os, "posix_fadvise"):  # absent on macOS
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        while os.read(fd, _READ_BYTES):
            pass
    except OSError as error:
        raise JournalFailed(f"{path} cannot be flushed and read: {error}. Check the disk") from error
    finally:
        os.close(fd)


def _check_header(journal: Path) -> None:
    """The first bytes never change after birth; with wrong ones SQLite might ignore or remove the log."""
    with journal.open("rb") as file:
        header = file.read(20)
    page_bytes = int.from_bytes(header[16:18], "big")
    if header[:16] != _MAGIC or page_bytes != PAGE_BYTES or header[18:20] != _WAL_VERSIONS:
        raise JournalCorrupt(
            f"{journal} is not a journal of ours: empty, cut short or overwritten. "
            "Put the file back, or replace this node by a new one"
        )
