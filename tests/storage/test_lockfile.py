"""One process per directory (P7, R26)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paxoskv.storage.errors import DirectoryInUse, DirectoryUnusable
from paxoskv.storage.lockfile import DirectoryLock, holder

HOLD = """
import sys
from pathlib import Path
from paxoskv.storage.lockfile import DirectoryLock
with DirectoryLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of `tmp_path` until its stdin is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_holds_the_directory(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    with pytest.raises(DirectoryInUse, match=rf"{tmp_path} is in use by process {other.pid}") as refusal:
        DirectoryLock(tmp_path).__enter__()
    assert refusal.value.pid == other.pid
    assert holder(tmp_path) == other.pid


def test_a_killed_holder_leaves_no_lock_and_its_pid_is_never_named(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / "lock").read_text() == f"{other.pid}\n"
    assert holder(tmp_path) is None
    with DirectoryLock(tmp_path):
        assert holder(tmp_path) == os.getpid()


def test_the_lock_ends_with_its_block(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    for _ in range(2):
        with lock:
            assert holder(tmp_path) == os.getpid()
            with pytest.raises(DirectoryInUse, match=f"process {os.getpid()}"):
                DirectoryLock(tmp_path).__enter__()
        assert holder(tmp_path) is None


def test_a_missing_directory_has_no_holder_and_is_made_private_by_the_lock(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "deep"
    assert holder(directory) is None
    with DirectoryLock(directory):
        assert directory.stat().st_mode & 0o777 == 0o700
        assert (directory / "lock").stat().st_mode & 0o777 == 0o600


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(DirectoryUnusable, match="is not a directory"):
        DirectoryLock(tmp_path / "file").__enter__()
    with pytest.raises(DirectoryUnusable, match="Check its owner"):
        holder(tmp_path / "file")
