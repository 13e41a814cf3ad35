"""The order that the replies themselves claim: one revision for every change, checked over all keys at once.

Where replies carry `revision`, and `slot`, no search is needed. Executed in the order of the revisions, every reply
must agree, and no operation may carry a lower place than one that had completed before it began (pitfalls D, the
revision-guided checker). This sees what single keys do not: an order across keys, and a number handed out twice.

What the numbers mean. `revision`: of a change its own, of what changed nothing that of the store at that moment.
`slot`: of a command where it was applied, the same for all of a batch; of a get the last slot applied before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from paxoskv.checker.events import GET
from paxoskv.checker.operations import Operation
from paxoskv.checker.replay import Mismatch, Replayed, is_stamped, replay
from paxoskv.checker.words import held_text, operation_text, value_text

OK = "ok"
VIOLATED = "violated"
ABSENT = "absent"
UNDECIDED = "undecided"

DISORDERS_MAX = 20
"""So many are kept; one is enough to reject a history."""


class Disorder(NamedTuple):
    """Operations whose revisions or slots contradict what happened.

    kind: wrong reply, shared revision, real time or slot. why: a sentence.
    """

    kind: str
    why: str
    operations: tuple[Operation, ...]


class RevisionReport(NamedTuple):
    """status: OK, VIOLATED, ABSENT if no reply carries a revision, UNDECIDED if there were too many unknown outcomes.

    checked: operations that carry a revision. orders: for each key whose replies agree, the order that was claimed.
    """

    status: str
    checked: int
    disorders: tuple[Disorder, ...]
    orders: dict[bytes, tuple[Operation, ...]]


class _Placed(NamedTuple):
    """An operation and its place in an order: not before `low`, not after `high`."""

    operation: Operation
    low: int
    high: int


def check_revisions(by_key: Mapping[bytes, Sequence[Operation]]) -> RevisionReport:
    """Check the revisions and slots of a whole history, given by key."""
    stamped = [op for operations in by_key.values() for op in operations if is_stamped(op)]
    if not stamped:
        return RevisionReport(ABSENT, 0, (), {})
    changes = [op for op in stamped if op.surely_changes]
    taken = sorted({_revision(op) for op in changes})
    replays = {key: replay(operations, taken) for key, operations in by_key.items()}
    changes += [op for replayed in replays.values() for op in replayed.deletes]
    disorders = list(_disorders(stamped, changes, replays))[:DISORDERS_MAX]
    undecided = any(not replayed.complete for replayed in replays.values())
    status = VIOLATED if disorders else UNDECIDED if undecided else OK
    orders = {key: replayed.order for key, replayed in replays.items() if replayed.order}
    return RevisionReport(status, len(stamped), tuple(disorders), orders)


def _disorders(
    stamped: Sequence[Operation], changes: Sequence[Operation], replays: Mapping[bytes, Replayed]
) -> Iterator[Disorder]:
    """Yield all that is wrong, the plainest first."""
    for replayed in replays.values():
        if replayed.mismatch is not None:
            yield _wrong_reply(replayed.mismatch)
    yield from _shared(changes)
    own = {op.began for op in changes}
    yield from _against_real_time(stamped, own)
    with_slot = [op for op in stamped if op.slot is not None]
    yield from _slots_against_real_time(with_slot)
    yield from _slots_against_revisions(with_slot, own)


def _wrong_reply(mismatch: Mismatch) -> Disorder:
    op = mismatch.operation
    held = " or ".join(sorted(map(held_text, mismatch.possible)))
    what = "its keys" if op.txn is not None else f"the key {value_text(op.key)}"
    why = f"The {operation_text(op)} carries revision {op.revision}, but there {what} {held}."
    return Disorder("wrong reply", why, (op,))


def _shared(changes: Iterable[Operation]) -> Iterator[Disorder]:
    owner: dict[int, Operation] = {}
    for op in changes:
        first = owner.setdefault(_revision(op), op)
        if first is not op:
            why = f"Two changes carry revision {op.revision}: {operation_text(first)}, and {operation_text(op)}."
            yield Disorder("shared revision", why, (first, op))


def _against_real_time(stamped: Sequence[Operation], own: set[int]) -> Iterator[Disorder]:
    """Look for an operation with a lower revision than one that completed before it began.

    own: `began` of the changes. A change stands before what carries the same revision; of a delete it may be unknown.
    """
    placed = [
        _Placed(
            op,
            low=2 * _revision(op) + (op.began not in own and op.is_observer),
            high=2 * _revision(op) + (op.began not in own),
        )
        for op in stamped
    ]
    for earlier, later in _inversions(placed):
        why = (
            f"The {operation_text(later)} carries revision {later.revision}, although an operation with revision "
            f"{earlier.revision} had completed before it began: {operation_text(earlier)}."
        )
        yield Disorder("real time", why, (earlier, later))


def _slots_against_real_time(stamped: Sequence[Operation]) -> Iterator[Disorder]:
    """Look for a command in no later slot than one that had been answered before the command was sent."""
    placed = [_Placed(op, low=_slot(op), high=_slot(op) - (op.f != GET)) for op in stamped]
    for earlier, later in _inversions(placed):
        why = (
            f"The {operation_text(later)} carries slot {later.slot}, although an operation with slot {earlier.slot} "
            f"had completed before it began: {operation_text(earlier)}."
        )
        yield Disorder("slot", why, (earlier, later))


def _inversions(placed: Sequence[_Placed]) -> Iterator[tuple[Operation, Operation]]:
    """Yield (earlier, later) where `earlier` completed before `later` began, but must stand behind it."""
    events: list[tuple[int, bool, int]] = []
    for number, (op, _, _) in enumerate(placed):
        assert op.ended is not None, f"a reply with a revision has arrived: {op}"
        events += [(op.began, False, number), (op.ended, True, number)]
    last: _Placed | None = None
    for _, is_completion, number in sorted(events):
        item = placed[number]
        if is_completion:
            last = item if last is None or item.low > last.low else last
        elif last is not None and last.low > item.high:
            yield last.operation, item.operation


def _slots_against_revisions(stamped: Sequence[Operation], own: set[int]) -> Iterator[Disorder]:
    """Look for replies whose revision and slot do not belong together.

    A delete of which it is not known whether it removed something says nothing here.
    """
    known = [op for op in stamped if op.began in own or op.is_observer]
    known.sort(key=lambda op: (_revision(op), op.began not in own))
    yield from _too_early(known, own)
    yield from _left_out(known, own)


def _too_early(ordered: Iterable[Operation], own: set[int]) -> Iterator[Disorder]:
    last: Operation | None = None
    for op in ordered:
        if last is not None and _slot(last) > _slot(op):
            why = (
                f"The {operation_text(op)} carries revision {op.revision} and slot {op.slot}, "
                f"but {operation_text(last)}, which has the lower or equal revision {last.revision}, "
                f"was applied later, in slot {last.slot}."
            )
            yield Disorder("slot", why, (last, op))
        if op.began in own and (last is None or _slot(op) > _slot(last)):
            last = op


def _left_out(ordered: Sequence[Operation], own: set[int]) -> Iterator[Disorder]:
    """Look for a reply from a slot that includes a change of a higher revision than the reply's own."""
    following: Operation | None = None
    for op in reversed(ordered):
        if op.began in own:
            following = op if following is None or _slot(op) <= _slot(following) else following
        elif following is not None and _slot(following) < _slot(op) + (op.f == GET):
            why = (
                f"The {operation_text(op)} carries slot {op.slot} and only revision {op.revision}, "
                f"but {operation_text(following)} made revision {following.revision} in slot {following.slot}."
            )
            yield Disorder("slot", why, (following, op))


def _revision(operation: Operation) -> int:
    assert operation.revision is not None, f"only operations with a revision are compared by it, not {operation}"
    return operation.revision


def _slot(operation: Operation) -> int:
    assert operation.slot is not None, f"only operations with a slot are compared by it, not {operation}"
    return operation.slot
