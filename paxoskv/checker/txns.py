"""Transactions in histories: what they compare and do, what they were answered, and their form in JSON.

    at the invocation   {"if": [["a", "1"], ["b", null]], "then": [["get", "a"], ["put", "b", "2"]], "else": []}
    at ok               {"succeeded": true, "results": ["1", null]}

Each pair of `if` names a key and what it has to hold, null for "it is absent". Steps are get, delete, put with a
value, append with a text and incr with a number in quotes. A result is what a get read or the number that an incr
left, null for the others. All happens at one moment: if every pair holds the steps of `then`, otherwise of `else`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

GET, PUT, DELETE, APPEND, INCR = "get", "put", "delete", "append", "incr"
_ARGUMENTS = {GET: 1, DELETE: 1, PUT: 2, APPEND: 2, INCR: 2}
_INVOKED, _TOLD = {"if", "then", "else"}, {"succeeded", "results"}

Text = Callable[[Any], bytes | None]
"""Reads a text from JSON. Raises: ValueError."""


class Step(NamedTuple):
    """One operation within a transaction. value: None for get and delete."""

    f: str
    key: bytes
    value: bytes | None = None


class Txn(NamedTuple):
    """What a transaction was asked to do."""

    compares: tuple[tuple[bytes, bytes | None], ...]
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...] = ()

    @property
    def keys(self) -> list[bytes]:
        """Every key that it may look at or change, in order."""
        steps = (*self.then, *self.otherwise)
        return sorted({*(key for key, _ in self.compares), *(step.key for step in steps)})


class Told(NamedTuple):
    """What a transaction was answered."""

    succeeded: bool
    results: tuple[bytes | None, ...]


def number_of(value: bytes | None) -> int | None:
    """Return the number that a value is the shortest decimal text of, 0 for an absent key; None if it is no such."""
    if value is None:
        return 0
    try:
        number = int(value)
    except ValueError:
        return None
    return number if str(number).encode() == value else None


def execute(txn: Txn, held: Mapping[bytes, bytes | None]) -> tuple[dict[bytes, bytes | None], Told] | None:
    """Return what the keys hold after a transaction, and its answer; None if it would be refused."""
    after = dict(held)
    succeeded = all(held.get(key) == expected for key, expected in txn.compares)
    results: list[bytes | None] = []
    for f, key, value in txn.then if succeeded else txn.otherwise:
        result: bytes | None = None
        if f == GET:
            result = after.get(key)
        elif f == INCR:
            number, delta = number_of(after.get(key)), number_of(value)
            if number is None or delta is None:
                return None
            result = after[key] = str(number + delta).encode()
        else:
            after[key] = value if f != APPEND else (after.get(key) or b"") + (value or b"")
        results.append(result)
    return after, Told(succeeded, tuple(results))


# In JSON


def parse_txn(raw: Any, text: Text) -> Txn:
    """Return a transaction as its invocation tells it. Raises: ValueError."""
    if not isinstance(raw, dict) or set(raw) - _INVOKED or "then" not in raw:
        raise ValueError(f'the value of a txn is {{"if": ..., "then": ..., "else": ...}}, not {raw!r:.60}')
    compares = tuple(_compare(pair, text) for pair in _array(raw.get("if", [])))
    then, otherwise = (tuple(_step(step, text) for step in _array(raw.get(name, []))) for name in ("then", "else"))
    txn = Txn(compares, then, otherwise)
    if not txn.keys:
        raise ValueError("a txn names at least one key")
    return txn


def parse_told(raw: Any, text: Text) -> Told:
    """Return an answer. Raises: ValueError."""
    if not isinstance(raw, dict) or set(raw) != _TOLD or not isinstance(raw["succeeded"], bool):
        raise ValueError(f'the value of a txn at ok is {{"succeeded": ..., "results": ...}}, not {raw!r:.60}')
    return Told(raw["succeeded"], tuple(text(one) for one in _array(raw["results"])))


def shown(what: Txn | Told, text: Callable[[bytes], str]) -> dict[str, Any]:
    """Return it as JSON; `text` writes a text. Raises: what `text` raises."""
    if isinstance(what, Told):
        results = [None if one is None else text(one) for one in what.results]
        return {"succeeded": what.succeeded, "results": results}
    compares = [[text(key), None if value is None else text(value)] for key, value in what.compares]
    steps = ([list(_words(step, text)) for step in steps] for steps in (what.then, what.otherwise))
    return dict(zip(("if", "then", "else"), (compares, *steps), strict=True))


def _words(step: Step, text: Callable[[bytes], str]) -> Iterator[str]:
    yield step.f
    yield text(step.key)
    if step.value is not None:
        yield text(step.value)


def _array(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise ValueError(f"a txn is made of arrays, not of {raw!r:.60}")
    return raw


def _compare(raw: Any, text: Text) -> tuple[bytes, bytes | None]:
    if len(_array(raw)) != 2:
        raise ValueError(f"a compare of a txn is [key, value], not {raw!r:.60}")
    return _key(raw[0], text), text(raw[1])


def _step(raw: Any, text: Text) -> Step:
    f, *rest = _array(raw) or [None]
    if f not in _ARGUMENTS or len(rest) != _ARGUMENTS[f]:
        raise ValueError(f"a step of a txn is get, delete, put, append or incr with a key and its value: {raw!r:.60}")
    step = Step(f, _key(rest[0], text), text(rest[1]) if len(rest) > 1 else None)
    if len(rest) > 1 and (step.value is None or (f == INCR and number_of(step.value) is None)):
        raise ValueError(f"the value of a {f} is {'a number in quotes' if f == INCR else 'a text'}, not {raw!r:.60}")
    return step


def _key(raw: Any, text: Text) -> bytes:
    key = text(raw)
    if key is None:
        raise ValueError("a key is a text, not null")
    return key
