"""Fixtures of the tests of what paxoskv gives to other people's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing.kit import Project

HERE = Path(__file__).parent
pytest_plugins = ["pytester"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts processes of nodes."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.name != "test_node.py":
            item.add_marker(pytest.mark.cluster)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project; what runs in it must leave nothing behind."""
    project = Project(pytester, monkeypatch)
    yield project
    assert project.left() == []
