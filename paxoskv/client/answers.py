"""Answers of nodes, checked field by field before a caller sees them (H1). All raise ProtocolError.

Shapes: `paxoskv.net.protocol`. Fields are append-only, so more than we know are welcome.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from paxoskv.client.results import Ballot, Entry, LeaseInfo
from paxoskv.kv import replies
from paxoskv.net import protocol
from paxoskv.net.codec import NUMBER_BITS, NUMBER_MAX, blob, items, number, text
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
    age_s: float | None


class RangeAnswer(NamedTuple):
    """entries: in the order asked for. matches: how many. resume: the bound of the next page, None for the last."""

    ballot: Ballot
    revision: int
    slot: int
    entries: tuple[Entry, ...]
    matches: int
    resume: bytes | None
    age_s: float | None


class SyncAnswer(NamedTuple):
    """Where the store stands."""

    ballot: Ballot
    revision: int
    slot: int


class Refusal(NamedTuple):
    """An error status and what the node says about it. detail: the number that some statuses come with."""

    status: int
    message: str
    retry_after_s: float
    detail: int = 0


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


def signed_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when applied, its reply goes on with a signed number."""
    checked = write_answer(answer)
    if checked.reply[0] == replies.APPLIED:
        signed(_at_least(checked.reply, 4)[3])
    return checked


def put_with_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; applied or not, its reply goes on with a record or nil."""
    checked = write_answer(answer)
    if checked.reply[0] in (replies.APPLIED, replies.COMPARE_FAILED):
        optional_record(_at_least(checked.reply, 4)[3])
    return checked


def delete_range_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when applied, its reply goes on with a count, 0 or 1, and records."""
    checked = write_answer(answer)
    if checked.reply[0] == replies.APPLIED:
        _numbers(_at_least(checked.reply, 6)[3:5])
        entries(checked.reply[5])
    return checked


def grant_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when applied, its reply goes on with the id of a lease and its time to live."""
    checked = write_answer(answer)
    if checked.reply[0] == replies.APPLIED:
        _numbers(_at_least(checked.reply, 5)[3:5])
    return checked


def keep_alive_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when applied, its reply goes on with the times to live, 0 for a lease that does not exist."""
    checked = write_answer(answer)
    if checked.reply[0] == replies.APPLIED:
        _numbers(items(_at_least(checked.reply, 4)[3]))
    return checked


