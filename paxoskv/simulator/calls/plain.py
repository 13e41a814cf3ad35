"""Single keys, put, read, deleted and compared: the black-box checker judges these as well."""

from __future__ import annotations

from paxoskv.client.results import CasResult
from paxoskv.kv import replies
from paxoskv.simulator.calls.desk import Desk
from paxoskv.simulator.calls.translate import record_of, records_of


async def put(desk: Desk) -> None:
    """Put a value."""
    op = desk.open(desk.judge.invoke(desk.process, "put", desk.key(), desk.mark))
    result = await desk.client.put(op.key, op.value)
    desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot))


async def delete(desk: Desk) -> None:
    """Delete a key."""
    op = desk.open(desk.judge.invoke(desk.process, "delete", desk.key()))
    result = await desk.client.delete(op.key)
    desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot, int(result.deleted)))


async def cas(desk: Desk) -> None:
    """Replace what a key perhaps holds."""
    key = desk.key()
    expected = desk.rng.choice([None, b"1.1", desk.judge.last_value(key)])
    op = desk.open(desk.judge.invoke(desk.process, "cas", key, desk.mark, expected))
    if expected is None:
        result = await desk.client.cas(op.key, op.value, absent=True)
    else:
        result = await desk.client.cas(op.key, op.value, expect=expected)
    desk.judge.wrote(op, _cas_reply(result))


async def get(desk: Desk) -> None:
    """Read a key."""
    op = desk.open(desk.judge.invoke(desk.process, "get", desk.key()))
    result = await desk.client.get(op.key, consistency=desk.strict)
    desk.judge.read(op, result.revision, result.slot, record_of(result.entry))


async def stale(desk: Desk) -> None:
    """Read what the node at hand has of a key."""
    op = desk.open(desk.judge.invoke(desk.process, "get", desk.key(), strict=False))
    result = await desk.client.get(op.key, consistency="stale")
    desk.judge.read(op, result.revision, result.slot, record_of(result.entry))


async def some(desk: Desk) -> None:
    """Read the first keys of all."""
    limit, strict = desk.rng.choice((1, 3, 100)), desk.rng.random() < 0.8
    op = desk.open(desk.judge.invoke(desk.process, "range", b"", strict=strict))
    result = await desk.client.range(limit=limit, consistency=desk.strict if strict else "stale")
    desk.judge.ranged(op, result.slot, list(records_of(result.entries)), limit, result.more)


def _cas_reply(result: CasResult) -> replies.Reply:
    if result.succeeded:
        return (replies.APPLIED, result.revision, result.slot)
    return (replies.COMPARE_FAILED, result.revision, result.slot, record_of(result.current))
