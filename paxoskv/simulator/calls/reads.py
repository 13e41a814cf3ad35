"""Reads of the past, of ranges in every way, and of what is recent enough."""

from __future__ import annotations

from paxoskv.client.results import Continuation, RangeResult
from paxoskv.errors import Compacted, FutureRevision
from paxoskv.simulator.calls.desk import ANY, COUNTERS, KEYS, TEXTS, Desk
from paxoskv.simulator.calls.translate import record_of, records_of
from paxoskv.simulator.judge import Open
from paxoskv.simulator.past import EVERYTHING, Interval, Record
from paxoskv.simulator.question import Question

_PAGES_MAX = 20
_ALL = [*KEYS, *COUNTERS, *TEXTS, *ANY]


async def past(desk: Desk) -> None:
    """Read what a key held."""
    revision = _some_revision(desk)
    op = desk.open(desk.judge.ask("past", desk.rng.choice(_ALL)))
    try:
        result = await desk.client.get(op.key, revision=revision, consistency=desk.strict)
    except Compacted as error:
        desk.judge.cannot_read(op, revision, error.revision)
    except FutureRevision:
        desk.judge.cannot_read(op, revision, None)
    else:
        desk.judge.read_past(op, revision, result.slot, record_of(result.entry))


async def pages(desk: Desk) -> None:
    """Read a range, page by page, all of them at the revision of the first one."""
    question, continuation = _any_question(desk), None
    entries: list[tuple[bytes, Record]] = []
    slot = revision = 0
    op = desk.open(desk.judge.ask("range"))
    for _ in range(desk.rng.choice((1, 2, _PAGES_MAX))):
        page = await _page(desk, op, question, continuation)
        if page is None:
            return
        entries += records_of(page.entries)
        continuation, revision, slot = page.continuation, page.revision, slot or page.slot
        if continuation is None:
            break
    whole = question._replace(limit=question.limit * _PAGES_MAX)
    desk.judge.paged(op, whole, revision, slot, entries, continuation is not None)


async def count(desk: Desk) -> None:
    """Count the keys of a range."""
    question = Question(_any_interval(desk), modified=_any_bounds(desk))
    op = desk.open(desk.judge.ask("range"))
    start, end = question.interval
    try:
        result = await desk.client.count(start=start, end=end, modified=question.modified, consistency=desk.strict)
    except Compacted as error:
        desk.judge.cannot_read(op, error.revision - 1, error.revision)
    else:
        desk.judge.counted(op, question, result.revision, result.slot, result.keys)


async def many(desk: Desk) -> None:
    """Read several keys at one revision."""
    keys = desk.rng.sample(_ALL, 3)
    op = desk.open(desk.judge.ask("range"))
    try:
        result = await desk.client.get_many(keys, consistency=desk.strict)
    except Compacted as error:
        desk.judge.cannot_read(op, error.revision - 1, error.revision)
    else:
        desk.judge.read_many(op, result.revision, result.slot, keys, result.entries)


async def recent(desk: Desk) -> None:
    """Read from any node what is no older than all that was complete."""
    judge = desk.judge
    least = judge.model.revision_at(judge.floor)
    op = desk.open(judge.ask("get", desk.rng.choice(_ALL), strict=False))
    result = await desk.client.get(op.key, min_revision=least)
    judge.read(op, result.revision, result.slot, record_of(result.entry))
    if result.revision < least:
        judge.complain(f"a read of at least revision {least} was answered at {result.revision}")


async def _page(desk: Desk, op: Open, question: Question, continuation: Continuation | None) -> RangeResult | None:
    """Read a page, or have it judged that it cannot be read."""
    start, end = question.interval
    try:
        return await desk.client.range(
            start=start,
            end=end,
            continuation=continuation,
            limit=question.limit,
            descending=question.descending,
            keys_only=question.keys_only,
            revision=question.revision,
            created=question.created,
            modified=question.modified,
            consistency=desk.strict,
        )
    except Compacted as error:
        asked = continuation.revision if continuation is not None else question.revision
        desk.judge.cannot_read(op, asked, error.revision)
    except FutureRevision:
        desk.judge.cannot_read(op, question.revision, None)
    return None


def _any_question(desk: Desk) -> Question:
    rng = desk.rng
    return Question(
        interval=_any_interval(desk),
        revision=_some_revision(desk) if rng.random() < 0.5 else None,
        limit=rng.choice((1, 2, 50)),
        descending=rng.random() < 0.5,
        keys_only=rng.random() < 0.3,
        created=_any_bounds(desk),
        modified=_any_bounds(desk),
    )


def _any_interval(desk: Desk) -> Interval:
    return desk.rng.choice((EVERYTHING, Interval(b"x", b"y"), Interval(b"c", b"t2"), Interval(desk.key(), b"")))


def _any_bounds(desk: Desk) -> tuple[int, int]:
    revision = _some_revision(desk)
    return desk.rng.choice(((0, 0), (0, 0), (revision, 0), (0, revision)))


def _some_revision(desk: Desk) -> int:
    """Return a revision, rather a recent one, perhaps of the future."""
    newest = desk.judge.model.revision
    return max(1, newest - desk.rng.choice((-3, 0, 0, 1, 3, 10, 30, newest)))
