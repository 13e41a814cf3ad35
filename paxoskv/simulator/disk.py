"""The simulated disk of a node: its journal in a SQLite database in memory, behind a device that takes time and fails.

Production code above the connection runs unchanged: statements, checksums, recovery, translation of errors. A
statement is one transaction; it is executed at the moment at which its sync is done. So a crash keeps every
transaction that was reported, and of the one under way all or nothing, as SQLite's write-ahead log does; the nastier
things (lost writes, older images, rot) are done to the database itself.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from paxoskv.paxos.ballot import NO_BALLOT, Ballot, Slot, Vote
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.world import World
from paxoskv.storage.ballast import Ballast
from paxoskv.storage.birth import found
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.identity import Identity
from paxoskv.storage.records import Seal, decode_promise

if TYPE_CHECKING:
    import asyncio

    from paxoskv.simulator.process import Process


_RESERVED_WRITES = 10


class Statement(NamedTuple):
    """Something that the thread of a connection has to do."""

    process: Process
    sql: str
    parameters: Iterable[Any]
    future: asyncio.Future[Any]

    @property
    def writes(self) -> bool:
        """Whether it changes the database, and so ends with a sync."""
        return self.sql.startswith(("INSERT", "UPDATE", "DELETE"))


class Disk:
    """One node's disk and what is on it.

    sync_s, read_s: mean times. hangs: statements begin, and do not end. full: no room for anything new, but for as
    many writes as `reserve` says.
    failing: what the next write ends with: "" for success, "EIO" for an error, "false" for an error although the
    data is there (P6). ruined: what was done to the data, so that the node may have to give up; "" if nothing.
    rolled_back: it holds less than was once acknowledged, and nothing on it shows that.
    foreign: it is another node's, for the time being.
    """

    def __init__(self, world: World, identity: Identity, marks: Marks) -> None:
        self.identity = identity
        self.sync_s = 0.0003
        self.read_s = 0.0001
        self.hangs = False
        self.full = False
        self.reserve = 0
        self.failing = ""
        self.ruined = ""
        self.rolled_back = False
        self.foreign = False
        self.writes = 0
        self.on_write: Callable[[], None] | None = None
        self._world = world
        self._rng = world.rng(f"disk {identity.node}")
        self._queue: deque[Statement] = deque()
        self._busy = False
        self._cycle = 0
        self._safe_image: bytes | None = None
        self._writes_kept = 0
        self._marks = marks
        self.database = _new_database()
        found(self.database, identity)

    # For production code

    def connect(self, process: Process) -> DiskConnection:
        """Return what takes the place of an aiosqlite connection."""
        return DiskConnection(self, process)

    def submit(self, statement: Statement) -> None:
        """Queue a statement behind the others: a connection has one thread."""
        self._queue.append(statement)
        if not self._busy:
            self._begin()

    def lose_power(self) -> None:
        """The process ended: what it had under way is durable or not, what waited is not."""
        self._cycle += 1
        if self._queue and self._queue[0].writes and not self.full:
            there = self._rng.random() < 0.5
            if there:
                self._execute(self._queue[0])
            self._marks.hit(f"killed in a transaction, data {'there' if there else 'gone'}")
        self._queue.clear()
        self._busy = False
        if self._safe_image is not None and self._writes_kept != self.writes:
            self.restore(self._safe_image)
            self.ruined, self.rolled_back = "acknowledged writes are lost", True
            self._marks.hit("acknowledged writes lost")
        self._safe_image = None

    def _begin(self) -> None:
        self._busy = True
        self._cycle += 1
        cycle, statement = self._cycle, self._queue[0]
        mean_s = self.sync_s if statement.writes else self.read_s
        self._world.after(self._rng.expovariate(1.0) * mean_s, lambda: self._end(cycle))

    def _end(self, cycle: int) -> None:
        if cycle != self._cycle or self.hangs:
            return
        statement = self._queue[0]
        if statement.writes and self.on_write is not None:
            self.on_write()
            if cycle != self._cycle:
                return  # the process was killed in the middle of it
        self._queue.popleft()
        self._busy = False
        outcome = self._outcome(statement)
        statement.process.report(_settle, statement.future, outcome)
        if self._queue:
            self._begin()

    def _outcome(self, statement: Statement) -> Any:
        if not statement.writes:
            return self._execute(statement)
        self.writes += 1
        if self.full and self.reserve:
            self.reserve -= 1
        elif self.full:
            return _sqlite_error("database or disk is full", sqlite3.SQLITE_FULL, "SQLITE_FULL")
        failing, self.failing = self.failing, ""
        if not failing:
            return self._execute(statement)
        if failing == "false":
            self._execute(statement)
            self._marks.hit("false failure")
        return _sqlite_error("disk I/O error", sqlite3.SQLITE_IOERR, "SQLITE_IOERR")

    def _execute(self, statement: Statement) -> Any:
        try:
            return self.database.execute(statement.sql, tuple(statement.parameters)).fetchall()
        except sqlite3.Error as error:
            return error

    # For faults

    def resume(self) -> None:
        """End a hang: what waited is done now."""
        if self.hangs:
            self.hangs = False
            self._marks.hit("hung disk goes on")
            self.hurry()

    def hurry(self) -> None:
        """Begin what is under way anew: it may have drawn a long time when the disk was slow."""
        if self._busy:
            self._begin()

    def image(self) -> bytes:
        """Return everything on the disk."""
        return self.database.serialize()

    def restore(self, image: bytes) -> None:
        """Put an image in the place of what is on the disk."""
        self.database.close()
        self.database = _new_database()
        self.database.deserialize(image)

    def begin_to_lie(self) -> None:
        """Acknowledge writes without keeping them: the next crash loses everything from here on (S13)."""
        if self._safe_image is None:
            self._safe_image, self._writes_kept = self.image(), self.writes

    def stop_lying(self) -> None:
        """Let everything acknowledged reach the platter after all."""
        self._safe_image = None

    def exchange(self, other: Disk) -> None:
        """Swap what is on two disks."""
        self.database, other.database = other.database, self.database

    def found_anew(self, identity: Identity) -> None:
        """Begin a new life of the node on an emptied disk, as a second --bootstrap does."""
        self.database.close()
        self.database = _new_database()
        self.identity = identity
        found(self.database, identity)

    # For the oracle

    def promised(self) -> Ballot:
        """Return the durable promise, NO_BALLOT if there is no readable one."""
        row = self.database.execute("SELECT payload, checksum FROM meta WHERE name = 'promise'").fetchone()
        record = decode_promise(Seal(self.identity.cluster), row) if row else None
        return record.ballot if record else NO_BALLOT

    def vote(self, slot: Slot) -> Vote | None:
        """Return the durable vote in a slot, unchecked, None if there is none."""
        row = self.database.execute("SELECT round, node, value FROM votes WHERE slot = ?", (slot,)).fetchone()
        return Vote(Ballot(row[0], row[1]), row[2]) if row else None

    def knows(self, peer: int) -> bool:
        """Whether the incarnation of a peer was noted."""
        return self.database.execute("SELECT 1 FROM peers WHERE node = ?", (peer,)).fetchone() is not None

    def seq(self) -> int:
        """Return the number of the last transaction that anything on the disk tells of."""
        row = self.database.execute("SELECT payload, checksum FROM meta WHERE name = 'promise'").fetchone()
        promise = decode_promise(Seal(self.identity.cluster), row) if row else None
        votes = self.database.execute("SELECT max(seq) FROM votes").fetchone()[0]
        return max(promise.seq if promise else 0, votes or 0)

    def seq_of(self, peer: int) -> int:
        """Return the number that a peer is known to have reached."""
        row = self.database.execute("SELECT seq FROM peers WHERE node = ?", (peer,)).fetchone()
        return row[0] if row else 0


class SimulatedBallast(Ballast):
    """The reserve of a journal on a simulated disk: giving it up makes room for a few writes (P9)."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(Path("/simulated"), size_bytes=1 << 20)
        self._disk = disk

    def _allocate(self) -> None:
        if self._disk.full:
            raise DiskFull("there is no room for a reserve")

    def _remove(self) -> None:
        self._disk.reserve = _RESERVED_WRITES


class DiskConnection:
    """The part of an aiosqlite connection that `paxoskv.storage.connection` uses."""

    def __init__(self, disk: Disk, process: Process) -> None:
        self._disk = disk
        self._process = process

    async def execute_fetchall(self, sql: str, parameters: Iterable[Any] = ()) -> Any:
        """Run one statement in a transaction of its own; return its rows. Raises: sqlite3.Error."""
        future = self._process.loop.create_future()
        self._disk.submit(Statement(self._process, sql, parameters, future))
        return await future

    async def close(self) -> None:
        """Nothing is kept open."""

    def stop(self) -> None:
        """Nothing is kept open."""


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _new_database() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    database.text_factory = bytes
    return database


def _sqlite_error(message: str, code: int, name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    error.sqlite_errorname = name
    return error
