"""The event loop of commands that drive many connections and processes themselves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def run_loop(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` to its end, on uvloop where it is installed, on asyncio's own loop elsewhere.

    SIGTERM is taken for Ctrl-C, so that `work` is cancelled and can take down what it has started.
    Raises: KeyboardInterrupt.
    """
    try:
        result: _Result = _runner()(_with_sigterm(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    return result


def take_sigterm_for_interrupt() -> None:
    """From now on SIGTERM cancels the task that calls this: also where SIGINT is ignored, as in a shell's `&`."""
    task = asyncio.current_task()
    assert task is not None, "called from a coroutine"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _runner() -> Callable[..., Any]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    runner: Callable[..., Any] = uvloop.run
    return runner


async def _with_sigterm(work: Coroutine[Any, Any, _Result]) -> _Result:
    take_sigterm_for_interrupt()
    return await work
