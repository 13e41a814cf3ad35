"""How operations and values are called in messages."""

from __future__ import annotations

from collections.abc import Sequence

from paxoskv.checker.events import CAS, FAIL, GET, INCR, INFO
from paxoskv.checker.groups import Group
from paxoskv.checker.model import HIDDEN, State
from paxoskv.checker.operations import Operation
from paxoskv.checker.txns import Step

VALUE_SHOWN_MAX = 40
ANSWERS_SHOWN_MAX = 5
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def value_text(value: State) -> str:
    """Return a value, or a key, in quotes and shortened; `absent` for none."""
    if value is HIDDEN:
        return "another value"
    if value is None:
        return "absent"
    text = value.decode(errors="backslashreplace")
    return repr(text if len(text) <= VALUE_SHOWN_MAX else f"{text[:VALUE_SHOWN_MAX]}...")


def count_text(number: int, noun: str) -> str:
    """Return `1 key`, `4,000 keys`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def held_text(value: State | Group) -> str:
    """Return the end of the sentence "the key ...": `held '1'`, `was absent`; of several: `held '1' and nothing`."""
    if isinstance(value, tuple):
        return "held " + " and ".join("nothing" if one is None else value_text(one) for one in value)
    return "was absent" if value is None else f"held {value_text(value)}"


def answers_text(values: Sequence[State]) -> str:
    """Return a choice of values, there is at least one: `'1', '2' or absent`, `'1', '2', '3', '4', '5' or 3 others`."""
    shown = [value_text(value) for value in values[:ANSWERS_SHOWN_MAX]]
    if len(values) > len(shown):
        shown.append(f"{len(values) - len(shown)} others")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def call_text(operation: Operation) -> str:
    """Return what was called: `put '1'`, `cas '1' to '2'`, `get`."""
    if operation.txn is not None:
        return _txn_text(operation)
    if isinstance(operation.value, tuple):
        expected, new = operation.value
        return f"{operation.f} {value_text(expected)} to {value_text(new)}"
    return operation.f if operation.value is None else f"{operation.f} {value_text(operation.value)}"


def _txn_text(operation: Operation) -> str:
    """Return a transaction: `txn if a = '1' then get a, put b '2' else nothing`."""
    txn = operation.txn
    assert txn is not None, f"not a transaction: {operation}"
    held = [f"{value_text(key)} = {value_text(value)}" for key, value in txn.compares]
    condition = f" if {' and '.join(held)} then" if held else ""
    otherwise = f" else {_steps_text(txn.otherwise)}" if txn.otherwise else ""
    return f"txn{condition} {_steps_text(txn.then)}{otherwise}"


def _steps_text(steps: Sequence[Step]) -> str:
    words = [f"{f} {value_text(key)}{'' if value is None else f' {value_text(value)}'}" for f, key, value in steps]
    return ", ".join(words) or "nothing"


def outcome_text(operation: Operation) -> str:
    """Return what came of it: what was read, counted or found, `ok`, `compare failed`, `failed`, `unknown`."""
    if operation.outcome == INFO:
        return "unknown"
    if operation.outcome == FAIL:
        return "compare failed" if operation.f == CAS and operation.error is None else "failed"
    if operation.told is not None:
        told = [value_text(one) for one in operation.told.results if one is not None]
        return ", ".join(["then" if operation.told.succeeded else "else", *told])
    return value_text(operation.result) if operation.f in (GET, INCR) else "ok"


def operation_text(operation: Operation) -> str:
    """Return all of it in a phrase: `get of process 3 (line 17, answered '1')`."""
    outcome = outcome_text(operation)
    if operation.outcome == INFO:
        outcome = "outcome unknown"
    elif outcome != "ok" and operation.outcome != FAIL:
        outcome = f"answered {outcome}"
    told = "" if outcome == "ok" else f", {outcome}"
    return f"{call_text(operation)} of process {operation.process} (line {operation.line}{told})"


def sight_text(operation: Operation) -> str:
    """Return the beginning of a sentence about what a get or a cas saw: `Process 3 read '1' (line 17)`."""
    who = f"rocess {operation.process}"
    seen = operation.value[0] if isinstance(operation.value, tuple) else operation.result
    if operation.f == GET:
        return f"P{who} {'found the key' if seen is None else 'read'} {value_text(seen)} (line {operation.line})"
    found = "did not find" if operation.outcome == FAIL else "found"
    return f"The cas of p{who} {found} {'the key ' if seen is None else ''}{value_text(seen)} (line {operation.line})"


def elapsed_text(time_ns: int, since_ns: int) -> str:
    """Return the time since another one, in the unit that suits it: `80 ns`, `12.5 µs`, `3.200 ms`, `17.345 s`."""
    elapsed_ns = time_ns - since_ns
    if elapsed_ns < NS_PER_US:
        return f"{elapsed_ns} ns"
    if elapsed_ns < NS_PER_MS:
        return f"{elapsed_ns / NS_PER_US:.1f} µs"
    if elapsed_ns < NS_PER_S:
        return f"{elapsed_ns / NS_PER_MS:.3f} ms"
    return f"{elapsed_ns / NS_PER_S:,.3f} s"


def completion_text(operation: Operation, since_ns: int) -> str:
    """Return when an operation completed, or its client gave up, after another time."""
    return "never" if operation.completed_ns is None else elapsed_text(operation.completed_ns, since_ns)


def number_text(number: int | None) -> str:
    """Return a revision or a slot, nothing if there is none."""
    return "" if number is None else str(number)
