"""The watchdog of the event loop, with a clock of our own (P42)."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from paxoskv.node.watchdog import LOOK_S, STACK_AFTER_S, TICK_S, Watchdog, stack_of
from tests.support import eventually


class Clock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watchdog(clock: Clock) -> Watchdog:
    watchdog = Watchdog(budget_s=0.1, clock=clock)
    watchdog.expect()
    return watchdog


def test_a_punctual_tick_is_not_a_stall(watchdog: Watchdog, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    clock.now += TICK_S + 0.09
    watchdog.measure()
    assert (watchdog.stalls, watchdog.stall_max_ms, caplog.records) == (0, 0.0, [])


def test_late_ticks_are_counted_logged_and_the_longest_kept(
    watchdog: Watchdog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for late_s in (0.2, 0.7, 0.3):
        clock.now += TICK_S + late_s
        watchdog.measure()
        watchdog.expect()
    assert watchdog.stalls == 3
    assert watchdog.stall_max_ms == pytest.approx(700)
    assert [vars(record)["stall_ms"] for record in caplog.records] == [200.0, 700.0, 300.0]


def look_for(watchdog: Watchdog, clock: Clock, seconds: float) -> None:
    """Let the thread look as often as it would in `seconds`, while the loop stands still."""
    for _ in range(int(seconds / LOOK_S)):
        clock.now += LOOK_S
        watchdog.look(threading.get_ident())


def test_a_long_stall_shows_the_stack_of_the_loop_once(
    watchdog: Watchdog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    look_for(watchdog, clock, seconds=STACK_AFTER_S)
    assert caplog.records == []
    look_for(watchdog, clock, seconds=5)
    (record,) = caplog.records
    assert any("test_a_long_stall_shows_the_stack" in frame for frame in vars(record)["stack"])


def test_each_long_stall_is_shown(watchdog: Watchdog, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    look_for(watchdog, clock, seconds=3)
    watchdog.expect()
    look_for(watchdog, clock, seconds=3)
    assert len(caplog.records) == 2


def test_a_process_that_was_paused_as_a_whole_shows_no_stack(
    watchdog: Watchdog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """After SIGSTOP the thread is late as well: the stack of an innocent loop would mislead. The stall still counts."""
    clock.now += 30
    watchdog.look(threading.get_ident())
    assert caplog.records == []
    watchdog.measure()
    assert watchdog.stalls == 1


def test_the_stack_of_a_thread_that_ended_is_empty() -> None:
    thread = threading.Thread(target=bool)
    thread.start()
    thread.join()
    assert thread.ident is not None
    assert stack_of(thread.ident) == []


async def test_a_real_stall_is_seen_and_the_thread_ends_with_the_task() -> None:
    watchdog = Watchdog(budget_s=0.02)
    task = asyncio.create_task(watchdog.run())
    await eventually(lambda: "loop-watchdog" in {thread.name for thread in threading.enumerate()})
    time.sleep(0.2)  # noqa: ASYNC251 - the stall under test
    await eventually(lambda: watchdog.stalls)
    assert watchdog.stall_max_ms > 20
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "loop-watchdog" not in {thread.name for thread in threading.enumerate()}
