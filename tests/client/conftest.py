"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.client.fake import FakeNode, fake_cluster


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """One running fake node."""
    async with fake_cluster() as nodes:
        yield nodes[0]


@pytest.fixture
async def trio() -> AsyncIterator[list[FakeNode]]:
    """Three running fake nodes with one store; the first one leads."""
    async with fake_cluster(3) as nodes:
        yield nodes
