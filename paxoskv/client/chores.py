"""What a client does beside its calls: connecting, renewing leases, looking after watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Chores:
    """The background tasks of one client. They end by being cancelled, or by themselves when nothing is left to do.

    on_died: told why, when a task has died of an error: that is a bug, and without it nobody would ever know (P38).
    """

    def __init__(self, on_died: Callable[[str], None]) -> None:
        self._on_died = on_died
        self._tasks: dict[asyncio.Task[None], None] = {}

    def begin(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` beside the calls."""
        task = asyncio.create_task(work, name=f"paxoskv client: {name}")
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel all that is left, and wait for its end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        self._on_died(f"the client failed, its {task.get_name()!r} died of {error!r}: this is a bug, please report it")
        context = {"message": "a background task of a paxoskv client died", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)
