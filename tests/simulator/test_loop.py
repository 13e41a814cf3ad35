"""asyncio in simulated time: what production code uses of a loop, and processes that end, stand still or lose time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.simulator.kit import Place


def live(place: Place, work: Coroutine[Any, Any, None], seconds: float = 10.0) -> None:
    place.run(work, seconds)


def test_time_passes_only_in_the_world() -> None:
    place, seen = Place(), []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(2.5)
        seen.append(round(loop.time() - began, 3))

    live(place, work())
    assert seen == [2.5]


def test_timeouts_groups_events_and_locks_work() -> None:
    place, seen = Place(), []

    async def work() -> None:
        event, lock = asyncio.Event(), asyncio.Lock()

        async def waiter(name: str) -> None:
            await event.wait()
            async with lock:
                await asyncio.sleep(0.1)
                seen.append(name)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            group.create_task(waiter("a"))
            group.create_task(waiter("b"))
            await asyncio.sleep(1)
            event.set()
        seen.append(await asyncio.to_thread(lambda: "thread"))

    live(place, work())
    assert seen == ["a", "b", "thread"]


def test_a_killed_process_does_nothing_more() -> None:
    """Not even what its coroutines would do last: a crash asks nobody."""
    place, seen = Place(), []

    async def work() -> None:
        try:
            await asyncio.sleep(5)
            seen.append("woke up")
        finally:
            asyncio.get_running_loop().call_soon(seen.append, "said goodbye")
            await asyncio.sleep(1)
            seen.append("went on")

    place.client.start(work())
    place.wait(1)
    place.client.die()
    place.wait(20)
    assert seen == []


def test_an_error_in_a_callback_does_not_stop_the_others() -> None:
    place, seen = Place(), []
    place.client.loop.set_exception_handler(lambda loop, context: seen.append(repr(context["exception"])))

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: 1 / 0)
        loop.call_soon(seen.append, "next")

    live(place, work())
    assert seen == ["ZeroDivisionError('division by zero')", "next"]


def test_an_error_that_nobody_wants_is_a_violation() -> None:
    place = Place()
    place.client.loop.push(lambda: 1 / 0)
    place.client.kick()
    with pytest.raises(Exception, match="bug: client"):
        place.wait(1)


def test_a_paused_process_handles_everything_at_once_when_it_goes_on() -> None:
    place, seen = Place(), []
    place.client.pause(3.0)
    for at in (0.5, 1.0):
        place.world.at(at, lambda: place.client.report(lambda: seen.append(place.world.now)))
    place.wait(10)
    assert seen == [3.0, 3.0]


@pytest.mark.parametrize(("rate", "due_at"), [(1.0, 2.0), (2.0, 1.0), (0.5, 4.0)])
def test_timers_follow_the_clock_of_their_process(rate: float, due_at: float) -> None:
    place, seen = Place(), []
    place.client.clock.set(rate=rate)

    async def work() -> None:
        await asyncio.sleep(2)
        seen.append(round(place.world.now, 3))

    live(place, work())
    assert seen == [due_at]


def test_a_clock_that_stands_still_lets_nothing_become_due() -> None:
    place, seen = Place(), []

    async def work() -> None:
        await asyncio.sleep(1)
        seen.append(round(place.world.now, 3))

    place.client.start(work())
    place.wait(0.5)
    place.client.set_clock(rate=0.0)
    place.wait(5)
    assert seen == []
    place.client.set_clock(rate=1.0)
    place.wait(5)
    assert seen == [6.0]


def test_a_clock_that_jumps_ahead_makes_timers_due() -> None:
    place, seen = Place(), []

    async def work() -> None:
        await asyncio.sleep(100)
        seen.append(round(place.world.now, 3))

    place.client.start(work())
    place.wait(1)
    place.client.set_clock(ahead_s=99.5)
    place.wait(5)
    assert seen == [1.0]


def test_held_timers_wait_and_messages_do_not() -> None:
    place, seen = Place(), []

    async def work() -> None:
        await asyncio.sleep(1)
        seen.append("timer")

    place.client.start(work())
    place.wait(0.5)
    place.client.loop.hold_timers(True)
    place.wait(2)
    place.client.report(seen.append, "message")
    place.wait(1)
    place.client.release_timers()
    place.wait(1)
    assert seen == ["message", "timer"]


def test_a_stalled_turn_writes_at_its_end() -> None:
    place = Place(delay_s=0.0)
    place.dial()
    place.client.stall_s = 1.0
    place.say("client", b"late")
    place.wait(0.9)
    assert place.heard["server"] == b""
    place.wait(0.2)
    assert place.heard["server"] == b"late"
