"""What the tests of the blocking client share."""

from __future__ import annotations

import asyncio
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
