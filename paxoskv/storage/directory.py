"""The data directory: made private, and made durable (P7)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paxoskv.storage.errors import DirectoryUnusable

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


def make_directory(directory: Path) -> None:
    """Make `directory` and its missing parents, for the owner alone, and make their names durable.

    Raises: DirectoryUnusable.
    """
    with usable(directory):
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            sync(path.parent)
        if not directory.is_dir():
            raise NotADirectoryError(f"{directory} is not a directory")


def sync(path: Path) -> None:
    """Flush a file, or the names in a directory, to the disk. Raises: OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def usable(directory: Path) -> Iterator[None]:
    """Translate the OSErrors of a block into DirectoryUnusable."""
    try:
        yield
    except OSError as error:
        raise DirectoryUnusable(
            f"data directory {directory} cannot be used: {error}. Check its owner, its permissions and its file system"
        ) from error
