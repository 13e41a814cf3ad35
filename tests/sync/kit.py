"""What the tests of the blocking client share."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable

from tests.client.fake import FakeNode
from tests.support import eventually

PATIENCE_S = 60.0


def await_true(condition: Callable[[], bool]) -> None:
    """Wait, on this thread, until a condition holds."""
    asyncio.run(eventually(condition, PATIENCE_S))


def await_held(node: FakeNode, count: int) -> None:
    """Wait, on this thread, until a fake node keeps so many requests."""
    await_true(lambda: len(node.held) >= count)


def interrupt_when(ready: Callable[[], None]) -> threading.Thread:
    """Press Ctrl-C as soon as `ready` returns."""

    def press() -> None:
        ready()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread
