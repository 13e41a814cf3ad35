"""Both faces of a cluster and of a node offer what their engine can do, and the same."""

from __future__ import annotations

import inspect

import pytest

from paxoskv import testing
from paxoskv.testing.engine import ClusterEngine
from paxoskv.testing.single import NodeEngine

LIFE = {"open", "close"}
"""Not a test's to call: entering and leaving do."""


def public(thing: object) -> dict[str, object]:
    """Return the attributes that are meant for users."""
    return {name: value for name, value in inspect.getmembers(thing) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("engine", "blocking", "aio"),
    [(ClusterEngine, testing.Cluster, testing.AsyncCluster), (NodeEngine, testing.Node, testing.AsyncNode)],
    ids=["cluster", "node"],
)
def test_what_an_engine_can_do_its_faces_offer(engine: type, blocking: type, aio: type) -> None:
    able = {name for name, value in public(engine).items() if inspect.iscoroutinefunction(value)} - LIFE
    assert able <= public(blocking).keys()
    assert public(blocking).keys() - {"aio"} == public(aio).keys()
    for name in able:
        ours, theirs = public(blocking)[name], public(aio)[name]
        assert not inspect.iscoroutinefunction(ours)
        assert inspect.iscoroutinefunction(theirs)
        assert callable(ours)
        assert callable(theirs)
        assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters
