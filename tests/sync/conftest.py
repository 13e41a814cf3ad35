"""Fixtures of the tests of the blocking client alone: what both clients have in common is tested in tests/client."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from paxoskv.sync.thread import LoopThread
from tests.client.fake import FakeNode


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Python's own handler of Ctrl-C, whoever runs the tests. Only in the main thread, where signals arrive."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def fakes() -> Iterator[LoopThread]:
    """The loop in which fake nodes live, beside the blocked thread of the test."""
    thread = LoopThread("fakes")
    yield thread
    thread.stop()


@pytest.fixture
def node(fakes: LoopThread) -> Iterator[FakeNode]:
    """One running fake node."""
    node = FakeNode()
    fakes.call(node.start())
    yield node
    fakes.call(node.stop())
