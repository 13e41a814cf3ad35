"""The pytest plugin: clusters and nodes as fixtures, and what the nodes logged beside a failure.

    paxoskv_cluster           a cluster of real nodes for one test
    paxoskv_module_cluster    one for all tests of a module
    paxoskv_session_cluster   one for all tests of a session, or of a worker of pytest-xdist
    paxoskv_node              one node inside the test's process, for one test

All of them are for blocking tests; their attribute `aio` is the same for asyncio tests, with any plugin that runs
those. A cluster that tests share is as the last one left it: `restore` mends it. To choose the number of nodes, or what
they are set to, override `paxoskv_nodes` or `paxoskv_settings`:

    @pytest.fixture(scope="session")
    def paxoskv_nodes():
        return 5

pytest loads this module in every run, so the rest is imported when a fixture is used.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from paxoskv.testing import Cluster, Node

FACES = "paxoskv.testing.faces"


@pytest.fixture(scope="session")
def paxoskv_nodes() -> int:
    """How many nodes a cluster has; to be overridden."""
    return 3


@pytest.fixture(scope="session")
def paxoskv_settings() -> Mapping[str, object]:
    """The settings of every node, by their names in a configuration file; to be overridden."""
    return {}


@pytest.fixture
def paxoskv_cluster(paxoskv_nodes: int, paxoskv_settings: Mapping[str, object]) -> Iterator[Cluster]:
    """A cluster of real nodes on free ports, for one test: `paxoskv.testing.Cluster`."""
    yield from _cluster(paxoskv_nodes, paxoskv_settings)


@pytest.fixture(scope="module")
def paxoskv_module_cluster(paxoskv_nodes: int, paxoskv_settings: Mapping[str, object]) -> Iterator[Cluster]:
    """A cluster of real nodes on free ports, for all tests of a module."""
    yield from _cluster(paxoskv_nodes, paxoskv_settings)


@pytest.fixture(scope="session")
def paxoskv_session_cluster(paxoskv_nodes: int, paxoskv_settings: Mapping[str, object]) -> Iterator[Cluster]:
    """A cluster of real nodes on free ports, for all tests of a session."""
    yield from _cluster(paxoskv_nodes, paxoskv_settings)


@pytest.fixture
def paxoskv_node(paxoskv_settings: Mapping[str, object]) -> Iterator[Node]:
    """One node inside this process, for one test: `paxoskv.testing.Node`."""
    from paxoskv import testing

    with testing.node(settings=paxoskv_settings) as node:
        yield node


def _cluster(nodes: int, settings: Mapping[str, object]) -> Iterator[Cluster]:
    from paxoskv import testing

    with testing.cluster(nodes, settings=settings) as cluster:
        yield cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the nodes of a failed test's clusters have logged last."""
    report = yield
    faces = sys.modules.get(FACES)
    if report.when == "call" and report.failed and faces is not None:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, faces.Cluster | faces.AsyncCluster):
                report.sections += [(f"{name}: node {node}", value.log(node)) for node in value.nodes]
    return report
