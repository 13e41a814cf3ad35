"""A lull is noticed once it is there, and not while it is busy."""

from __future__ import annotations

import asyncio

from paxoskv.storage.lull import Lull
from tests.support import eventually

LULL_S = 0.02


async def test_a_lull_is_told_once() -> None:
    told: list[bool] = []
    lull = Lull(LULL_S, lambda: told.append(True))
    lull.expect()
    lull.expect()
    await eventually(lambda: told)
    over = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(2 * LULL_S, over.set_result, None)
    await over
    assert len(told) == 1
    lull.expect()
    await eventually(lambda: len(told) == 2)


async def test_what_happens_meanwhile_puts_it_off() -> None:
    """The look that finds something noted looks again; ours comes between its first and its second one."""
    told: list[bool] = []
    lull = Lull(LULL_S, lambda: told.append(True))
    lull.expect()
    lull.note()
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(LULL_S, lambda: seen.set_result(len(told)))
    assert await seen == 0
    await eventually(lambda: told)


async def test_a_cancelled_one_is_never_told() -> None:
    told: list[bool] = []
    lull = Lull(LULL_S, lambda: told.append(True))
    lull.expect()
    lull.cancel()
    over = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(2 * LULL_S, over.set_result, None)
    await over
    assert not told
