"""The proof of a linearizable history: an order of its operations, checked without any search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from paxoskv.checker.model import REFUSED
from paxoskv.checker.models import model_for
from paxoskv.checker.operations import Operation


def flaw(operations: Iterable[Operation], order: Sequence[Operation]) -> str | None:
    """Return why `order` is no linearization of `operations`, all of one key or group of keys; None if it is one."""
    counting = {op.began: op for op in operations if op.counts}
    places = [op.began for op in order]
    placed = set(places)
    if len(placed) != len(places):
        return "an operation stands in the order twice"
    if not placed <= counting.keys():
        return "an operation stands in the order, but not in the history"
    missing = [op for began, op in counting.items() if op.ended is not None and began not in placed]
    if missing:
        return f"an operation does not stand in the order: {missing[0]}"
    return _replay([counting[place] for place in places], list(counting.values()))


def _replay(order: Sequence[Operation], operations: Sequence[Operation]) -> str | None:
    model = model_for(operations, exact=True)
    held = model.initial
    latest = -1
    for operation in order:
        after = model.step(operation, held)
        if after is REFUSED:
            return f"what is held is {held!r}, which does not agree with {operation}"
        held = after
        if operation.ended is not None and operation.ended < latest:
            return f"a later operation of the order was invoked only after the completion of {operation}"
        latest = max(latest, operation.began)
    return None
