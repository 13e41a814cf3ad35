"""Writes beyond put, cas and delete."""

from __future__ import annotations

from random import Random
from typing import Any

from paxoskv.kv import operations as raw
from paxoskv.kv import replies, requests
from paxoskv.simulator.calls.desk import ACCOUNTS, ANY, COUNTERS, TEXTS, Desk
from paxoskv.simulator.calls.translate import as_client_txn, as_raw_results, put_options, record_of, records_of

_HUGE = (1 << 63) - 3
_DEPTH_MAX = 3
_FIELDS = (raw.CREATED, raw.MODIFIED, raw.VERSION, raw.LEASE)


async def incr(desk: Desk) -> None:
    """Count."""
    key, delta = desk.rng.choice(COUNTERS), desk.rng.choice((1, 1, 5, -2, _HUGE))
    op = desk.open(desk.judge.attempt("incr", key, b"", raw.incr(key, delta)))
    result = await desk.settle(op, desk.client.incr(key, delta))
    if result is not None:
        desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot, result.value))


async def append(desk: Desk) -> None:
    """Let a text grow."""
    key, text = desk.rng.choice(TEXTS), b"<%s>" % desk.mark
    op = desk.open(desk.judge.attempt("append", key, text, raw.append(key, text)))
    result = await desk.settle(op, desk.client.append(key, text))
    if result is not None:
        desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot, result.size_bytes))


async def transfer(desk: Desk) -> None:
    """Move an amount between two accounts, or only look at all of them."""
    giver, taker = desk.rng.sample(ACCOUNTS, 2)
    amount = desk.rng.randrange(1, 100)
    moves: list[raw.Operation] = [raw.incr(giver, -amount), raw.incr(taker, amount)] if desk.rng.random() < 0.7 else []
    everything = raw.read_range(ACCOUNTS[0], ACCOUNTS[-1] + b"\0")
    results = await _transact(desk, raw.txn((), [*moves, everything]))
    if results is not None:
        total = sum(int(record[0]) for _, record in results[1][-1][2])
        if total and not results[1][-1][1]:
            desk.judge.complain(f"the accounts hold {total} together: {results}")


async def txn(desk: Desk) -> None:
    """Any transaction."""
    await _transact(desk, _any_txn(desk))


async def single(desk: Desk) -> None:
    """Put under conditions, or delete a range."""
    if desk.rng.random() < 0.6:
        await _put_with(desk)
    else:
        await _delete_range(desk)


async def compact(desk: Desk) -> None:
    """Forget the past, seldom all of it, sometimes what is not past yet."""
    revision = max(0, desk.judge.model.revision - desk.rng.choice((-50, 0, 5, 20, 50)))
    op = desk.open(desk.judge.attempt("write", b"", b"", (requests.COMPACT, revision)))
    result = await desk.settle(op, desk.client.compact(revision))
    if result is not None:
        desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot))


async def _transact(desk: Desk, deed: raw.Operation) -> tuple[int, tuple[Any, ...]] | None:
    """Carry out a transaction; return succeeded and results, None if it was refused."""
    op = desk.open(desk.judge.attempt("write", b"", b"", deed))
    compare, then, otherwise = as_client_txn(deed)
    result = await desk.settle(op, desk.client.txn(compare=compare, then=then, otherwise=otherwise))
    if result is None:
        return None
    results = as_raw_results(deed, result)
    desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot, *results))
    return results


async def _put_with(desk: Desk) -> None:
    key, options = desk.rng.choice(ANY), _options(desk.rng)
    op = desk.open(desk.judge.attempt("write", key, desk.mark, raw.put_with(key, desk.mark, 0, options)))
    result = await desk.settle(op, desk.client.put(key, desk.mark, **put_options(options)))
    if result is not None:
        code = replies.APPLIED if result.written else replies.COMPARE_FAILED
        desk.judge.wrote(op, (code, result.revision, result.slot, record_of(result.previous)))


async def _delete_range(desk: Desk) -> None:
    (start, end), limit, previous = _interval(desk.rng), desk.rng.choice((0, 0, 2)), desk.rng.random() < 0.5
    op = desk.open(desk.judge.attempt("write", b"", b"", raw.delete_range(start, end, limit, int(previous))))
    deletion = desk.client.delete_range(start=start, end=end, limit=limit, previous=previous)
    result = await desk.settle(op, deletion)
    if result is not None:
        told = result.deleted, int(result.more), records_of(result.previous)
        desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot, *told))


# Transactions of chance


def _any_txn(desk: Desk, depth: int = 1) -> raw.Operation:
    then, otherwise = ([_any_operation(desk, depth) for _ in range(desk.rng.randrange(5))] for _ in range(2))
    return raw.txn([_any_compare(desk) for _ in range(desk.rng.choice((0, 1, 1, 2)))], then, otherwise)


def _any_operation(desk: Desk, depth: int) -> raw.Operation:
    rng, key = desk.rng, desk.rng.choice(ANY)
    if depth < _DEPTH_MAX and rng.random() < 0.1:
        return _any_txn(desk, depth + 1)
    match rng.randrange(9):
        case 0 | 1:
            return raw.put(key, desk.value(), rng.choice((0, 0, *list(desk.judge.leases)[-3:])))
        case 2:
            return raw.put_with(key, desk.value(), 0, _options(rng))
        case 3:
            return raw.delete(key)
        case 4:
            return raw.delete_range(*_interval(rng), rng.choice((0, 1)), rng.randrange(2))
        case 5:
            return raw.append(key, desk.value())
        case 6:
            return raw.get(key)
        case 7:
            return raw.read_range(*_interval(rng), rng.choice((0, 2)), rng.randrange(8))
        case _:
            return raw.incr(rng.choice((key, b"x0", b"x0")), rng.choice((1, -3, _HUGE)))


def _any_compare(desk: Desk) -> raw.Compare:
    rng = desk.rng
    key, target = rng.choice(ANY), rng.randrange(6)
    end = rng.choice((None, None, key + b"\0", b"y"))
    if target == raw.ABSENT:
        return raw.compare(target, rng.randrange(2), key, None, end)
    record = desk.judge.model.record_at(key, desk.judge.applied_slot)
    if target == raw.VALUE:
        return raw.compare(target, rng.randrange(4), key, record[0] if record else b"?", end)
    present = record[1:][_FIELDS.index(target)] if record else 0
    return raw.compare(target, rng.randrange(4), key, max(0, present + rng.choice((0, 0, -1))), end)


def _interval(rng: Random) -> tuple[bytes, bytes]:
    start = rng.choice(ANY)
    return start, rng.choice((start + b"\0", ANY[2], ANY[-1], b"y"))


def _options(rng: Random) -> int:
    condition = rng.choice((0, raw.IF_ABSENT, raw.IF_PRESENT))
    return condition | rng.choice((0, raw.PREVIOUS)) | rng.choice((0, raw.KEEP_LEASE)) or raw.PREVIOUS
