"""Digests of 64 bits by which replicas notice that they differ; no protection against forgery.

A digest of the contents is the sum of the digests of their records modulo 2**64: it does not depend on the order in
which they were written, and one write changes one summand. A digest of a history is a chain of `mix` steps.
Nothing here depends on the process, the platform or PYTHONHASHSEED (P26, P44).
"""

from __future__ import annotations

from zlib import crc32

MASK = (1 << 64) - 1
"""Reduces modulo 2**64; a mask of the sum of a few digests is enough, they need none of their own."""

_ODD = 0x9E3779B97F4A7C15
_CREATED = 0xBF58476D1CE4E5B9
_VERSION = 0x94D049BB133111EB
_LEASE = 0xD6E8FEB86659FD93


def mix(digest: int, number: int) -> int:
    """Return the digest after one more step. For a given digest, two numbers below 2**64 never give the same."""
    spread = (digest + number) * _ODD & MASK
    return spread ^ spread >> 29


def of_record(key: bytes, value: bytes, created: int, modified: int, version: int, lease: int) -> int:
    """Return the digest of one record; a difference of one byte, or in one number, always gives another one."""
    summed = (crc32(key) << 32 | crc32(value)) + created * _CREATED + version * _VERSION + lease * _LEASE
    spread = (summed + modified * _ODD) * _ODD & MASK
    return spread ^ spread >> 29
