"""What came of a transaction, operation by operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from paxoskv.cli.documents import entry_document, optional_document
from paxoskv.cli.txn.plan import Plan, Step
from paxoskv.client import Entry, ops
from paxoskv.client.outcomes import Deleted, Page, Written


def documents(plan: Plan, outcome: ops.Outcome) -> list[dict[str, Any]]:
    """Return a document for each operation of the branch that was carried out."""
    steps = plan.branch(outcome.succeeded)
    return [_document(step, result) for step, result in zip(steps, outcome.results, strict=True)]


def lines(plan: Plan, outcome: ops.Outcome) -> Iterator[bytes]:
    """Yield the same for people."""
    for step, result in zip(plan.branch(outcome.succeeded), outcome.results, strict=True):
        yield from _lines(step, result)


def _document(step: Step, result: Any) -> dict[str, Any]:
    op = {"op": step.op}
    match result:
        case ops.Outcome():
            assert step.plan is not None, f"{step.op} has no outcome"
            return {**op, "succeeded": result.succeeded, "results": documents(step.plan, result)}
        case Written():
            return {**op, "written": result.written, "previous": optional_document(result.previous)}
        case Deleted():
            previous = [entry_document(entry) for entry in result.previous]
            return {**op, "deleted": result.deleted, "more": result.more, "previous": previous}
        case Page():
            entries = [entry_document(entry) for entry in result.entries]
            return {**op, "count": result.keys, "more": result.more, "entries": entries}
        case bool():
            return {**op, "deleted": int(result)}
        case int():
            return {**op, "value" if step.op == "incr" else "size_bytes": result}
        case _:
            return {**op, "entry": optional_document(result)}


def _lines(step: Step, result: Any) -> Iterator[bytes]:
    op = step.op.encode()
    match result:
        case ops.Outcome():
            assert step.plan is not None, f"{step.op} has no outcome"
            yield op + (b": succeeded" if result.succeeded else b": failed")
            for line in lines(step.plan, result):
                yield b"  " + line
        case Written():
            yield op + (b": ok" if result.written else b": not written")
            yield from _entries([result.previous])
        case Deleted():
            yield b"%b: %d%b" % (op, result.deleted, _rest(result.more))
            yield from _entries(result.previous)
        case Page():
            yield b"%b: %d%b" % (op, result.keys, _rest(result.more))
            yield from _entries(result.entries)
        case int():
            yield b"%b: %d" % (op, result)
        case None:
            yield op + b": does not exist"
        case Entry():
            yield op + b": " + result.value


def _entries(entries: Any) -> Iterator[bytes]:
    for entry in entries:
        if entry is not None:
            yield b"  " + entry.key + b"\t" + entry.value


def _rest(more: bool) -> bytes:
    return b", and there are more" if more else b""
