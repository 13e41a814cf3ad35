"""A new file in the place of one whose disk has failed under it (P6).

After a failed write or flush the system may show what never reached the disk, and SQLite what it reported as failed. So
the process ends, and leaves a mark; the next start copies everything that can be read into a new file, on blocks that
have just taken it and its flush, or refuses to start.

    directory/journal.failed     the last process ended because the disk failed
    directory/journal.rebuild    a copy under way: worth nothing
    directory/journal.rebuilt    a whole, flushed copy: from now on this is the journal, whatever stands beside it
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from paxoskv.storage.connection import corrupt, existing_uri, translated, translated_os
from paxoskv.storage.directory import FILE_MODE, sync

FAILED_NAME = "journal.failed"
DRAFT_NAME = "journal.rebuild"
REBUILT_NAME = "journal.rebuilt"


def mark_failed(directory: Path) -> None:
    """Note that the disk failed, as well as that can be noted on it. Raises: OSError."""
    os.close(os.open(directory / FAILED_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    sync(directory)


def rebuild_after_failure(journal: Path) -> bool:
    """Copy the journal at `journal` into a new file if the last process left it after a failure; return whether it did.

    A copying that was interrupted is finished, or begun anew.
    Raises: JournalCorrupt, if it cannot be read whole; DiskFull; JournalFailed, if the disk fails again.
    """
    directory = journal.parent
    with translated_os(journal):
        if not (directory / REBUILT_NAME).exists():
            if not (directory / FAILED_NAME).exists():
                return False
            _copy(journal, directory / DRAFT_NAME)
            (directory / DRAFT_NAME).rename(directory / REBUILT_NAME)
            sync(directory)
        _put_in_place(directory / REBUILT_NAME, journal)
    return True


def _copy(journal: Path, draft: Path) -> None:
    for leftover in draft.parent.glob(f"{draft.name}*"):
        leftover.unlink()
    with translated(journal):
        with closing(sqlite3.connect(existing_uri(journal), uri=True, isolation_level=None)) as old:
            old.execute("PRAGMA locking_mode = EXCLUSIVE")
            verdict = old.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise corrupt(journal, f"SQLite finds {verdict!r}")
            old.execute("VACUUM INTO ?", (str(draft),))
        with closing(sqlite3.connect(existing_uri(draft), uri=True, isolation_level=None)) as new:
            new.execute("PRAGMA synchronous = FULL")
            new.execute("PRAGMA journal_mode = WAL")
    draft.chmod(FILE_MODE)
    sync(draft)


def _put_in_place(rebuilt: Path, journal: Path) -> None:
    """The log of the old file must be gone before the new one has its name: its pages are those of the old one."""
    for companion in ("-wal", "-shm"):
        journal.with_name(journal.name + companion).unlink(missing_ok=True)
    sync(journal.parent)
    rebuilt.rename(journal)
    sync(journal.parent)
    (journal.parent / FAILED_NAME).unlink(missing_ok=True)
    sync(journal.parent)
