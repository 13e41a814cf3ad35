"""The blocking client has the face of the asyncio client: its names, arguments, results, and types."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from typing import Any, assert_type

import pytest

import paxoskv
from paxoskv import client as aio
from paxoskv import sync
from tests.client.fake import FakeNode
from tests.support import PortLease

PARTS = ["Lease", "Store", "TypedStore", "Watch"]
RECIPES = ["Barrier", "Cache", "Claim", "Counter", "Election", "Lock", "Queue", "RWLock", "Registration", "Semaphore"]
MODULE_NAMES = ["Client", "connect", "node_status", *PARTS, *RECIPES]


def public(thing: object) -> dict[str, Any]:
    """Return the attributes that are meant for users."""
    return {name: value for name, value in inspect.getmembers(thing) if not name.startswith("_")}


def parameters(call: Any) -> list[tuple[str, object, object, object]]:
    """Return name, kind, default and annotation of each parameter."""
    found = inspect.signature(call).parameters.values()
    return [(each.name, each.kind, each.default, each.annotation) for each in found]


def test_it_has_every_name_of_the_asyncio_client_and_no_other() -> None:
    """A call that the asyncio client learns needs its line in the blocking one."""
    assert public(sync.Client).keys() == public(aio.Client).keys()


@pytest.mark.parametrize("name", sorted(public(aio.Client)))
def test_every_call_has_the_arguments_and_the_text_of_the_asyncio_one(name: str) -> None:
    ours, theirs = getattr(sync.Client, name), getattr(aio.Client, name)
    assert parameters(ours) == parameters(theirs)
    assert ours.__doc__ == theirs.__doc__
    assert not inspect.iscoroutinefunction(ours)


@pytest.mark.parametrize("name", PARTS + RECIPES)
def test_what_a_client_makes_has_every_name_of_the_asyncio_one_with_its_arguments(name: str) -> None:
    ours, theirs = getattr(sync, name), getattr(aio, name)
    assert public(ours).keys() == public(theirs).keys()
    for attribute, call in public(theirs).items():
        if callable(call):
            assert parameters(getattr(ours, attribute)) == parameters(call), attribute
            assert not inspect.iscoroutinefunction(getattr(ours, attribute))


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_made_with_the_same_arguments(name: str) -> None:
    def named(thing: type) -> list[tuple[str, object]]:
        return [(each.name, each.default) for each in inspect.signature(thing).parameters.values()]

    if name != "Claim":  # made by a queue
        assert named(getattr(sync, name)) == named(getattr(aio, name))


@pytest.mark.parametrize("name", ["connect", "node_status"])
def test_what_makes_clients_has_the_same_arguments(name: str) -> None:
    assert parameters(getattr(sync, name)) == parameters(getattr(aio, name))


def test_the_module_offers_what_it_should() -> None:
    assert set(sync.__all__) == {*MODULE_NAMES, "Lost"}
    assert set(MODULE_NAMES) <= set(aio.__all__)
    assert paxoskv.sync is sync


def test_types_are_those_of_the_asyncio_client(node: FakeNode) -> None:
    """`make check` verifies the types, this run the values."""
    with sync.connect(node.endpoint) as kv:
        assert_type(kv, sync.Client)
        assert assert_type(kv.put("k", b"v"), paxoskv.PutResult).revision == 1
        assert assert_type(kv.get("k", consistency="stale"), paxoskv.GetResult).value == b"v"
        assert assert_type(kv.cas("k", "w", expect="v"), paxoskv.CasResult).succeeded
        assert [entry.key for entry in assert_type(kv.scan("k"), Iterator[paxoskv.Entry])] == [b"k"]
        assert assert_type(kv.range("k", limit=1), paxoskv.RangeResult).entries[0].value == b"w"
        assert assert_type(kv.delete("k"), paxoskv.DeleteResult).deleted
        assert assert_type(kv.status(), dict[str, Any])["role"] == "leader"
    assert sync.node_status(node.endpoint)["node"] == 1


def test_wrong_arguments_are_told_as_python_tells_them(node: FakeNode) -> None:
    unknown: Any = {"colour": "blue"}
    with sync.connect(node.endpoint) as kv, pytest.raises(TypeError, match="colour"):
        kv.put("k", "v", **unknown)
    with pytest.raises(paxoskv.BadRequest, match="timeout_s"):
        sync.connect("a:1", timeout_s=0)


def test_a_client_that_is_not_entered_or_closed_says_so(node: FakeNode) -> None:
    kv = sync.connect(node.endpoint)
    with pytest.raises(RuntimeError, match="not entered: use it in a `with`"):
        kv.get("k")
    with kv:
        kv.get("k")
    with pytest.raises(RuntimeError, match="the client is closed"):
        kv.get("k")
    with sync.connect(node.endpoint), pytest.raises(RuntimeError, match="the client is closed"):
        kv.get("k")  # also while the loop goes on for others
    with pytest.raises(RuntimeError, match="entered once"), kv:
        pytest.fail("connect again for another one")


def test_the_loop_ends_with_the_last_client(node: FakeNode) -> None:
    before = set(threading.enumerate())
    with sync.connect(node.endpoint) as one:
        with sync.connect(node.endpoint) as other:
            assert one.put("k", "v").revision == 1
            assert other.get("k").value == b"v"
            assert len(set(threading.enumerate()) - before) == 1
        assert one.get("k").value == b"v"
    assert set(threading.enumerate()) <= before


def test_a_client_that_nobody_answers_leaves_no_thread(ports: PortLease) -> None:
    before = set(threading.enumerate())
    with pytest.raises(paxoskv.Unavailable, match="no node answered"):
        sync.connect(f"127.0.0.1:{ports.take(1)[0]}", timeout_s=0.1).__enter__()
    assert set(threading.enumerate()) <= before


def test_a_scan_may_be_left_early_and_outlive_its_client(node: FakeNode) -> None:
    with sync.connect(node.endpoint) as kv:
        for number in range(3):
            kv.put(f"k{number}", "v")
        for entry in kv.scan("k"):
            assert entry.key == b"k0"
            break
        late = kv.scan("k")
        assert next(late).key == b"k0"
    with pytest.raises(RuntimeError, match="closed"):
        next(late)
