"""The kernel's copy of a file: a check that reads what memory remembers proves nothing about the disk (P5, P6)."""

from __future__ import annotations

import os
from pathlib import Path


class PageCache:
    """Lets the kernel forget its copy of the file at `path`, which SQLite opens after this object and closes before it.

    The descriptor is kept as long as SQLite has the file open: closing any descriptor of a file drops all the POSIX
    locks that the process holds on it, SQLite's included.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._is_open = True

    def drop(self) -> None:
        """Forget what is clean; the next read comes from the disk. A hint only. Raises: OSError."""
        if hasattr(os, "posix_fadvise"):  # absent on macOS
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        """Close the descriptor, after SQLite has closed the file; a second call does nothing."""
        if self._is_open:
            self._is_open = False
            os.close(self._fd)
