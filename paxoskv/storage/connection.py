"""The one connection to the journal (P7): its settings, its one hop per statement, and its errors.

SQLite goes on happily after an I/O error, and a commit that was reported as failed may be there later (P6). So the
first such error is the last: every later statement is refused with it.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from paxoskv.storage.errors import (
    DirectoryInUse,
    DirectoryUnusable,
    DiskFull,
    JournalCorrupt,
    JournalFailed,
    StorageError,
)
from paxoskv.storage.precheck import PAGE_BYTES
from paxoskv.storage.records import Row

BUSY_TIMEOUT_S = 1.0
STATEMENTS_CACHED = 64
QUICK_CHECK_BYTES_MAX = 1 << 30
"""Larger files skip quick_check: the scan at start reads and verifies every row anyway, at about the same cost."""

SETTINGS: tuple[tuple[str, str, Any], ...] = (
    ("locking_mode", "EXCLUSIVE", b"exclusive"),
    ("journal_mode", "WAL", b"wal"),
    ("synchronous", "FULL", 2),
    ("fullfsync", "ON", 1),
    ("checkpoint_fullfsync", "ON", 1),
    ("cell_size_check", "ON", 1),
    ("trusted_schema", "OFF", 0),
    ("mmap_size", "0", 0),
    ("wal_autocheckpoint", "0", 0),
)
"""PRAGMA, value to set, value it must read back. The lock comes first: then SQLite shares no memory with others.
The two fullfsync settings mean something on macOS alone."""


class Connection:
    """Runs statements on the connection's own thread, one hop each.

    is_open: until `close` or `abandon`.
    on_failed: awaited when the disk has failed, before anybody hears of it.
    A caller that is cancelled undoes nothing: a statement handed over runs to its end (P40).
    """

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self._path = path
        self._connection = connection
        self._failure: StorageError | None = None
        self.on_failed: Callable[[], Awaitable[None]] | None = None
        self.is_open = True

    @classmethod
    async def open(cls, path: Path) -> Connection:
        """Open the file at `path`, which must exist, and make the settings. Raises: StorageError."""
        with translated(path):
            connection = await aiosqlite.connect(
                existing_uri(path),
                uri=True,
                isolation_level=None,
                timeout=BUSY_TIMEOUT_S,
                cached_statements=STATEMENTS_CACHED,
            )
        connection.text_factory = bytes  # damaged text must not raise in the decoder
        self = cls(path, connection)
        try:
            await self._set_up()
        except BaseException:
            await self.close()
            raise
        return self

    async def query(self, sql: str, parameters: Iterable[Any] = ()) -> Sequence[Row]:
        """Run one statement, in a transaction of its own, and return its rows; durable when this returns.

        Raises: DiskFull, and nothing was changed; any other StorageError, and the connection is of no more use.
        """
        if self._failure is not None:
            raise self._failure
        try:
            with translated(self._path):
                return [tuple(row) for row in await self._connection.execute_fetchall(sql, parameters)]
        except DiskFull:
            raise
        except StorageError as error:
            self._failure = error
            if isinstance(error, JournalFailed) and self.on_failed is not None:
                await self.on_failed()
            raise

    async def pragma(self, name: str) -> Any:
        """Return what a PRAGMA reads, None if this SQLite does not know it."""
        rows = await self.query(f"PRAGMA {name}")
        return rows[0][0] if rows else None

    async def check_structure(self, tables: Sequence[str]) -> None:
        """Compare the tables with the expected ones, and let SQLite look for damage. Raises: JournalCorrupt."""
        schema = await self.query("SELECT sql FROM sqlite_master ORDER BY name")
        if [row[0] for row in schema] != [table.encode() for table in tables]:
            raise corrupt(self._path, "its tables are not those of a journal")
        if self._path.stat().st_size <= QUICK_CHECK_BYTES_MAX:
            verdict = await self.pragma("quick_check(1)")
            if verdict != b"ok":
                raise corrupt(self._path, f"SQLite finds {verdict!r}")

    async def close(self) -> None:
        """Close the connection and end its thread; a second call does nothing."""
        if self.is_open:
            self.is_open = False
            await self._connection.close()

    def abandon(self) -> None:
        """Have the connection closed and its thread ended whenever its last statement returns; waits for nothing."""
        if self.is_open:
            self.is_open = False
            self._connection.stop()

    async def _set_up(self) -> None:
        for name, value, expected in SETTINGS:
            await self.query(f"PRAGMA {name} = {value}")
            taken = await self.pragma(name)
            if taken != expected:
                raise JournalFailed(
                    f"{self._path}: SQLite {sqlite3.sqlite_version} did not take PRAGMA {name} = {value}, it reads "
                    f"{taken!r}. Use a local file system and an unmodified SQLite"
                )
        page_bytes = await self.pragma("page_size")
        assert page_bytes == PAGE_BYTES, f"page size {page_bytes} passed the check of the header"


def existing_uri(path: Path) -> str:
    """Name an existing file to SQLite: it must never make an empty one in its place."""
    return f"{path.absolute().as_uri()}?mode=rw"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translate the errors of SQLite in a block into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error
    except UnicodeDecodeError as error:  # the message quotes a damaged schema, and is no text any more
        raise corrupt(path, f"SQLite says {error.object!r:.200}") from error


@contextmanager
def translated_os(path: Path) -> Iterator[None]:
    """Translate the errors of the file system, under a journal in use, into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
        raise JournalFailed(f"{path}: {error}. {_CHECK_THE_DISK}") from error


_CHECK_THE_DISK = "Check the disk and the system's log; the node examines its journal when it is started again"


def _translate(path: Path, error: sqlite3.Error) -> StorageError:
    """Tell apart by SQLite's primary result code, the low byte of the extended one."""
    code = getattr(error, "sqlite_errorcode", None)
    match None if code is None else code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _full(path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return corrupt(path, f"SQLite says {error}")
        case sqlite3.SQLITE_BUSY:
            return DirectoryInUse(
                f"{path} is held open by another program, though not by a node: close it (an SQLite shell, a backup)",
                None,
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return DirectoryUnusable(f"{path}: {error}. Check owner and permissions of it and its directory")
        case _:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            return JournalFailed(f"{path}: {error} ({name}). {_CHECK_THE_DISK}")


def _full(path: Path) -> DiskFull:
    return DiskFull(f"{path.name} cannot grow: disk full, free space in {path.parent}")


def corrupt(path: Path, what: str) -> JournalCorrupt:
    """Return the error that says `what` about the file at `path`."""
    return JournalCorrupt(f"{path} is damaged: {what}. This node must not vote: replace it by a new one")
