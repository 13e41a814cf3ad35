"""Transactions as JSON, with the names of fields that documents of results have.

    {"compare": [{"target": "version", "key": "k", "relation": "=", "operand": 0}],
     "then": [{"op": "put", "key": "k", "value": "v"}, {"op": "txn", "compare": [], "then": [], "else": []}],
     "else": [{"op": "get", "key": "k"}]}

A field of bytes may be given as `..._base64` instead. What is not known is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from paxoskv.cli.blobs import from_base64
from paxoskv.cli.txn import fields
from paxoskv.cli.txn.plan import Plan, Step
from paxoskv.client import ops
from paxoskv.errors import BadRequest

DEPTH_MAX = 32
"""Of nested transactions; a store allows fewer."""

_COMPARE = {"key": bytes, "prefix": bytes, "start": bytes, "end": bytes, "target": str, "relation": str}
_KINDS = {bytes: "text", str: "text", int: "a number", bool: "true or false"}


def parse(text: bytes) -> Plan:
    """Return the transaction that a document describes. Raises: BadRequest, with the place in the document."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the transaction is no JSON document: {error}") from None
    return _plan(document, 0)


def _plan(document: Any, depth: int) -> Plan:
    if depth > DEPTH_MAX:
        raise BadRequest("the transactions are nested too deeply")
    if not isinstance(document, dict) or not document.keys() <= {"compare", "then", "else"}:
        raise BadRequest("a transaction is an object with compare, then and else")
    plan = Plan()
    for place, item in _items(document, "compare"):
        with _place(place):
            plan.compare.append(_compare(item))
    for name, branch in (("then", plan.then), ("else", plan.otherwise)):
        for place, item in _items(document, name):
            with _place(place):
                branch.append(_step(item, depth))
    return plan


def _items(document: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a list, each with its place. Raises: BadRequest."""
    items = document.get(name, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadRequest(f"{name} is a list of objects")
    for number, item in enumerate(items):
        yield f"{name}[{number}]", item


def _compare(item: dict[str, Any]) -> ops.Compare:
    target = item.get("target")
    if target not in fields.TARGETS:
        raise BadRequest(f"target is one of {', '.join(fields.TARGETS)}")
    given = _read(item, {**_COMPARE, "operand": int if target in fields.NUMBERS else bytes})
    relation, operand = given.pop("relation", None), given.pop("operand", None)
    return fields.compare(given.pop("target"), given, relation, operand)


def _step(item: dict[str, Any], depth: int) -> Step:
    rest = dict(item)
    op = rest.pop("op", None)
    if op == "txn":
        plan = _plan(rest, depth + 1)
        return Step(op, ops.txn(**plan.arguments()), plan)
    if not isinstance(op, str) or op not in fields.OPERATIONS:
        raise BadRequest(f"op is one of {', '.join(fields.OPERATIONS)}, txn")
    return fields.step(op, _read(rest, fields.OPERATIONS[op]))


def _read(item: dict[str, Any], known: dict[str, type]) -> dict[str, Any]:
    """Return the fields of an object, each of its kind. Raises: BadRequest for one that is not known."""
    given: dict[str, Any] = {}
    for name, value in item.items():
        plain = name.removesuffix("_base64")
        kind = known.get(plain)
        if kind is None or (plain != name and kind is not bytes) or plain in given:
            raise BadRequest(f"field {name!r:.40} does not belong here, or is there twice")
        given[plain] = _value(name, value, kind, plain != name)
    return given


def _value(name: str, value: Any, kind: type, is_base64: bool) -> Any:
    if kind is bytes and isinstance(value, str):
        return _text(value, is_base64)
    if type(value) is kind:
        return value
    raise BadRequest(f"{name} is {_KINDS[kind]}")


def _text(value: str, is_base64: bool) -> bytes:
    try:
        return from_base64(value) if is_base64 else value.encode()
    except click.UsageError as error:
        raise BadRequest(error.message) from None
    except UnicodeEncodeError as error:
        raise BadRequest(f"{error}: give what is no text as base64") from None


@contextmanager
def _place(name: str) -> Iterator[None]:
    """Say in errors where in the document they are."""
    try:
        yield
    except BadRequest as error:
        raise type(error)(f"{name}: {error}") from None
