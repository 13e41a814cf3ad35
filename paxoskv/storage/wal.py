"""Finds commits that SQLite would drop without a word.

SQLite ends its write-ahead log at the first frame that fails its checksum. That is right for what a crash left half
written, and a silent loss of every later commit where a bit has flipped in the middle (P5). The two differ: with
synchronous=FULL the next transaction is written only after the last one is on the disk. So a frame that follows,
by its checksum, on the end of a transaction proves that this transaction was durable.

The format is SQLite's own (https://www.sqlite.org/fileformat2.html, section 4). Damage to the last transaction of
all cannot be told from a half-written one here; peers tell it by the sequence number (P4).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from paxoskv.storage.errors import JournalCorrupt

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24

_MAGICS = {0x377F0682: "<", 0x377F0683: ">"}
"""Magic number -> byte order in which the checksums read their words."""
_MASK = 0xFFFFFFFF

Sums = tuple[int, int]


class _Frame(NamedTuple):
    """ends_transaction: the last frame of one. salts: those of the log's cycle it was written in."""

    ends_transaction: bool
    salts: bytes
    sums: Sums
    summed: bytes


def check_wal(path: Path, page_bytes: int) -> None:
    """Refuse a log in which a durable transaction is damaged. Reads only; a log that is not there is fine.

    Raises: JournalCorrupt; OSError.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return  # no frame was ever written
        order, sums = _check_header(header, path)
        _check_frames(file, path, page_bytes, header[16:24], order, sums)


def _check_header(header: bytes, path: Path) -> tuple[str, Sums]:
    """Return the byte order of the checksums, and the one that the first frame continues."""
    order = _MAGICS.get(int.from_bytes(header[:4], "big"))
    stored: Sums = struct.unpack(">II", header[24:])
    if order is None or _add(order, (0, 0), header[:24]) != stored:
        raise JournalCorrupt(f"{path}: its header is damaged, and every commit in it unreadable. {_REMEDY}")
    return order, stored


def _check_frames(file: BinaryIO, path: Path, page_bytes: int, salts: bytes, order: str, sums: Sums) -> None:
    """Walk all frames; those of earlier cycles of the log carry other salts and count for nothing."""
    broken, after_end, number = False, False, 0
    while frame := _read_frame(file, page_bytes):
        number += 1
        follows = frame.salts == salts and _add(order, sums, frame.summed) == frame.sums
        if broken and after_end and follows:
            raise JournalCorrupt(
                f"{path}: a durable commit before frame {number} is damaged, and SQLite would drop it and every "
                f"later one. {_REMEDY}"
            )
        broken = broken or not follows
        after_end, sums = frame.ends_transaction, frame.sums


def _read_frame(file: BinaryIO, page_bytes: int) -> _Frame | None:
    data = file.read(FRAME_HEADER_BYTES + page_bytes)
    if len(data) < FRAME_HEADER_BYTES + page_bytes:
        return None
    _page, pages_after, salts, sum1, sum2 = struct.unpack_from(">II8sII", data)
    return _Frame(pages_after != 0, salts, (sum1, sum2), data[:8] + data[FRAME_HEADER_BYTES:])


def _add(order: str, sums: Sums, data: bytes) -> Sums:
    """Continue a checksum over `data`, whose length is a multiple of 8."""
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    sum1, sum2 = sums
    for first, second in zip(words[::2], words[1::2], strict=True):
        sum1 = (sum1 + first + sum2) & _MASK
        sum2 = (sum2 + second + sum1) & _MASK
    return sum1, sum2


_REMEDY = "Votes of this node are lost: it must not vote again under this identity. Replace it by a new node"
