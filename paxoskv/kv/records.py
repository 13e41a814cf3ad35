"""What a key holds."""

from __future__ import annotations

from typing import Final

Record = tuple[bytes, int, int, int, int]
"""`(value, created, modified, version, lease)`.

created, modified: revisions of its creation and last change. version: writes since its creation, from 1. lease: 0.
A plain tuple: the garbage collector stops tracking tuples of atoms, so that a million of them cost it nothing.
"""

VALUE: Final = 0
CREATED: Final = 1
MODIFIED: Final = 2
VERSION: Final = 3
LEASE: Final = 4
