"""Answers of nodes, checked field by field before a caller sees them (H1). All raise ProtocolError.

Shapes: `paxoskv.net.protocol`. Fields are append-only, so more than we know are welcome.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from paxoskv.client.results import Ballot, Entry
from paxoskv.kv import replies
from paxoskv.net.codec import NUMBER_MAX, blob, items, number, text
from paxoskv.net.protocol import ProtocolError


class WriteAnswer(NamedTuple):
    """reply: (code, revision, slot, ...) as the state machine made it, the first three checked."""

    ballot: Ballot
    reply: tuple[Any, ...]


class GetAnswer(NamedTuple):
    """fields: of the entry without its key; None if the key does not exist."""

    ballot: Ballot
    revision: int
    slot: int
    fields: tuple[Any, ...] | None


class RangeAnswer(NamedTuple):
    """entries: in the order of the keys. more: keys are left after the last."""

    ballot: Ballot
    revision: int
    slot: int
    entries: tuple[Entry, ...]
    more: bool


class Refusal(NamedTuple):
    """An error status and what the node says about it."""

    status: int
    message: str
    retry_after_s: float


def write_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """`[number, OK, ballot, reply]`."""
    _at_least(answer, 4)
    reply = _at_least(items(answer[3]), 3)
    _numbers(reply[:3])
    return WriteAnswer(_ballot(answer[2]), reply)


def delete_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when applied, its reply goes on with 0 or 1: whether the key existed."""
    return _with_number(write_answer(answer))


def session_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when applied, its reply goes on with the id of the new session."""
    return _with_number(write_answer(answer))


def cas_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when the compare failed, its reply goes on with the present record or nil."""
    checked = write_answer(answer)
    if checked.reply[0] == replies.COMPARE_FAILED and _at_least(checked.reply, 4)[3] is not None:
        record_fields(checked.reply[3])
    return checked


def get_answer(answer: tuple[Any, ...]) -> GetAnswer:
    """`[number, OK, ballot, revision, slot, record]`."""
    _at_least(answer, 6)
    record = answer[5]
    fields = None if record is None else record_fields(record)
    return GetAnswer(_ballot(answer[2]), number(answer[3]), number(answer[4]), fields)


def range_answer(answer: tuple[Any, ...]) -> RangeAnswer:
    """`[number, OK, ballot, revision, slot, [[key, record], ...], more]`."""
    _at_least(answer, 7)
    entries = tuple(_entry(raw) for raw in items(answer[5]))
    if answer[6] and not entries:
        raise ProtocolError("an empty page of a range says that more follows")
    return RangeAnswer(_ballot(answer[2]), number(answer[3]), number(answer[4]), entries, bool(answer[6]))


def status_answer(answer: tuple[Any, ...]) -> dict[str, Any]:
    """`[number, OK, {field: value}]`."""
    fields = _at_least(answer, 3)[2]
    if type(fields) is not dict:
        raise ProtocolError(f"a status is a map, not {type(fields).__name__}")
    return fields


def refusal(answer: tuple[Any, ...]) -> Refusal:
    """`[number, status, message, retry_after_ms]`."""
    _at_least(answer, 4)
    return Refusal(number(answer[1]), text(answer[2]), number(answer[3]) / 1000)


def record_fields(record: Any) -> tuple[Any, ...]:
    """`[value, created, modified, version, lease]`: the fields of an entry after its key."""
    fields = _at_least(items(record), 5)[:5]
    blob(fields[0])
    _numbers(fields[1:])
    return fields


def _with_number(answer: WriteAnswer) -> WriteAnswer:
    if answer.reply[0] == replies.APPLIED:
        number(_at_least(answer.reply, 4)[3])
    return answer


def _entry(raw: Any) -> Entry:
    pair = _at_least(items(raw), 2)
    return Entry(blob(pair[0]), *record_fields(pair[1]))


def _ballot(raw: Any) -> Ballot:
    round_, node = _numbers(items(raw, 2))
    return round_, node


def _numbers(raws: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return `raws` if all of them are natural numbers: in one call, since every answer has many of them."""
    for raw in raws:
        if type(raw) is not int or not 0 <= raw <= NUMBER_MAX:
            number(raw)
    return raws


def _at_least(array: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    if len(array) < count:
        raise ProtocolError(f"an answer or a part of it has {len(array)} items where {count} are needed")
    return array
