"""Tasks that must not die unseen (P38)."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Coroutine
from typing import Any

from paxoskv.node.exits import BUG, NodeFailure, as_failure
from paxoskv.storage.errors import StorageError

log = logging.getLogger(__name__)

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Supervisor:
    """Holds every task of the node; the first failure of any ends the node with its reason."""

    def __init__(self) -> None:
        self._tasks: dict[
            asyncio.Task[Any], None
        ] = {}  # in the order of their beginning, so that a simulated life repeats itself
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` as a task; if it raises, the node ends."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def fail(self, error: BaseException) -> None:
        """End the node because of `error`; only the first one counts."""
        if not self._failure.done():
            self._failure.set_exception(_reason(error))

    def on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Exception handler of the loop: an error in a callback is a bug like one in a task.

        Not so a connection that cannot be accepted for want of file descriptors or memory: asyncio tries again.
        """
        error = context.get("exception")
        is_shortage = isinstance(error, OSError) and error.errno in _SHORTAGES
        if isinstance(error, Exception) and not is_shortage:
            self.fail(error)
        else:
            log.error("event loop complains", extra={"reason": f"{context.get('message')}: {error}"})

    async def wait(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set. Raises: NodeFailure when something failed."""
        stopped = asyncio.create_task(stop.wait(), name="stop")
        either: set[asyncio.Future[Any]] = {stopped, self._failure}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if self._failure.done():
            self._failure.result()

    async def cancel(self) -> None:
        """Cancel every task and wait for their end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure.done() and not self._failure.cancelled():
            self._failure.exception()

    def _done(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)


def _reason(error: BaseException) -> NodeFailure:
    """Say with which exit code the node ends; for a bug or a broken invariant keep the traceback for the log."""
    if isinstance(error, NodeFailure):
        return error
    if isinstance(error, StorageError):
        return as_failure(error)
    failure = NodeFailure(BUG, f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
