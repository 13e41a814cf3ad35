"""Whether the compares of a transaction hold."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from paxoskv.kv import records
from paxoskv.kv.change import Change
from paxoskv.kv.operations import ABSENT, CREATED, EQUAL, LEASE, MODIFIED, VALUE, VERSION, Compare
from paxoskv.kv.records import header, unpack

_HEADER_PLACES = {CREATED: 1, MODIFIED: 2, VERSION: 3, LEASE: 4}
"""Where `records.header` tells what a compare is about."""

_RELATIONS: tuple[Callable[[Any, Any], bool], ...] = (operator.eq, operator.ne, operator.lt, operator.gt)


def holds(change: Change, compare: Compare) -> bool:
    """Whether a compare holds for the state as it is. Raises: Refused, if its interval has too many keys."""
    target, relation, start, end, operand = compare
    if end is None:
        return _holds_for(change.packed(start), target, relation, operand)
    if target == ABSENT:
        return (change.count(start, end) == 0) == (relation == EQUAL)
    keys = change.keys(start, end)
    if not keys:
        return _holds_for(None, target, relation, operand)
    return all(_holds_for(change.packed(key), target, relation, operand) for key in keys)


def _holds_for(packed: bytes | None, target: int, relation: int, operand: Any) -> bool:
    """Compare a record as the store keeps it: only a value has to be copied out of it."""
    if target == ABSENT:
        return (packed is None) == (relation == EQUAL)
    if target == VALUE:
        return packed is not None and _RELATIONS[relation](unpack(packed)[records.VALUE], operand)
    present = header(packed)[_HEADER_PLACES[target]] if packed is not None else 0
    return _RELATIONS[relation](present, operand)
