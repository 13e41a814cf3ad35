"""Names what is wrong with a contradiction, in the words in which people talk about such errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from paxoskv.checker.events import APPEND, CAS, DELETE, FAIL, GET, INFO, OK
from paxoskv.checker.operations import Operation
from paxoskv.checker.pieces import Pieces
from paxoskv.checker.shrink import seen_by
from paxoskv.checker.unknowns import adds_up, product
from paxoskv.checker.words import held_text, operation_text, sight_text, value_text

PIECES_BYTES_MAX = 100_000
"""Longer values are not taken apart."""


class Cause(NamedTuple):
    """kind: a short name. why: a sentence or two."""

    kind: str
    why: str


def cause_of(contradiction: Sequence[Operation], accused: Operation, operations: Iterable[Operation]) -> Cause:
    """Return what is wrong.

    accused: the operation of the contradiction at whose completion it showed. operations: all of its key.
    """
    case = _Case(contradiction, accused, tuple(operations))
    has_rules = accused.f in (GET, CAS) and not adds_up(case.operations)
    causes = (rule(case) for rule in _RULES) if has_rules else ()
    showed = f"No order explains these operations together; it showed at {operation_text(accused)}."
    return next((cause for cause in causes if cause is not None), Cause("contradiction", showed))


class _Case:
    """A contradiction, and what is asked about it.

    seen: the value that the accused operation found in the key; for a cas whose comparison failed, did not find.
    makers: other operations whose value or text may be all or a part of what was seen, those that failed included.
    """

    def __init__(self, contradiction: Sequence[Operation], accused: Operation, operations: Sequence[Operation]) -> None:
        self.contradiction = contradiction
        self.operations = operations
        self.accused = accused
        self.seen = seen_by(accused)
        self.text = sight_text(accused)
        self.makers = [op for op in operations if op.f != GET and op.began != accused.began]
        self.appends = [op for op in self.makers if op.f == APPEND]

    def earlier(self) -> Iterator[Operation]:
        """Yield the operations of the contradiction that had completed before the accused one began."""
        return (op for op in self.contradiction if op.ended is not None and op.ended < self.accused.began)

    def in_time(self, operation: Operation) -> bool:
        """Whether an operation may have happened before the accused one ended."""
        return operation.outcome in (OK, INFO) and (self.accused.ended is None or operation.began < self.accused.ended)


def _failed_compare(case: _Case) -> Cause | None:
    """A cas failed although the key held what it expected."""
    if not (case.accused.f == CAS and case.accused.outcome == FAIL):
        return None
    return Cause("wrong compare", f"{case.text}, but the key {held_text(case.seen)} all the time that it was open.")


def _never_written(case: _Case) -> Cause | None:
    """A value came from nowhere, from a write that failed, or from one that had not begun."""
    if case.seen is None or Pieces(case.seen, [op for op in case.makers if case.in_time(op)]).possible:
        return None
    happened = [op for op in case.makers if op.outcome in (OK, INFO)]
    if Pieces(case.seen, happened).possible:
        late = next(op for op in happened if _is_part(op, case.seen) and not case.in_time(op))
        return Cause(
            "read from the future", f"{case.text} before it was written: {operation_text(late)} began only later."
        )
    if Pieces(case.seen, case.makers).possible:
        failed = next(op for op in case.makers if op.outcome == FAIL and _is_part(op, case.seen))
        return Cause("aborted read", f"{case.text}, whose write did not happen: {operation_text(failed)}.")
    return Cause("thin-air read", f"{case.text}, which no operation ever wrote.")


def _is_part(operation: Operation, value: bytes) -> bool:
    made = product(operation)
    return made is not None and (made in value if operation.f == APPEND else value.startswith(made))


def _double_compare(case: _Case) -> Cause | None:
    """Two cas found the same value, and both replaced it."""
    rivals = [
        op
        for op in case.contradiction
        if op.f == CAS and op.outcome == OK and op is not case.accused and seen_by(op) == case.seen
    ]
    if case.accused.f != CAS or not rivals:
        return None
    both = f"{operation_text(rivals[0])}, and {operation_text(case.accused)}"
    found = "the key absent" if case.seen is None else value_text(case.seen)
    return Cause("lost update", f"Two cas found {found} and replaced it, but it was not there twice: {both}.")


def _overwritten(case: _Case) -> Cause | None:
    """A value was found although it had been replaced for good before the operation began."""
    done = [op for op in case.makers if op.f != APPEND and product(op) == case.seen and op.outcome in (OK, INFO)]
    if not done and case.seen is not None:
        return None
    ends = [-1 if op.began > _end(case.accused) else _end(op) for op in done]
    last = max(ends, default=-1)
    for op in case.earlier():
        if op.is_observer or op.began < last or (op.f != APPEND and product(op) == case.seen):
            continue
        if case.seen is None:
            why = f"{case.text}, although {operation_text(op)} had completed and nothing has removed it since."
            return Cause("lost write", why)
        if op.f == DELETE:
            return Cause("resurrected value", f"{case.text}, which had been removed before by {operation_text(op)}.")
        kind = "stale read" if case.accused.f == GET else "stale compare"
        return Cause(kind, f"{case.text}, which had been replaced before by {operation_text(op)}.")
    return None


def _end(operation: Operation) -> float:
    """Return where an operation ended, infinity if it may still happen."""
    return float("inf") if operation.ended is None else operation.ended


def _appended(case: _Case) -> Cause | None:
    """A value is made of appends, but not of those that happened, or not as often."""
    if case.seen is None or not case.appends or len(case.seen) > PIECES_BYTES_MAX:
        return None
    pieces = Pieces(case.seen, case.makers)
    times = Counter(op.value for op in case.appends)
    for op in case.appends:
        text = product(op)
        assert text is not None, f"an append has a text: {op}"
        if case.seen.count(text) > times[text] and (found := pieces.counts(text).fewest) > times[text]:
            often = "once" if times[text] == 1 else f"{times[text]} times"
            why = f"{case.text}, which holds {value_text(text)} {found} times, appended only {often}"
            return Cause("duplicated append", f"{why}: {operation_text(op)}.")
    for op in case.earlier():
        if op.f == APPEND and pieces.counts(product(op) or b"").most == 0:
            return Cause("lost append", f"{case.text}, without what had been appended before: {operation_text(op)}.")
    if not any(op.f == APPEND for op in case.contradiction):
        return None
    return Cause("reordered appends", f"{case.text}: the appends cannot have happened in this order.")


def _going_back(case: _Case) -> Cause | None:
    """Reads one after another saw values in an order in which they were not written."""
    looked = [op for op in case.earlier() if op.is_observer or op.f == CAS]
    if not looked:
        return None
    told = "; ".join(sight_text(op) for op in (*looked, case.accused))
    return Cause("reads go back", f"The key cannot have held these values in this order: {told}.")


def _impossible(case: _Case) -> Cause | None:
    """A value could only come from operations that cannot have been executed themselves."""
    others = [op for op in case.contradiction if op is not case.accused]
    if any(op.f != CAS or product(op) != case.seen for op in others):
        return None
    return Cause("impossible value", f"{case.text}, but what could have left it so cannot have happened before.")


_RULES = (_failed_compare, _never_written, _double_compare, _overwritten, _appended, _going_back, _impossible)
"""The plainest first; each says None if it does not apply."""
