"""The process of a node, before it is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from paxoskv.node.exits import USAGE


def test_no_node_runs_without_its_invariants(tmp_path: Path) -> None:
    """P45: python -O removes the assertions that stop a node before it says something wrong."""
    command = [sys.executable, "-O", "-m", "paxoskv", "node", "--node", "1", "--cluster", "1=127.0.0.1:1"]
    done = subprocess.run([*command, "--dir", tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == USAGE
    assert "does not run under python -O" in done.stderr
    assert not list(tmp_path.iterdir())
