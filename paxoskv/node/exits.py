"""Why a node's process ends, and with which code."""

from __future__ import annotations

from paxoskv.storage.errors import DirectoryInUse, DirectoryUnusable, DiskFull, JournalFailed, StorageError

OK = 0
USAGE = 2
"""The operator has to change something: a flag, a file, permissions, a port in use, a directory that another process
holds, a disk that is full before anything is on it."""
QUARANTINED = 5
"""The directory is damaged, emptied, or not this node's: it must not vote. The message names the remedy."""
JOURNAL_FAILED = 6
"""The disk failed under the journal (P6): nothing more was promised; a restart checks what is there."""
BUG = 70
"""A task died of an error that nobody foresaw (P38): better no node than half a node."""


class NodeFailure(Exception):
    """The node has to end with `code`; the message is for the operator."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Quarantined(NodeFailure):
    """Peers know that this node has lost something it had said. It stays out, whoever runs next time (P3, P4)."""

    def __init__(self, message: str) -> None:
        super().__init__(QUARANTINED, message)


def as_failure(error: StorageError) -> NodeFailure:
    """Translate what the storage says, at the start or in any task, into an exit code."""
    match error:
        case DirectoryInUse() | DirectoryUnusable() | DiskFull():
            return NodeFailure(USAGE, str(error))
        case JournalFailed():
            return NodeFailure(JOURNAL_FAILED, str(error))
        case _:
            return NodeFailure(QUARANTINED, str(error))
