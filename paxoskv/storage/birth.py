"""The first start of a node: makes its journal, whole or not at all (P7)."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from paxoskv.paxos.ballot import NO_BALLOT
from paxoskv.storage.connection import translated
from paxoskv.storage.directory import FILE_MODE, sync, usable
from paxoskv.storage.identity import Identity, encode_identity
from paxoskv.storage.precheck import JOURNAL_NAME, PAGE_BYTES
from paxoskv.storage.records import CompactionRecord, PromiseRecord, Seal, encode_compaction, encode_promise
from paxoskv.storage.schema import SAVE_META, TABLES

UNBORN_NAME = "journal.new"


def bear(directory: Path, identity: Identity) -> None:
    """Make the journal of `identity` in `directory`. It appears under its name only when it is durable.

    What an earlier try left behind is removed: it never had the name, so nobody ever spoke from it.
    Raises: DirectoryUnusable, DiskFull, JournalFailed.
    """
    unborn = directory / UNBORN_NAME
    with usable(directory):
        for leftover in directory.glob(f"{UNBORN_NAME}*"):
            leftover.unlink()
        os.close(os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
        with translated(unborn):
            _fill(unborn, identity)
        sync(unborn)
        unborn.rename(directory / JOURNAL_NAME)
        sync(directory)


def found(connection: sqlite3.Connection, identity: Identity) -> None:
    """Make the tables of a journal and its first rows, in one transaction. Raises: sqlite3.Error."""
    seal = Seal(identity.cluster)
    rows = {
        "identity": encode_identity(identity),
        "promise": encode_promise(seal, PromiseRecord(NO_BALLOT, seq=1)),
        "compaction": encode_compaction(seal, CompactionRecord(slot=0, seq=1)),
    }
    connection.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        connection.execute(table)
    connection.executemany(SAVE_META, [(name, *row) for name, row in rows.items()])
    connection.execute("COMMIT")


def _fill(path: Path, identity: Identity) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA synchronous = FULL")
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise OSError(
                errno.ENOTSUP, f"SQLite cannot use a write-ahead log here (journal_mode is {mode})", str(path)
            )
        found(connection, identity)
