"""Somebody's project, whose tests run in a pytest of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = "paxoskv.pytest_plugin"
PATIENCE_S = 120.0
INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


class Project:
    """Somebody's project: test files, and a place for temporary files to be left in."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = pytester.path
        self.temporary = pytester.path / "temporary"
        self.temporary.mkdir()
        self._pytester = pytester
        monkeypatch.setenv("TMPDIR", str(self.temporary))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS"):
            monkeypatch.delenv(name, raising=False)
        pytester.makeini(INI)

    def write(self, **files: str) -> None:
        """Write test files."""
        self._pytester.makepyfile(**files)

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs the tests; without the plugins of this repository's own run."""
        return [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", "-v", *arguments]

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run the tests."""
        return self._pytester.run(*self.command(*arguments), timeout=PATIENCE_S)

    def left(self) -> list[str]:
        """Return what is left in the place for temporary files, pytest's own aside."""
        return [name for name in os.listdir(self.temporary) if not name.startswith("pytest-of-")]
