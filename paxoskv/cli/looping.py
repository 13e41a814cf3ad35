"""The event loop of commands that drive many connections and processes themselves."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def run_loop(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` to its end, on uvloop where it is installed, on asyncio's own loop elsewhere.

    SIGTERM is taken for Ctrl-C, so that `work` is cancelled and can take down what it has started.
    Raises: KeyboardInterrupt.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_with_sigterm(work))
    result: _Result = uvloop.run(_with_sigterm(work))
    return result


async def _with_sigterm(work: Coroutine[Any, Any, _Result]) -> _Result:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os.kill, os.getpid(), signal.SIGINT)
    return await work
