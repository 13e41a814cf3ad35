"""Node processes of a local cluster: start, find, signal, wait. The lock of a data directory names its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paxoskv.cli.local.layout import Layout
from paxoskv.node.config import settings
from paxoskv.storage.lockfile import holder

LOG_BYTES_MAX = 16 << 20
"""A log longer than this when its node starts is put aside; the one put aside before is dropped."""

KILL_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 10.0
_POLL_S = 0.02
_TAIL_BYTES = 4096
_TAIL_LINES = 5


@dataclass(frozen=True, slots=True)
class Started:
    """A node that this command has started. log_offset: where its output begins in the log."""

    node: int
    process: subprocess.Popen[bytes]
    log: Path
    log_offset: int

    def tail(self) -> list[str]:
        """Return the last lines of what this process has said."""
        with self.log.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(self.log_offset, end - _TAIL_BYTES))
            lines = stream.read(_TAIL_BYTES).decode(errors="replace").splitlines()
        return lines[-_TAIL_LINES:]


def start(layout: Layout, node: int) -> Started:
    """Start a node in a session of its own, so that neither Ctrl-C nor the end of our terminal reaches it."""
    log = layout.log_file(node)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".log.1"))
    command = [sys.executable, "-m", "paxoskv", "node"]
    command += ["--config", str(layout.config_file(node)), "--dir", str(layout.data(node))]
    with log.open("ab") as output:
        offset = output.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(),
            start_new_session=True,
        )
    return Started(node, process, log, offset)


def pid_of(layout: Layout, node: int) -> int | None:
    """Return the process of a node, None if it does not run."""
    return holder(layout.data(node))


def running(layout: Layout) -> dict[int, int]:
    """Return node -> pid of the nodes that run."""
    pids = {node: pid_of(layout, node) for node in layout.nodes}
    return {node: pid for node, pid in pids.items() if pid is not None}


def send(layout: Layout, node: int, signal_number: int) -> int | None:
    """Signal the process of a node and return its pid; None if it does not run.

    The handle is taken before the lock is looked at again, so the signal cannot reach a successor of the pid.
    """
    pid = pid_of(layout, node)
    if pid is None:
        return None
    if not hasattr(os, "pidfd_open"):  # elsewhere than on Linux the look at the lock has to do
        os.kill(pid, signal_number)
        return pid
    try:
        handle = os.pidfd_open(pid)
        try:
            if pid_of(layout, node) != pid:
                return None
            signal.pidfd_send_signal(handle, signal_number)
        finally:
            os.close(handle)
    except ProcessLookupError:
        return None
    return pid


def state_of(pid: int | None) -> str:
    """Return `down`, `running`, or `paused` where the system tells (Linux)."""
    if pid is None:
        return "down"
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "running"
    return "paused" if stat.rpartition(")")[2].split()[0] == "T" else "running"


def wait_gone(layout: Layout, nodes: Iterable[int], timeout_s: float) -> list[int]:
    """Wait until the nodes do not run any more; return those that still do after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    left = list(nodes)
    while True:
        left = [node for node in left if pid_of(layout, node) is not None]
        if not left or time.monotonic() > deadline_s:
            return left
        time.sleep(_POLL_S)


def stop_all(layout: Layout) -> dict[int, str]:
    """Stop every node that runs; return how each of them ended: `stopped`, or `killed` when it took too long.

    A paused node gets its SIGTERM as soon as it goes on.
    """
    nodes = sorted(running(layout))
    for node in nodes:
        send(layout, node, signal.SIGTERM)
        send(layout, node, signal.SIGCONT)
    stubborn = wait_gone(layout, nodes, STOP_TIMEOUT_S)
    for node in stubborn:
        send(layout, node, signal.SIGKILL)
    wait_gone(layout, stubborn, KILL_TIMEOUT_S)
    return {node: "killed" if node in stubborn else "stopped" for node in nodes}


def explain_exit(code: int) -> str:
    """Return in words how a process ended, by its exit code as `Popen` gives it."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    meaning = {0: "stopped", 2: "wrong configuration", 5: "corrupt or quarantined", 6: "disk failed"}.get(code)
    return f"exit code {code}" + (f" ({meaning})" if meaning else "")


def _environment() -> dict[str, str]:
    """Return our environment without settings of nodes: they would override what the cluster was born with."""
    ours = {setting.variable for setting in settings().values()}
    return {name: value for name, value in os.environ.items() if name not in ours}
