"""Keys, values and bounds as callers write them, turned into the bytes that travel."""

from __future__ import annotations

from typing import NamedTuple

from paxoskv.errors import BadRequest

UNBOUNDED = b""
"""As the end of an interval: the end of all keys."""


class Interval(NamedTuple):
    """The keys `start <= key < end`."""

    start: bytes
    end: bytes


def to_bytes(what: str, given: str | bytes) -> bytes:
    """Return `given`, text as UTF-8; `what` names it in errors.

    Raises: TypeError for anything but str and bytes, BadRequest for text that UTF-8 cannot encode.
    """
    if isinstance(given, bytes):
        return given
    if not isinstance(given, str):
        raise TypeError(f"the {what} must be str or bytes, not {type(given).__name__}")
    try:
        return given.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"the {what} is not valid text: {error}; pass bytes instead") from None


def to_key(key: str | bytes) -> bytes:
    """Return `key` as bytes. Raises: TypeError, BadRequest if it is empty."""
    encoded = to_bytes("key", key)
    if not encoded:
        raise BadRequest("the key is empty: a key has at least 1 byte")
    return encoded


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key after all keys that begin with `prefix`, UNBOUNDED if there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else UNBOUNDED


def interval(
    prefix: str | bytes | None, start: str | bytes | None, end: str | bytes | None, after: bytes | None
) -> Interval:
    """Return the interval meant by a prefix, or by `start` and `end`, narrowed to what follows the key `after`.

    Raises: BadRequest if a prefix is combined with bounds; TypeError.
    """
    if prefix is not None and (start is not None or end is not None):
        raise BadRequest("a range has a prefix or start and end, not both")
    if prefix is not None:
        first = to_bytes("prefix", prefix)
        whole = Interval(first, prefix_end(first))
    else:
        first = b"" if start is None else to_bytes("start", start)
        whole = Interval(first, UNBOUNDED if end is None else to_bytes("end", end))
    if after is None:
        return whole
    return Interval(max(whole.start, to_bytes("key after which to go on", after) + b"\0"), whole.end)
