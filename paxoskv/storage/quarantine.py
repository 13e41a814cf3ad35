"""A directory that must not be used again, marked so that the next start knows without asking anybody (P3, P4)."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from paxoskv.storage.directory import FILE_MODE, sync
from paxoskv.storage.errors import JournalCorrupt

QUARANTINE_NAME = "quarantine"
_REASON_BYTES_MAX = 4096

log = logging.getLogger(__name__)


def quarantine(directory: Path, reason: str) -> None:
    """Note durably why the node of `directory` must not take part again.

    A disk that does not take the note is logged: then the node's peers have to recognise it once more.
    """
    try:
        fd = os.open(directory / QUARANTINE_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        try:
            os.write(fd, reason.encode()[:_REASON_BYTES_MAX])
            os.fsync(fd)
        finally:
            os.close(fd)
        sync(directory)
    except OSError as error:
        log.error("the quarantine could not be noted", extra={"reason": str(error)})


def reason_of_quarantine(directory: Path) -> str | None:
    """Return why `directory` is in quarantine, None if it is not. Raises: OSError."""
    note = directory / QUARANTINE_NAME
    if not note.exists():
        return None
    return note.read_bytes()[:_REASON_BYTES_MAX].decode(errors="replace") or "the note is empty"


def check_quarantine(directory: Path) -> None:
    """Refuse a directory in quarantine. Raises: JournalCorrupt; OSError."""
    reason = reason_of_quarantine(directory)
    if reason is not None:
        raise JournalCorrupt(
            f"{directory} is in quarantine: {reason}. If the original files have been put back, "
            f"remove {directory / QUARANTINE_NAME}"
        )
