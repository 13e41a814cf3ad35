"""Fixtures of the tests of what paxoskv gives to other people's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytest_plugins = ["pytester"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts processes of nodes."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.name != "test_node.py":
            item.add_marker(pytest.mark.cluster)
