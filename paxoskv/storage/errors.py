"""What can go wrong with a data directory, typed by what the operator must do about it.

Starting is refused by NotBootstrapped, WrongIdentity, UnknownFormat, JournalCorrupt (the node must not vote),
DirectoryInUse and DirectoryUnusable (nothing is lost: correct the circumstances). JournalFailed ends a running node;
DiskFull is waited out, and VoteDamaged repaired from the peers.
"""

from __future__ import annotations


class StorageError(Exception):
    """Base of all errors below. The message says what happened, why, and what to do."""


class NotBootstrapped(StorageError):
    """There is no journal: the node never ran, or its directory was emptied (P3)."""


class WrongIdentity(StorageError):
    """The journal belongs to another cluster or another node (P3, P34)."""


class UnknownFormat(StorageError):
    """The journal was written by a version with another format (P35)."""


class JournalCorrupt(StorageError):
    """The journal lost or changed something this node has said; it must not vote again (P3, P5)."""


class VoteDamaged(StorageError):
    """The row of a chosen slot, sound at the start, cannot be read: it is to be written anew (P5).

    slot: the one whose row is damaged or missing.
    """

    def __init__(self, message: str, slot: int) -> None:
        super().__init__(message)
        self.slot = slot


class JournalFailed(StorageError):
    """The disk failed under the journal: the fate of the last write is unknown, the process must end (P6)."""


class DiskFull(StorageError):
    """The journal cannot grow; nothing was written, and the same write may be tried again (P9)."""


class DirectoryInUse(StorageError):
    """Another process holds the directory.

    pid: the holder, or None if it does not say.
    """

    def __init__(self, message: str, pid: int | None) -> None:
        super().__init__(message)
        self.pid = pid


class DirectoryUnusable(StorageError):
    """The directory cannot be made, read or written: permissions, or a file system that refuses."""
