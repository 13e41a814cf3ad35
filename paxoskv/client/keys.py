"""Keys, values and bounds as callers write them, turned into the bytes that travel."""

from __future__ import annotations

from typing import NamedTuple

from paxoskv.errors import BadRequest
from paxoskv.net.codec import NUMBER_MAX

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
    prefix: str | bytes | None, start: str | bytes | None, end: str | bytes | None, scope: bytes = b""
) -> Interval:
    """Return the interval meant by a prefix, or by `start` and `end`, among the keys that begin with `scope`.

    Raises: BadRequest if a prefix is combined with bounds; TypeError.
    """
    if prefix is not None and (start is not None or end is not None):
        raise BadRequest("a range has a prefix or start and end, not both")
    if prefix is not None:
        first = scope + to_bytes("prefix", prefix)
        return Interval(first, prefix_end(first))
    last = UNBOUNDED if end is None else to_bytes("end", end)
    first = scope + (b"" if start is None else to_bytes("start", start))
    return Interval(first, prefix_end(scope) if last == UNBOUNDED else scope + last)


def to_revision(what: str, given: int) -> int:
    """Return a revision that a caller names. Raises: BadRequest, TypeError."""
    if type(given) is not int:
        raise TypeError(f"the {what} must be an int, not {type(given).__name__}")
    if not 0 <= given <= NUMBER_MAX:
        raise BadRequest(f"the {what} is {given}: revisions are numbers from 0 to 2**63 - 1")
    return given


def to_limit(given: int) -> int:
    """Return a limit of keys, 0 for none. Raises: BadRequest, TypeError."""
    if type(given) is not int:
        raise TypeError(f"the limit must be an int, not {type(given).__name__}")
    if not 0 <= given <= NUMBER_MAX:
        raise BadRequest(f"the limit is {given}: it is a number from 0 (no limit) to 2**63 - 1")
    return given


def to_delta(given: int) -> int:
    """Return what is to be added to a number. Raises: BadRequest, TypeError."""
    if type(given) is not int:
        raise TypeError(f"what is added must be an int, not {type(given).__name__}")
    if not -NUMBER_MAX - 1 <= given <= NUMBER_MAX:
        raise BadRequest(f"{given} cannot be added: numbers have 64 bits, with their sign")
    return given
