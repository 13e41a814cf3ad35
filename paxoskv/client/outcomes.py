"""Results of the operations in a transaction, checked field by field (H1). All raise ProtocolError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from paxoskv.client import answers
from paxoskv.client.answers import signed as signed_number
from paxoskv.client.results import Entry
from paxoskv.net.codec import items, number
from paxoskv.net.protocol import ProtocolError


class Written(NamedTuple):
    """written: whether the condition held, if there was one. previous: the entry before, if asked for or failed."""

    written: bool = True
    previous: Entry | None = None


_WRITTEN = Written()


class Deleted(NamedTuple):
    """deleted: how many keys. more: keys are left in the range beyond the limit. previous: entries, if asked for."""

    deleted: int
    more: bool
    previous: tuple[Entry, ...]


class Page(NamedTuple):
    """keys: how many are told here. more: the range has others. entries: in the order asked for."""

    keys: int
    more: bool
    entries: tuple[Entry, ...]


def put(raw: Any, scope: bytes) -> Written:
    """`nil`."""
    if raw is not None:
        raise ProtocolError(f"a put in a transaction was answered with {type(raw).__name__}")
    return _WRITTEN


def put_with(name: bytes) -> Callable[[Any, bytes], Written]:
    """`[written, record]`."""

    def decode(raw: Any, scope: bytes) -> Written:
        written, record = items(raw, 2)
        return Written(bool(number(written)), _entry(name, record))

    return decode


def get(name: bytes) -> Callable[[Any, bytes], Entry | None]:
    """A record or nil."""
    return lambda raw, scope: _entry(name, raw)


def flag(raw: Any, scope: bytes) -> bool:
    """0 or 1."""
    return bool(number(raw))


def signed(raw: Any, scope: bytes) -> int:
    """A number of 64 bits with its sign."""
    return signed_number(raw)


def deleted(raw: Any, scope: bytes) -> Deleted:
    """`[deleted, more, [[key, record], ...]]`."""
    count, more, records = items(raw, 3)
    return Deleted(number(count), bool(number(more)), _entries(records, scope))


def page(raw: Any, scope: bytes) -> Page:
    """`[count, more, [[key, record], ...]]`."""
    count, more, records = items(raw, 3)
    return Page(number(count), bool(number(more)), _entries(records, scope))


def branch(raw: Any) -> tuple[bool, tuple[Any, ...]]:
    """`[succeeded, [result, ...]]`."""
    succeeded, results = items(raw, 2)
    return bool(number(succeeded)), items(results)


def miscounted(found: int, expected: int) -> ProtocolError:
    """A branch has one result for each of its operations."""
    return ProtocolError(f"{found} results came for {expected} operations")


def _entry(name: bytes, record: Any) -> Entry | None:
    fields = answers.optional_record(record)
    return None if fields is None else Entry(name, *fields)


def _entries(records: Any, scope: bytes) -> tuple[Entry, ...]:
    return tuple(entry._replace(key=entry.key[len(scope) :]) for entry in answers.entries(records))
