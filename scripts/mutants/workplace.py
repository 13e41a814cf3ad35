"""A copy of the repository in which a mutant may live, and the verdict of the tests on it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scripts.mutants.mutant import Mutant

COPIED = ("paxoskv", "tests", "scripts", "pyproject.toml")
SETTINGS = ["-q", "-x", "--tb=line", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
HANGS_S = 60.0
"""A single test that takes so long hangs; the slowest takes a few seconds."""
FOUND_NOTHING = 5
"""pytest's exit code when there was no test to run."""

TIMEOUT = "timeout"

_PYTEST = (
    "import os, sys, pytest; code = pytest.main(sys.argv[1:]); sys.stdout.flush(); sys.stderr.flush(); os._exit(code)"
)
"""Ends without waiting for threads: a failed test may leave a database's thread behind, which never ends (P40)."""

_FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - (.*))?$", re.MULTILINE)


_IN_A_TEST = re.compile(r'File ".*?/(tests/.*?)", line \d+ in (test_\w+)')


class BrokenRun(RuntimeError):
    """The tests did not judge: they could not be collected, or pytest itself failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first test that failed, and what it said; test: TIMEOUT if they did not come to an end."""

    test: str
    message: str


class Seeds(NamedTuple):
    """What the simulated world made of a mutant. failed: the first seed that saw it, None if none of `tried` did."""

    failed: int | None
    tried: int
    message: str


class Workplace:
    """One copy of the repository below `directory`; its processes import the copy, not what is installed."""

    def __init__(self, repository: Path, directory: Path) -> None:
        self.root = directory
        self._process: subprocess.Popen[str] | None = None
        ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
        directory.mkdir(parents=True)
        for name in COPIED:
            source = repository / name
            if source.is_dir():
                shutil.copytree(source, directory / name, ignore=ignored)
            elif source.exists():
                shutil.copy2(source, directory / name)

    @contextmanager
    def inhabited_by(self, mutant: Mutant) -> Iterator[None]:
        """Let the mutant live here for the length of the block. Raises: DoesNotApply, SyntaxError."""
        changed = mutant.sources(self.root)
        originals = {path: path.read_text(encoding="utf-8") for path in changed}
        try:
            for path, text in changed.items():
                _replace(path, text)
            yield
        finally:
            for path, text in originals.items():
                _replace(path, text)
            shutil.rmtree(self.root / ".hypothesis", ignore_errors=True)

    def first_failure(self, tests: Sequence[str], timeout_s: float) -> Finding | None:
        """Run tests until one fails; return it, None if none does. Files that do not exist are left out.

        Raises: BrokenRun.
        """
        present = [path for path in tests if (self.root / path.partition("::")[0]).exists()]
        if not present:
            return None
        settings = [*SETTINGS, "-o", f"faulthandler_timeout={HANGS_S:g}"]
        code, output = self.run(["-c", _PYTEST, *settings, *present], timeout_s)
        if code is None:
            return Finding(TIMEOUT, f"the tests did not end within {timeout_s:g} s")
        if code in (0, FOUND_NOTHING):
            return None
        found = _FIRST_FAILURE.search(output)
        if found and "during collection" not in output:
            return Finding(found.group(1), found.group(2) or "")
        hung = _IN_A_TEST.findall(output) if "Timeout (" in output else []  # faulthandler ended the run
        if hung:
            return Finding("::".join(hung[-1]), f"hung for {HANGS_S:g} s")
        raise BrokenRun(f"pytest ended with {code}:\n{output[-2000:]}")

    def seeds_to_kill(self, count: int, timeout_s: float) -> Seeds | None:
        """Live through seeds 1..count in the simulated world; None if there is none here. Raises: BrokenRun."""
        code, output = self.run(["-m", "scripts.mutants.seeds", str(count)], timeout_s)
        lines = output.splitlines()
        tried = sum(line.startswith("seed ") for line in lines)
        if code is None:
            return Seeds(tried, tried, "a seed did not come to an end")
        verdict = lines[-1] if lines else ""
        if code == 0:
            return Seeds(None, tried, "")
        if code == 1 and verdict.startswith("killed "):
            return Seeds(tried, tried, verdict.removeprefix("killed "))
        if code == FOUND_NOTHING:
            return None
        raise BrokenRun(f"the simulated world ended with {code}:\n{output[-2000:]}")

    def run(self, arguments: Sequence[str], timeout_s: float) -> tuple[int | None, str]:
        """Run this interpreter on the copy; return exit code, None for a timeout, and all output."""
        environment = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONHASHSEED": "0"}
        self._process = process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.stop()
            output, _ = process.communicate()
            return None, output
        finally:
            self.stop()
            self._process = None
        return process.returncode, output

    def stop(self) -> None:
        """Kill what runs here, and what it has started."""
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _replace(path: Path, text: str) -> None:
    """Write a source file, and remove what was compiled from the former one: times of files are too coarse to tell."""
    path.write_text(text, encoding="utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()
