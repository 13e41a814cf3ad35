"""Places: never more than there are, in the order of the line, and none is lost with one who gave up."""

from __future__ import annotations

import asyncio

import pytest

from paxoskv.client.places import Places

LATE_S = 3600.0


def deadline_s(seconds: float = LATE_S) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_place_goes_to_the_first_in_line() -> None:
    places = Places(1)
    assert places.try_take()
    assert not places.try_take()
    line = [asyncio.create_task(places.take(deadline_s())) for _ in range(2)]
    await asyncio.sleep(0)
    places.leave()
    await line[0]
    assert not line[1].done()
    assert not places.try_take(), "nobody overtakes the line"
    places.leave()
    await line[1]
    places.leave()
    assert places.try_take()


async def test_who_gives_up_takes_no_place_along() -> None:
    """Out of time, cancelled while waiting, and cancelled right after the place was given."""
    places = Places(1)
    assert places.try_take()
    with pytest.raises(TimeoutError):
        await places.take(deadline_s(0.01))
    waiting, given = [asyncio.create_task(places.take(deadline_s())) for _ in range(2)]
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    places.leave()
    given.cancel()
    await asyncio.gather(waiting, given, return_exceptions=True)
    assert given.cancelled()
    assert places.try_take()
    assert not places.try_take()
