"""Fixtures of the tests of recipes: a healthy node, clients, and a clock for the leases of one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from paxoskv import client
from tests.client.fake import FakeNode, fake_cluster


class StoppedClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """One running fake node."""
    async with fake_cluster() as nodes:
        yield nodes[0]


@pytest.fixture
async def kv(node: FakeNode) -> AsyncIterator[client.Client]:
    """A client."""
    async with client.connect(node.endpoint) as kv:
        yield kv


@pytest.fixture
async def other(node: FakeNode) -> AsyncIterator[client.Client]:
    """Another program."""
    async with client.connect(node.endpoint) as kv:
        yield kv


@pytest.fixture
async def frozen(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[client.Client, StoppedClock]]:
    """A client whose program stands still: by its clock no time passes, so it renews nothing and notices nothing."""
    clock = StoppedClock()
    with monkeypatch.context() as patch:
        patch.setattr("paxoskv.client.client.boot_s", clock)
        async with client.connect(node.endpoint) as kv:
            yield kv, clock
