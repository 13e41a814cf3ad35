"""Compiles the library and proves, in a process like a node's, that its orders are obeyed here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from paxoskv.testbed.shim.page import Page

COMPILERS = ("cc", "gcc", "clang")
TIMEOUT_S = 300.0
"""For compiling and for probing: some tenths of a second each, but on a very busy machine."""

_PROBE_STEP_S = 1e6

_PROBE = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1] + "/probe.db", isolation_level=None)
connection.execute("PRAGMA synchronous = FULL")
connection.execute("CREATE TABLE t(x)")
print(time.time())
"""
"""SQLite may have been built so that its calls of the C library cannot be intercepted."""


@dataclass(frozen=True, slots=True)
class Shim:
    """The compiled library, or why there is none. trouble: None if it works here."""

    shared_object: Path
    trouble: str | None

    def environment(self, page: Path, directory: Path, durable: Path | None = None) -> dict[str, str]:
        """Return the variables that put the library under a process.

        directory: of the files that disk faults concern. durable: where to keep what a power failure would leave.
        """
        if self.trouble is not None:
            return {}
        chosen = {
            "LD_PRELOAD": str(self.shared_object),
            "PAXOSKV_SHIM_PAGE": str(page),
            "PAXOSKV_SHIM_DIRECTORY": str(directory),
        }
        return chosen if durable is None else {**chosen, "PAXOSKV_SHIM_DURABLE": str(durable)}


def prepare(directory: Path) -> Shim:
    """Compile the library into `directory` and try it. Takes some tenths of a second; never raises for a reason of
    the machine's: the trouble is told in the result."""
    library = directory / "shim.so"
    try:
        return Shim(library, _compile(library) or _probe(library, directory))
    except subprocess.TimeoutExpired as error:
        return Shim(library, f"this machine is too busy: {error}")


def _compile(library: Path) -> str | None:
    if not sys.platform.startswith("linux"):
        return f"needs Linux, this is {sys.platform}"
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return "needs a C compiler (cc), and none is installed"
    source = files("paxoskv.testbed.shim").joinpath("shim.c").read_text()
    command = [compiler, "-O2", "-shared", "-fPIC", "-x", "c", "-o", str(library), "-", "-ldl"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        return f"shim.c does not compile here: {(done.stderr.strip().splitlines() or ['no reason given'])[0]:.200}"
    return None


def _probe(library: Path, directory: Path) -> str | None:
    files_of_probe = directory / "probe"
    files_of_probe.mkdir()
    page = Page(directory / "probe.page")
    page.step_wall_clock(_PROBE_STEP_S)
    orders = Shim(library, None).environment(page.path, files_of_probe)
    try:
        command = [sys.executable, "-c", _PROBE, str(files_of_probe)]
        environment = {**os.environ, **orders}
        done = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT_S, check=False)
        syncs = page.counters.syncs
    finally:
        page.close()
        page.path.unlink()
        shutil.rmtree(files_of_probe)
    if done.returncode:
        return f"a process with the library under it fails: {done.stderr.decode(errors='replace').strip()[-200:]}"
    if not syncs:
        return "SQLite's syncs cannot be intercepted here (it may be linked statically)"
    if abs(float(done.stdout) - time.time() - _PROBE_STEP_S) > _PROBE_STEP_S / 2:
        return "Python's clock cannot be intercepted here"
    return None
