"""What the tests of the storage share: short ways to make, change and read back journals."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from paxoskv.paxos.ballot import Ballot, Slot, Vote
from paxoskv.paxos.effects import SavePromise, SaveVote, Write
from paxoskv.storage.errors import StorageError
from paxoskv.storage.journal import Journal
from paxoskv.storage.writer import JournalWriter

CLUSTER = "5eed"
NODE = 1
B1, B2, B3 = Ballot(1, 1), Ballot(2, 2), Ballot(3, 3)


def vote(slot: Slot, value: bytes = b"value", ballot: Ballot = B1, commit_slot: Slot | None = None) -> SaveVote:
    """A vote; without `commit_slot`, the slots before it are chosen."""
    return SaveVote(slot, Vote(ballot, value), slot - 1 if commit_slot is None else commit_slot)


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Journal]:
    """The journal in `directory`, made if it is not there; closed at the end."""
    journal = await Journal.create(directory, CLUSTER, NODE)
    try:
        yield journal
    finally:
        await journal.close()


async def written(directory: Path, *writes: Write) -> None:
    """Make or open a journal, write each of `writes` in a transaction of its own, and close it."""
    async with opened(directory) as journal:
        for write in writes:
            await journal.write([write])


def tamper(directory: Path, sql: str, *parameters: Any) -> None:
    """Change a closed journal behind its back."""
    with closing(sqlite3.connect(directory / "journal.db", isolation_level=None)) as connection:
        assert connection.execute(sql, parameters).rowcount != 0, f"nothing was changed by {sql}"


async def replayed(journal: Journal, from_slot: Slot = 1) -> list[tuple[Slot, Vote]]:
    """All chosen votes from `from_slot` on."""
    return [item async for chunk in journal.replay(from_slot, journal.commit_slot) for item in chunk]


class Disk:
    """Stands between aiosqlite and its callers: counts, fails or delays statements.

    before: called (and awaited, if it returns something to await) with the SQL of every statement.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.errors: list[sqlite3.Error] = []
        self.before: Callable[[str], Any] | None = None
        original = aiosqlite.Connection.execute_fetchall
        disk = self

        async def execute_fetchall(self: aiosqlite.Connection, sql: str, parameters: Any = None) -> Any:
            disk.statements.append(sql)
            if disk.before is not None and (pending := disk.before(sql)) is not None:
                await pending
            if disk.errors and sql.startswith("INSERT"):
                raise disk.errors.pop(0)
            return await original(self, sql, parameters)

        monkeypatch.setattr(aiosqlite.Connection, "execute_fetchall", execute_fetchall)

    @property
    def inserts(self) -> list[str]:
        """The statements that wrote."""
        return [sql for sql in self.statements if sql.startswith("INSERT")]


def sqlite_error(code: int, name: str) -> sqlite3.OperationalError:
    """An error as the sqlite3 module raises it."""
    error = sqlite3.OperationalError(f"injected {name}")
    error.sqlite_errorcode = code
    error.sqlite_errorname = name
    return error


class Reports:
    """What a writer reported."""

    def __init__(self) -> None:
        self.tickets: list[int] = []
        self.failures: list[StorageError] = []
        self.full: list[str | None] = []

    def writer(self, journal: Journal) -> JournalWriter:
        """A writer that reports here."""
        return JournalWriter(journal, self.tickets.append, self.failures.append, self.full.append)


def promises_and_votes(*slots: Slot, ballot: Ballot = B1) -> Sequence[Write]:
    """A promise, and votes under it."""
    return [SavePromise(ballot), *(vote(slot, ballot=ballot) for slot in slots)]
