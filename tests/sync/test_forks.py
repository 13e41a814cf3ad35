"""A forked child has clients of its own, and leaves its parent's alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.client.fake import FakeNode

PROGRAM = """
import os, sys, warnings
from paxoskv import sync

def child():
    try:
        kv.get("k")
    except RuntimeError as error:
        assert "that forked this one" in str(error), error
    else:
        raise AssertionError("the parent's client works in the child")
    try:
        next(scan)
    except RuntimeError as error:
        assert "that forked this one" in str(error), error
    with sync.connect(sys.argv[1]) as own:
        assert own.get("k").value == b"parent"
        own.put("k", "child")

with sync.connect(sys.argv[1]) as kv:
    kv.put("k", "parent")
    kv.put("k2", "parent")
    scan = kv.scan("k")
    next(scan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, from Python 3.12 on
        pid = os.fork()
    if pid == 0:
        child()
    else:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert kv.get("k").value == b"child"
        assert [entry.key for entry in scan] == [b"k2"]
print(os.getpid() if pid else "child")
"""


@pytest.mark.parametrize("flags", [[], ["-X", "dev"]], ids=["plain", "dev"])
def test_a_child_uses_clients_of_its_own_and_its_parent_goes_on(node: FakeNode, flags: list[str]) -> None:
    """Both leave the `with` block of the parent's client, and both end in order: nothing is reported at their end."""
    command = [sys.executable, *flags, "-W", "ignore::ResourceWarning", "-c", PROGRAM, node.endpoint]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "child"
    assert len(node.received("close")) == 2, "the parent's client and the child's own, each once"