def txn_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when applied, its reply goes on with 0 or 1, and results that are checked one by one later."""
    checked = write_answer(answer)
    if checked.reply[0] == replies.APPLIED:
        number(_at_least(checked.reply, 5)[3])
        items(checked.reply[4])
    return checked


def cas_answer(answer: tuple[Any, ...]) -> WriteAnswer:
    """A write answer; when the compare failed, its reply goes on with the present record or nil."""
    checked = write_answer(answer)
    if checked.reply[0] == replies.COMPARE_FAILED:
        optional_record(_at_least(checked.reply, 4)[3])
    return checked


def get_answer(answer: tuple[Any, ...]) -> GetAnswer:
    """`[number, OK, ballot, revision, slot, record, age_ms]`."""
    _at_least(answer, 6)
    record = answer[5]
    fields = None if record is None else record_fields(record)
    age_s = _age_s(answer, 6) if len(answer) > 6 else None
    return GetAnswer(_ballot(answer[2]), number(answer[3]), number(answer[4]), fields, age_s)


def range_answer(answer: tuple[Any, ...]) -> RangeAnswer:
    """`[number, OK, ballot, revision, slot, [[key, record], ...], count, resume, age_ms]`."""
    _at_least(answer, 8)
    resume = None if answer[7] is None else blob(answer[7])
    ballot, revision, slot = sync_answer(answer)
    return RangeAnswer(ballot, revision, slot, entries(answer[5]), number(answer[6]), resume, _age_s(answer, 8))


def sync_answer(answer: tuple[Any, ...]) -> SyncAnswer:
    """`[number, OK, ballot, revision, slot]`: how the answers to all reads begin."""
    _at_least(answer, 5)
    return SyncAnswer(_ballot(answer[2]), number(answer[3]), number(answer[4]))


def lease_answer(answer: tuple[Any, ...]) -> tuple[LeaseInfo | None, bool]:
    """`[number, OK, ballot, revision, slot, lease, [key, ...], more]`; return the lease, and whether it has more."""
    _at_least(answer, 8)
    if answer[5] is None:
        return None, False
    keys = tuple(blob(key) for key in items(answer[6]))
    return _lease(answer[5])._replace(keys=keys), bool(answer[7])


def leases_answer(answer: tuple[Any, ...]) -> tuple[tuple[LeaseInfo, ...], bool]:
    """`[number, OK, ballot, revision, slot, [lease, ...], more]`; return the leases, and whether there are more."""
    _at_least(answer, 7)
    leases = tuple(_lease(raw) for raw in items(answer[5]))
    if answer[6] and not leases:
        raise ProtocolError("an empty page of leases says that more follow")
    return leases, bool(answer[6])


def status_answer(answer: tuple[Any, ...]) -> dict[str, Any]:
    """`[number, OK, {field: value}]`."""
    fields = _at_least(answer, 3)[2]
    if type(fields) is not dict:
        raise ProtocolError(f"a status is a map, not {type(fields).__name__}")
    return fields


_DETAILED = (protocol.COMPACTED, protocol.FUTURE_REVISION)


def refusal(answer: tuple[Any, ...]) -> Refusal:
    """`[number, status, message, retry_after_ms, detail]`."""
    _at_least(answer, 4)
    detail = number(_at_least(answer, 5)[4]) if answer[1] in _DETAILED else 0
    return Refusal(number(answer[1]), text(answer[2]), number(answer[3]) / 1000, detail)


def entries(raw: Any) -> tuple[Entry, ...]:
    """`[[key, record], ...]`."""
    return tuple(_entry(one) for one in items(raw))


def optional_record(raw: Any) -> tuple[Any, ...] | None:
    """A record or nil."""
    return None if raw is None else record_fields(raw)


def signed(raw: Any) -> int:
    """Return `raw` if it is a number of 64 bits with its sign."""
    if type(raw) is not int or not -NUMBER_MAX - 1 <= raw <= NUMBER_MAX:
        raise ProtocolError(f"expected a signed number of 64 bits, got {type(raw).__name__} {raw!r:.60}")
    return raw


def record_fields(record: Any) -> tuple[Any, ...]:
    """`[value, created, modified, version, lease]`: the fields of an entry after its key."""
    fields = record if type(record) is tuple and len(record) == 5 else _at_least(items(record), 5)[:5]
    value, created, modified, version, lease = fields
    are_numbers = type(created) is type(modified) is type(version) is type(lease) is int
    if type(value) is not bytes or not are_numbers or (created | modified | version | lease) >> NUMBER_BITS:
        blob(value)
        _numbers(fields[1:])
    return fields


def _with_number(answer: WriteAnswer) -> WriteAnswer:
    if answer.reply[0] == replies.APPLIED:
        number(_at_least(answer.reply, 4)[3])
    return answer


def _entry(raw: Any) -> Entry:
    pair = _at_least(items(raw), 2)
    return Entry(blob(pair[0]), *record_fields(pair[1]))


def _lease(raw: Any) -> LeaseInfo:
    """`[lease, ttl_ms, remaining_ms, key_count]`."""
    lease, ttl_ms, remaining_ms, key_count = _numbers(_at_least(items(raw), 4)[:4])
    return LeaseInfo(lease, ttl_ms / 1000, remaining_ms / 1000, key_count)


def _age_s(answer: tuple[Any, ...], at: int) -> float | None:
    """Return the age that follows the other fields of some reads, None without one."""
    return None if len(answer) <= at or answer[at] is None else number(answer[at]) / 1000


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
