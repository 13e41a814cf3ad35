"""Many threads on one client, its end while they wait, and the loop's thread itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from paxoskv import sync
from paxoskv.errors import OutcomeUnknown, PaxoskvError, Unavailable
from paxoskv.sync import thread as thread_module
from paxoskv.sync.thread import LoopThread
from tests.client.fake import FakeNode, hold
from tests.sync.kit import await_held


def outcome_of(call: Callable[[], object]) -> object:
    """Return the result of a call, or its error."""
    try:
        return call()
    except PaxoskvError as error:
        return error


def test_threads_share_one_connection(node: FakeNode, fakes: LoopThread) -> None:
    """Their requests are under way together: none waits for the answer to another."""

    async def release() -> None:
        node.always.clear()
        node.release()

    node.always["get"] = hold
    with sync.connect(node.endpoint) as kv, ThreadPoolExecutor(20) as threads:
        gets = [threads.submit(kv.get, f"k{number}") for number in range(20)]
        await_held(node, 20)
        fakes.call(release())
        assert all(get.result().entry is None for get in gets)
    assert node.accepted == 1


def test_writes_of_many_threads_are_all_applied_once(node: FakeNode) -> None:
    with sync.connect(node.endpoint) as kv, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda number: kv.put(f"k{number}", "v").revision, range(200)))
    assert sorted(results) == list(range(1, 201))
    assert len(node.store.applied) == 200


def test_closing_ends_waiting_calls_with_the_truth(node: FakeNode) -> None:
    with ThreadPoolExecutor(2) as threads:
        with sync.connect(node.endpoint) as kv:
            kv.put("k", "v")
            node.always["put"] = node.always["get"] = hold
            put = threads.submit(outcome_of, lambda: kv.put("k", "sent"))
            get = threads.submit(outcome_of, lambda: kv.get("k"))
            await_held(node, 2)
        assert type(put.result()) is OutcomeUnknown
        assert type(get.result()) is Unavailable


@pytest.fixture
def loop_thread() -> LoopThread:
    """A loop that every test here stops itself."""
    return LoopThread("test")


def test_what_runs_when_the_loop_is_stopped_may_end_by_itself(loop_thread: LoopThread) -> None:
    began, may_end = threading.Event(), asyncio.Event()

    async def work() -> str:
        began.set()
        await may_end.wait()
        await asyncio.sleep(0)
        return "done"

    async def let_it_end() -> None:
        may_end.set()

    with ThreadPoolExecutor(2) as threads:
        result = threads.submit(loop_thread.call, work())
        began.wait()
        loop_thread.submit(let_it_end())
        loop_thread.stop()
        assert result.result() == "done"


def test_what_does_not_end_by_itself_is_cancelled_and_its_outcome_unknown(
    loop_thread: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_module, "LINGER_S", 0.01)
    began, ended = threading.Event(), threading.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(outcome_of, lambda: loop_thread.call(work()))
        began.wait()
        loop_thread.stop()
        assert type(result.result()) is OutcomeUnknown
    assert ended.is_set()


def test_a_stopped_loop_takes_nothing_more_and_may_be_stopped_again(loop_thread: LoopThread) -> None:
    loop_thread.stop()
    loop_thread.stop()
    with pytest.raises(RuntimeError, match="the test is closed"):
        loop_thread.call(asyncio.sleep(0))


def test_a_call_from_the_loops_own_thread_is_refused_instead_of_waiting_for_itself(loop_thread: LoopThread) -> None:
    async def call_again() -> None:
        loop_thread.call(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="its own thread"):
        loop_thread.call(call_again())
    loop_thread.stop()
