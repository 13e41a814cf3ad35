"""Space kept on the disk for the day it is full: promises must still find room then (P9)."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from paxoskv.storage.connection import translated_os
from paxoskv.storage.directory import FILE_MODE, sync

BALLAST_NAME = "journal.ballast"
_BLOCK_BYTES = 512
"""Unit of `st_blocks`."""

log = logging.getLogger(__name__)


class Ballast:
    """A file of `size_bytes` that holds nothing; 0: none is wanted.

    is_held: the space is ours. If not, the disk is full, or was when it was last looked at.
    """

    def __init__(self, directory: Path, size_bytes: int) -> None:
        self._path = directory / BALLAST_NAME
        self._size_bytes = size_bytes
        self.is_held = False

    @property
    def is_missing(self) -> bool:
        """Whether it is wanted and not held."""
        return self._size_bytes > 0 and not self.is_held

    async def acquire(self) -> None:
        """Take the space, unless it is held. Raises: DiskFull; JournalFailed."""
        if self.is_missing:
            await asyncio.to_thread(self._allocate)
            self.is_held = True

    async def release(self) -> bool:
        """Give the space to those who need it now; return whether there was any. Raises: JournalFailed."""
        if not self.is_held:
            return False
        self.is_held = False
        await asyncio.to_thread(self._remove)
        log.warning("the reserve on the disk is given up for promises", extra={"bytes": self._size_bytes})
        return True

    def _allocate(self) -> None:
        """The file appears under its name only when all of it is there."""
        with translated_os(self._path):
            if self._path.exists() and _allocated_bytes(self._path) >= self._size_bytes:
                return
            draft = self._path.with_name(f"{BALLAST_NAME}.new")
            try:
                _fill(draft, self._size_bytes)
                draft.rename(self._path)
            finally:
                draft.unlink(missing_ok=True)
            sync(self._path.parent)

    def _remove(self) -> None:
        with translated_os(self._path):
            self._path.unlink(missing_ok=True)
            sync(self._path.parent)


def _allocated_bytes(path: Path) -> int:
    return path.stat().st_blocks * _BLOCK_BYTES


def _fill(path: Path, size_bytes: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        if hasattr(os, "posix_fallocate"):  # absent on macOS
            os.posix_fallocate(fd, 0, size_bytes)
        else:
            os.write(fd, bytes(size_bytes))
        os.fsync(fd)
    finally:
        os.close(fd)
