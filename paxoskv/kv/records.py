"""What a key holds: a tuple for those who look at it, one bytes object in the store's memory.

Of a tuple every write would touch half a dozen small objects, spread over all memory: with a million keys that costs
as much as all else about the write. One object also takes less room, and the garbage collector never looks at it.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

Record = tuple[bytes, int, int, int, int]
"""`(value, created, modified, version, lease)`.

created, modified: revisions of its creation and last change. version: writes since its creation, from 1. lease: 0.
"""

VALUE: Final = 0
CREATED: Final = 1
MODIFIED: Final = 2
VERSION: Final = 3
LEASE: Final = 4

_HEADER = Struct(">5Q")

header: Final = _HEADER.unpack_from
"""Returns (digest, created, modified, version, lease) of a packed record. A write needs not read the value then."""


def pack(digest: int, created: int, modified: int, version: int, lease: int, value: bytes) -> bytes:
    """Return a record as the store keeps it."""
    return _HEADER.pack(digest, created, modified, version, lease) + value


def unpack(packed: bytes) -> Record:
    """Return a packed record as a tuple."""
    _, created, modified, version, lease = _HEADER.unpack_from(packed)
    return packed[_HEADER.size :], created, modified, version, lease


def unpack_bare(packed: bytes) -> Record:
    """Return a packed record as a tuple without its value."""
    _, created, modified, version, lease = _HEADER.unpack_from(packed)
    return b"", created, modified, version, lease
