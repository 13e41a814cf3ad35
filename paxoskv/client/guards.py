"""Writes under guards: a transaction around one operation, whose reply becomes that of the operation (P27)."""

from __future__ import annotations

from typing import Any

from paxoskv.client import answers
from paxoskv.client.operation import Parse
from paxoskv.errors import GuardFailed
from paxoskv.kv import operations, replies
from paxoskv.net.codec import items
from paxoskv.net.protocol import ProtocolError


def guarded_parse(op: int, parse: Parse) -> Parse:
    """Return how to read the answer of `txn(guards, [operation])`: as `parse` reads that of the operation alone.

    The result is a GuardFailed, as a value, if a guard did not hold.
    """

    def parse_guarded(answer: tuple[Any, ...]) -> Any:
        _, (code, revision, slot, *more) = answers.txn_answer(answer)
        if code != replies.APPLIED:
            return parse((*answer[:3], (code, revision, slot, *_places_alone(op, more))))
        if not more[0]:
            return GuardFailed("nothing was written: the guard does not hold any more")
        return parse((*answer[:3], _alone(op, revision, slot, items(more[1], 1)[0])))

    return parse_guarded


def _places_alone(op: int, places: list[Any]) -> list[Any]:
    """Return which operation a refusal names, as the transaction that was guarded counts them; nothing otherwise."""
    if op != operations.TXN:
        return []
    return [place - 1 if type(place) is int and place > 0 else place for place in places]


def _alone(op: int, revision: int, slot: int, result: Any) -> tuple[Any, ...]:
    """Return the reply that an operation would have got outside a transaction."""
    if op == operations.PUT:
        return replies.APPLIED, revision, slot
    if op == operations.PUT_WITH:
        written, record = items(result, 2)
        return (replies.APPLIED if written else replies.COMPARE_FAILED), revision, slot, record
    if op in (operations.DELETE_RANGE, operations.TXN):
        return replies.APPLIED, revision, slot, *items(result)
    if type(result) is not int:
        raise ProtocolError(f"operation {op} was answered with {type(result).__name__}")
    return replies.APPLIED, revision, slot, result
