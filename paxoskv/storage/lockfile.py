"""One process per data directory (P7): an flock on `directory/lock`, which names its holder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from paxoskv.storage.directory import FILE_MODE, make_directory, usable
from paxoskv.storage.errors import DirectoryInUse

LOCK_NAME = "lock"

_PATIENCE_S = 0.3
"""`holder` takes the lock for a moment to see whether it is free; a starting node outwaits that."""
_RETRY_S = 0.01
_PID_BYTES_MAX = 20


class DirectoryLock:
    """Holds a directory from entry to exit of a `with` block, or until the process dies, however it dies.

    The directory is made if it is missing: the lock comes before everything else in it.
    Raises: DirectoryInUse, naming the holder; DirectoryUnusable.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fd: int | None = None

    def __enter__(self) -> DirectoryLock:
        assert self._fd is None, f"{self._directory} is locked already by this object"
        make_directory(self._directory)
        with usable(self._directory):
            fd = os.open(self._directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                self._acquire(fd)
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            except BaseException:
                os.close(fd)
                raise
        self._fd = fd
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go. The file stays: removing it would let two processes lock two files of one name."""
        assert self._fd is not None, f"{self._directory} is not locked by this object"
        fd, self._fd = self._fd, None
        try:
            os.ftruncate(fd, 0)
        finally:
            os.close(fd)

    def _acquire(self, fd: int) -> None:
        deadline_s = time.monotonic() + _PATIENCE_S
        while not _try_lock(fd, fcntl.LOCK_EX):
            if time.monotonic() > deadline_s:
                pid = _read_pid(fd)
                raise DirectoryInUse(
                    f"data directory {self._directory} is in use by process {pid or 'unknown'}: "
                    "stop that process, or give this node a directory of its own",
                    pid,
                )
            time.sleep(_RETRY_S)


def holder(directory: Path) -> int | None:
    """Return the pid of the process that holds `directory` now, None if nobody does.

    A pid left behind by a dead process is never returned: the kernel dropped its lock with it.
    Raises: DirectoryUnusable.
    """
    with usable(directory):
        try:
            fd = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return None if _try_lock(fd, fcntl.LOCK_SH) else _read_pid(fd)
        finally:
            os.close(fd)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid(fd: int) -> int | None:
    """The pid in the file; None in the moment before a new holder has written it."""
    text = os.pread(fd, _PID_BYTES_MAX, 0).strip()
    return int(text) if text.isdigit() else None
