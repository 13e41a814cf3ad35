"""Ctrl-C in a call that waits: the client stays usable, and nothing leaves afterwards that had not left before."""

from __future__ import annotations

import signal
import threading

import pytest

from paxoskv import sync
from paxoskv.errors import PaxoskvError
from paxoskv.sync.thread import LoopThread
from tests.client.fake import FakeNode, hold
from tests.sync.kit import await_held, await_true, interrupt_when

NOTICED_WITHIN_S = 20.0


def test_an_interrupt_that_wakes_nobody_is_noticed_all_the_same(node: FakeNode, fakes: LoopThread) -> None:
    """As one that comes right before the wait: Python notes it, and no system call is interrupted by it."""
    noticed = threading.Event()
    answered: list[bool] = []

    async def release() -> None:
        node.release()

    def press_elsewhere() -> None:
        await_held(node, 1)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        if not noticed.wait(NOTICED_WITHIN_S):
            answered.append(True)
            fakes.call(release())

    with sync.connect(node.endpoint, timeout_s=60) as kv:
        node.always["get"] = hold
        pressing = threading.Thread(target=press_elsewhere)
        pressing.start()
        with pytest.raises(KeyboardInterrupt):
            kv.get("k")
        noticed.set()
        pressing.join()
    assert not answered, "only the answer ended the wait"


def test_an_interrupted_write_is_not_sent_again_and_the_client_goes_on(node: FakeNode, fakes: LoopThread) -> None:
    async def cut() -> None:
        node.cut()

    with sync.connect(node.endpoint, timeout_s=60) as kv:
        kv.put("k", "first")
        node.plan["put"].append(hold)
        pressing = interrupt_when(lambda: await_held(node, 1))
        with pytest.raises(KeyboardInterrupt) as interrupt:
            kv.put("k", "interrupted")
        pressing.join()
        fakes.call(cut())  # a write that somebody waited for would be sent again now
        assert kv.put("k", "last").revision == 2
    assert interrupt.value.__notes__ == [
        "interrupted while waiting: a write may have been applied, once, or not at all"
    ]
    assert [fields[5] for fields in node.commands("put")] == [b"first", b"interrupted", b"last"]


def test_a_write_interrupted_before_it_left_never_leaves(node: FakeNode, fakes: LoopThread) -> None:
    async def release() -> None:
        node.release()

    with sync.connect(node.endpoint, timeout_s=60, max_in_flight=1) as kv:
        kv.put("k", "first")
        node.plan["get"].append(hold)
        getting = threading.Thread(target=kv.get, args=["k"])
        getting.start()
        await_held(node, 1)
        pressing = interrupt_when(lambda: await_true(lambda: bool(kv._aio._wire.channel._waiting)))
        with pytest.raises(KeyboardInterrupt):
            kv.put("k", "interrupted")
        pressing.join()
        fakes.call(release())
        getting.join()
        kv.put("k", "last")
    assert [fields[5] for fields in node.commands("put")] == [b"first", b"last"]


def test_an_interrupt_while_entering_leaves_nothing_behind(node: FakeNode) -> None:
    before = set(threading.enumerate())
    node.greeting = b""
    pressing = interrupt_when(lambda: await_true(lambda: node.accepted > 0))
    with pytest.raises(KeyboardInterrupt):
        sync.connect(node.endpoint, timeout_s=60).__enter__()
    pressing.join()
    assert set(threading.enumerate()) <= before


def test_an_interrupt_in_the_block_closes_the_client(node: FakeNode) -> None:
    def story() -> None:
        with sync.connect(node.endpoint) as kv:
            kv.put("k", "v")
            raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        story()
    assert set(threading.enumerate()) <= before
    assert node.received("close")


def test_a_signals_handler_may_use_the_client_in_the_middle_of_a_call(node: FakeNode, fakes: LoopThread) -> None:
    """A handler that does not raise leaves the call alone."""

    async def release() -> None:
        node.release()

    seen: list[bytes | PaxoskvError | None] = []
    with sync.connect(node.endpoint, timeout_s=60) as kv:
        kv.put("k", "first")

        def handler(number: int, frame: object) -> None:
            seen.append(kv.get("k").value)
            fakes.call(release())

        signal.signal(signal.SIGINT, handler)
        node.plan["put"].append(hold)
        pressing = interrupt_when(lambda: await_held(node, 1))
        assert kv.put("k", "second").revision == 2
        pressing.join()
    assert seen == [b"first"]
