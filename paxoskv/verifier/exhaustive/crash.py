"""What a power failure leaves of a directory: only what was synced, or some of the rest in torn pieces.

The library under the node keeps the durable image: a file `names` with the entries of the directory at its last sync
(`inode name` a line), and for each inode the content at its last sync.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random

SECTOR_BYTES = 512

Files = Mapping[str, bytes]
"""The files of a directory, by name."""


class Loss(Enum):
    """What becomes of what was written and not synced when a node dies."""

    KEPT = "kept"
    """Only the process died: the system still writes everything."""

    LOST = "lost"
    """All of it is gone, names in the directory too."""

    TORN = "torn"
    """Every sector is either the synced or the latest one; so is the list of names, as a whole."""


@dataclass(frozen=True, slots=True)
class Remains:
    """A directory at the moment of a crash: names (name -> inode) and contents (by inode), latest and synced ones."""

    names: Mapping[str, int]
    contents: Mapping[int, bytes]
    synced_names: Mapping[str, int]
    synced_contents: Mapping[int, bytes]

    def after(self, loss: Loss, random: Random) -> dict[str, bytes]:
        """Return the files that are there when power is back."""
        if loss is Loss.KEPT:
            return {name: self.contents[inode] for name, inode in self.names.items()}
        names = self.synced_names
        if loss is Loss.TORN and random.random() < 0.5:
            names = self.names
        return {name: self._content(inode, loss, random) for name, inode in names.items()}

    def _content(self, inode: int, loss: Loss, random: Random) -> bytes:
        synced = self.synced_contents.get(inode, b"")
        return synced if loss is Loss.LOST else torn(synced, self.contents.get(inode, synced), random)


def torn(old: bytes, new: bytes, random: Random) -> bytes:
    """Return a mixture of two contents of a file, by sectors, its length that of either."""
    size = len(random.choice((old, new)))
    padded = [content.ljust(size, b"\0") for content in (old, new)]
    return b"".join(random.choice(padded)[at : min(at + SECTOR_BYTES, size)] for at in range(0, size, SECTOR_BYTES))


def remains_of(directory: Path, durable: Path) -> Remains:
    """Return what is in `directory` and in its durable image."""
    files = {path.name: path for path in directory.iterdir() if path.is_file()}
    names = {name: path.stat().st_ino for name, path in files.items()}
    return Remains(
        names,
        {names[name]: path.read_bytes() for name, path in files.items()},
        _synced_names(durable),
        {int(path.name): path.read_bytes() for path in durable.iterdir() if path.name.isdigit()},
    )


def read_files(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def write_files(directory: Path, files: Files) -> None:
    """Make a directory that holds `files` and nothing else."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    for name, content in files.items():
        (directory / name).write_bytes(content)


def _synced_names(durable: Path) -> dict[str, int]:
    listing = durable / "names"
    if not listing.exists():
        return {}
    pairs = (line.split(" ", 1) for line in listing.read_text().splitlines())
    return {name: int(inode) for inode, name in pairs}
