"""The verdict as a JSON document, with keys and values as histories write them."""

from __future__ import annotations

from typing import Any

from paxoskv.checker.counterexample import Counterexample
from paxoskv.checker.events import text_field
from paxoskv.checker.judge import KeyVerdict, Verdict
from paxoskv.checker.operations import Operation
from paxoskv.checker.revisions import Disorder


def verdict_document(verdict: Verdict, wall_s: float) -> dict[str, Any]:
    """Return what `paxoskv check -o json` prints. wall_s: what the judgement took."""
    found = verdict.counterexample
    return {
        "linearizable": verdict.linearizable,
        "ops": verdict.operations,
        "keys": len(verdict.keys),
        "wall_s": round(wall_s, 3),
        "counterexample": None if found is None else counterexample_document(found),
        "acceptable": verdict.acceptable,
        "unknown": verdict.unknown,
        "steps": sum(key.steps for key in verdict.keys),
        "wrong_keys": [_key(key) for key in verdict.keys if key.linearizable is False],
        "undecided_keys": [_key(key) for key in verdict.keys if key.linearizable is None],
        "revisions": verdict.revisions.status,
        "revisions_checked": verdict.revisions.checked,
        "revision_problems": [_disorder(disorder) for disorder in verdict.revisions.disorders],
    }


def counterexample_document(found: Counterexample) -> dict[str, Any]:
    """Return a contradiction. `accused` is the number of the operation, from 0, at whose completion it showed."""
    return {
        "kind": found.kind,
        "why": found.why,
        **text_field("key", found.accused.key),
        "operations": [operation_document(op) for op in found.operations],
        "accused": next(place for place, op in enumerate(found.operations) if op.began == found.accused.began),
        "right_answers": [text_field("value", answer) for answer in found.right_answers],
        "context": len(found.context),
    }


def operation_document(operation: Operation) -> dict[str, Any]:
    """Return an operation. `value` is what it was given, `result` what a get has read."""
    return {
        "line": operation.line,
        "process": operation.process,
        "f": operation.f,
        **text_field("key", operation.key),
        **text_field("value", operation.value),
        **text_field("result", operation.result),
        **({} if operation.txn is None else {**text_field("txn", operation.txn), **text_field("told", operation.told)}),
        "outcome": operation.outcome,
        "invoked_ns": operation.invoked_ns,
        "completed_ns": operation.completed_ns,
        "revision": operation.revision,
        "slot": operation.slot,
        "error": operation.error,
    }


def _key(key: KeyVerdict) -> dict[str, Any]:
    return {**text_field("key", key.key), "ops": key.operations, "steps": key.steps}


def _disorder(disorder: Disorder) -> dict[str, Any]:
    operations = [operation_document(op) for op in disorder.operations]
    return {"kind": disorder.kind, "why": disorder.why, "operations": operations}
