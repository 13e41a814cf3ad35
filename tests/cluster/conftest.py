"""Fixtures of the tests with real processes. All of them carry the mark `cluster`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster.prey import Prey, prey_in

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this directory."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prey]:
    """A cluster that the tests of a module attack one after the other."""
    async with prey_in(tmp_path_factory.mktemp("prey")) as prey:
        yield prey
