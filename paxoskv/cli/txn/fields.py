"""What the operations and compares of a transaction may say, and what becomes of it.

A field is bytes, a number or a flag. Which keys are meant is said by `key`, by `prefix`, or by `start` and `end`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from paxoskv.cli.txn.plan import Step
from paxoskv.client import ops
from paxoskv.errors import BadRequest

Fields = Mapping[str, Any]

_SPAN = {"prefix": bytes, "start": bytes, "end": bytes}

OPERATIONS: dict[str, dict[str, type]] = {
    "put": {
        "key": bytes,
        "value": bytes,
        "lease": int,
        "keep_lease": bool,
        "if_absent": bool,
        "if_present": bool,
        "previous": bool,
    },
    "get": {"key": bytes},
    "delete": {"key": bytes, **_SPAN, "limit": int, "previous": bool},
    "range": {**_SPAN, "limit": int, "descending": bool, "keys_only": bool, "count": bool},
    "incr": {"key": bytes, "by": int},
    "append": {"key": bytes, "text": bytes},
}
"""Name of an operation -> its fields."""

REQUIRED = {"put": ("key", "value"), "get": ("key",), "incr": ("key",), "append": ("key", "text")}

NUMBERS = {"version": ops.version, "created": ops.created, "modified": ops.modified, "lease": ops.lease}
TARGETS = ("value", *NUMBERS, "absent", "present")
RELATIONS: dict[str | None, ops.Relation] = {relation: relation for relation in get_args(ops.Relation)}


def step(op: str, fields: Fields) -> Step:
    """Return an operation. Raises: BadRequest."""
    for name in REQUIRED.get(op, ()):
        if name not in fields:
            raise BadRequest(f"{op} needs its {name}")
    if op == "delete" and "key" in fields:
        return Step(op, _delete_one(fields))
    return Step(op, _MAKE[op](**fields))


def _delete_one(fields: Fields) -> ops.Operation[Any]:
    """Return the deletion of one key, in the form that tells what it was if that is asked for."""
    if len(fields) == 1:
        return ops.delete(fields["key"])
    if fields.keys() != {"key", "previous"}:
        raise BadRequest("delete of one key goes with no other field than previous")
    key = fields["key"]
    return ops.delete_range(start=key, end=key + b"\0", previous=fields["previous"])


def _append(key: bytes, text: bytes) -> ops.Operation[Any]:
    return ops.append(key, text)


def _range(count: bool = False, **others: Any) -> ops.Operation[Any]:
    return ops.range(count_only=count, **others)


_MAKE: dict[str, Callable[..., ops.Operation[Any]]] = {
    "put": ops.put,
    "get": ops.get,
    "delete": ops.delete_range,
    "range": _range,
    "incr": ops.incr,
    "append": _append,
}


def compare(target: str, span: Fields, relation: str | None, operand: bytes | int | None) -> ops.Compare:
    """Return a compare. span: key, prefix, or start and end. Raises: BadRequest."""
    where = _where(span)
    if target in ("absent", "present"):
        if relation is not None or operand is not None:
            raise BadRequest(f"{target} is all: nothing is compared with it")
        return ops.absent(where) if target == "absent" else ops.present(where)
    how = RELATIONS.get(relation)
    if how is None or operand is None:
        raise BadRequest(f"{target} is compared by =, !=, < or > with something")
    if target == "value":
        if not isinstance(operand, bytes):
            raise BadRequest("a value is compared with text")
        return ops.value(where, how, operand)
    if not isinstance(operand, int):
        raise BadRequest(f"{target} is compared with a number")
    return NUMBERS[target](where, how, operand)


def _where(span: Fields) -> bytes | ops.Keys:
    if not span:
        raise BadRequest("a compare needs a key, a prefix, or start and end")
    if "key" not in span:
        return ops.keys(**span)
    if len(span) > 1:
        raise BadRequest("a compare has a key, a prefix, or start and end: not several of them")
    key: bytes = span["key"]
    return key
