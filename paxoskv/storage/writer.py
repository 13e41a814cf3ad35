"""The one task that writes: everything queued during a commit is the next transaction (group commit)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from paxoskv.paxos.effects import SaveVote, Write
from paxoskv.storage.errors import DiskFull, JournalFailed, StorageError
from paxoskv.storage.journal import STATEMENT_BYTES_MAX, STATEMENT_ROWS_MAX, Journal
from paxoskv.storage.lull import Lull

RETRY_S = 0.2
"""Between two tries on a full disk."""

REFILL_S = 1.0
"""Between two looks whether a full disk has space again."""

IDLE_S = 0.05
IDLE_CHECKPOINT_BYTES = 256 << 10
"""A log larger than this is moved into the database when nothing was submitted for IDLE_S."""

WAL_BYTES_MAX = 4 << 20
"""A log larger than this is moved between two transactions, even if the next one waits: it takes milliseconds."""

CLOSE_TIMEOUT_S = 5.0

_RECORD_BYTES = 100

log = logging.getLogger(__name__)


class _Unit(NamedTuple):
    """What one step of the core wants to be durable together."""

    ticket: int
    writes: list[Write]
    size_bytes: int


class JournalWriter:
    """Owns writing to `journal`; the event loop hands over records and never waits for the disk.

    on_written: called on the loop with the highest ticket that is durable, with all before it (P1).
    on_failed:  called once, when the disk has failed; nothing is written or reported after it (P6).
    on_full:    called with the reason when the disk is full: the reserve is given up for what is queued and for
                promises, and no more votes may be submitted. Called with None when there is space again (P9).
    backlog_bytes, backlog_records: what was submitted and is not durable yet; bounded by whoever submits (P33).
    stalled:    why the disk takes nothing more, None if all is well.
    """

    def __init__(
        self,
        journal: Journal,
        on_written: Callable[[int], None],
        on_failed: Callable[[StorageError], None],
        on_full: Callable[[str | None], None],
    ) -> None:
        self.backlog_bytes = 0
        self.backlog_records = 0
        self.stalled: str | None = None
        self._journal = journal
        self._on_written = on_written
        self._on_failed = on_failed
        self._on_full = on_full
        self._refill_s = 0.0
        self._queue: deque[_Unit] = deque()
        self._wake = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._has_failed = False
        self._lull = Lull(IDLE_S, self._on_lull)
        self._is_quiet = False

    def submit(self, ticket: int, writes: list[Write]) -> None:
        """Queue one unit; tickets ascend. Never blocks.

        After a failure or `close` it is dropped, and so never reported as written.
        """
        if self._has_failed or self._closing:
            return
        assert not self._queue or self._queue[-1].ticket < ticket, f"ticket {ticket} after {self._queue[-1].ticket}"
        size_bytes = sum(_RECORD_BYTES + (len(w.vote.value) if isinstance(w, SaveVote) else 0) for w in writes)
        self._queue.append(_Unit(ticket, writes, size_bytes))
        self._lull.note()
        self.backlog_bytes += size_bytes
        self.backlog_records += len(writes)
        self._wake.set()

    async def run(self) -> None:
        """Write until `close`, or until the disk fails and `on_failed` has been called.

        Cancelling this only stops waiting: a transaction under way, and what is queued, is the business of `close`
        (P39). An error of `on_written` comes out here.
        """
        await asyncio.shield(self._start())

    async def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Write what was submitted, then close the journal.

        A full disk is not waited for: what it did not take was never reported as written.
        Raises: JournalFailed, if the disk hangs for `timeout_s`: the thread that waits for it keeps the interpreter
        from ending, so the process has to end itself (os._exit). An error of `on_written` comes out here too.
        """
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(timeout_s), name="journal close")
        await asyncio.shield(self._closing)

    # The work

    def _start(self) -> asyncio.Task[None]:
        if self._work is None:
            self._work = asyncio.create_task(self._write_all(), name="journal transactions")
        return self._work

    async def _write_all(self) -> None:
        try:
            if self._journal.ballast.is_missing:
                await self._refill()
            while self._queue or not self._closing:
                if not self._queue:
                    await self._idle()
                elif await self._write(self._take()):
                    await self._keep_log_short()
        except StorageError as error:
            self._fail(error)

    async def _write(self, batch: list[_Unit]) -> bool:
        """Make a batch durable and report it; return False if a full disk did not take it before the end."""
        writes = [write for unit in batch for write in unit.writes]
        while not await self._try(self._journal.write(writes)):
            if self._closing:
                log.warning("closing with records that a full disk did not take", extra={"records": len(writes)})
                return False
            await asyncio.sleep(RETRY_S)
        self.backlog_bytes -= sum(unit.size_bytes for unit in batch)
        self.backlog_records -= len(writes)
        self._on_written(batch[-1].ticket)
        return True

    async def _try(self, operation: Coroutine[Any, Any, None]) -> bool:
        """Return whether `operation` succeeded; False if the disk is full, and then `stalled` says so (P9)."""
        try:
            await operation
        except DiskFull as error:
            self._stall(error)
            await self._journal.ballast.release()
            return False
        if self.stalled is not None:
            await self._refill()
        return True

    def _stall(self, error: DiskFull) -> None:
        if self.stalled is None:
            log.error("the disk takes nothing more", extra={"reason": str(error)})
        self.stalled = str(error)
        self._on_full(self.stalled)

    async def _refill(self) -> None:
        """See whether there is space again, from time to time: for the log in the database, and for the reserve."""
        now = asyncio.get_running_loop().time()
        if now < self._refill_s:
            return
        self._refill_s = now + REFILL_S
        try:
            await self._journal.begin()
            await self._journal.checkpoint()
            await self._journal.ballast.acquire()
        except DiskFull as error:
            self._stall(error)
            return
        if self.stalled is not None:
            log.info("the disk has space again")
            self.stalled = None
            self._on_full(None)

    def _take(self) -> list[_Unit]:
        """Take from the queue what fits in one transaction, one unit at least."""
        batch = [self._queue.popleft()]
        size_bytes, records = batch[0].size_bytes, len(batch[0].writes)
        while self._queue:
            size_bytes += self._queue[0].size_bytes
            records += len(self._queue[0].writes)
            if size_bytes > STATEMENT_BYTES_MAX or records > STATEMENT_ROWS_MAX:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _idle(self) -> None:
        """Wait for work; a long log is moved as soon as nobody has anything to write (P8)."""
        self._wake.clear()
        if self.stalled is not None:
            await self._wait_for_space()
            return
        if self._journal.unsettled_bytes >= IDLE_CHECKPOINT_BYTES:
            self._lull.expect()
        await self._wake.wait()
        if self._is_quiet and not self._queue:
            await self._checkpoint()
        self._is_quiet = False

    async def _wait_for_space(self) -> None:
        """Look at a full disk from time to time, unless there is work, which looks for itself."""
        try:
            async with asyncio.timeout(RETRY_S):
                await self._wake.wait()
        except TimeoutError:
            await self._refill()

    def _on_lull(self) -> None:
        self._is_quiet = True
        self._wake.set()

    async def _keep_log_short(self) -> None:
        if self._journal.unsettled_bytes > WAL_BYTES_MAX:
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        """A full disk leaves the log as it is; it is tried again at the next occasion, RETRY_S from now at least."""
        if not await self._try(self._journal.checkpoint()):
            await asyncio.sleep(RETRY_S)

    def _fail(self, error: StorageError) -> None:
        """Stop for good (P6). Whatever it was called at the border: under a running node the journal has failed."""
        self._has_failed = True
        self._lull.cancel()
        self._queue.clear()
        if not isinstance(error, JournalFailed):
            failure = JournalFailed(f"the journal failed while in use. {error}")
            failure.__cause__ = error
            error = failure
        self._on_failed(error)

    async def _close(self, timeout_s: float) -> None:
        work = self._start()
        self._lull.cancel()
        self._wake.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._journal.unmark()
                await asyncio.shield(work)
                await self._journal.close()
        except TimeoutError as error:
            raise JournalFailed(
                f"the disk did not take the journal's last {self.backlog_records} records within {timeout_s} s; "
                "none of them was acknowledged. Check the disk"
            ) from error
        finally:
            work.cancel()
            self._journal.abandon()
