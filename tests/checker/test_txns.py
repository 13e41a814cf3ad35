"""Counters and transactions: right histories pass, wrong ones are rejected, by the search and by the revisions."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest

from paxoskv.checker import BadEvent, HistoryWriter, Operation, Step, Told, Txn, judge, parse_history, verdict_document
from paxoskv.checker.events import DELETE, GET, INCR, INFO, OK, PUT, TXN
from paxoskv.checker.groups import split
from paxoskv.checker.page import verdict_page
from tests.checker.ledgers import KEYS, Deed, explained, random_value, right_deeds, transfer, written

A, B, N = b"a", b"b", b"n"
BOTH = Txn((), (Step(GET, A), Step(GET, B)))


def seen(first: bytes | None, second: bytes | None) -> Told:
    """What `BOTH` may be answered."""
    return Told(True, (first, second))


BAD: dict[str, Sequence[Deed]] = {
    "an increment is lost": [
        Deed(0, INCR, N, b"1", 0, 1, b"1"),
        Deed(1, INCR, N, b"1", 2, 3, b"1"),
    ],
    "an increment is made twice": [
        Deed(0, INCR, N, b"1", 0, 1, b"1"),
        Deed(1, GET, N, None, 2, 3, b"2"),
    ],
    "an increment of unknown outcome is made twice": [
        Deed(0, INCR, N, b"1", 0, 1, None, INFO),
        Deed(1, GET, N, None, 2, 3, b"2"),
    ],
    "an increment that failed is made": [
        Deed(0, INCR, N, b"1", 0, 1, None, "fail"),
        Deed(1, GET, N, None, 2, 3, b"1"),
    ],
    "a counter goes back": [
        Deed(0, INCR, N, b"1", 0, 1, b"1"),
        Deed(0, INCR, N, b"1", 2, 3, b"2"),
        Deed(1, GET, N, None, 4, 5, b"1"),
    ],
    "a counter that was deleted counts on": [
        Deed(0, INCR, N, b"5", 0, 1, b"5"),
        Deed(0, DELETE, N, None, 2, 3),
        Deed(0, INCR, N, b"1", 4, 5, b"6"),
    ],
    "a transaction is seen by half": [
        Deed(0, TXN, b"", Txn((), (Step(PUT, A, b"1"), Step(PUT, B, b"1"))), 0, 9, Told(True, (None, None))),
        Deed(1, TXN, b"", BOTH, 1, 2, seen(b"1", None)),
    ],
    "a transaction is lost by half": [
        Deed(0, TXN, b"", Txn((), (Step(PUT, A, b"1"), Step(PUT, B, b"1"))), 0, 1, Told(True, (None, None))),
        Deed(1, GET, A, None, 2, 3, b"1"),
        Deed(1, GET, B, None, 4, 5, None),
    ],
    "money is made": [
        Deed(0, TXN, b"", transfer(A, B, 5), 0, 1, Told(True, (b"-5", b"5", b"-5"))),
        Deed(1, TXN, b"", transfer(A, B, 5), 2, 3, Told(True, (b"-10", b"5", b"-10"))),
    ],
    "both of two transactions take the branch of the first": [
        Deed(0, TXN, b"", Txn(((A, None),), (Step(PUT, A, b"0"),)), 0, 9, Told(True, (None,))),
        Deed(1, TXN, b"", Txn(((A, None),), (Step(PUT, A, b"1"),)), 0, 9, Told(True, (None,))),
    ],
    "the wrong branch": [
        Deed(0, PUT, A, b"1", 0, 1),
        Deed(1, TXN, b"", Txn(((A, b"1"),), (), (Step(PUT, B, b"1"),)), 2, 3, Told(False, (None,))),
    ],
    "write skew": [
        Deed(0, TXN, b"", Txn(((B, None),), (Step(PUT, A, b"1"),)), 0, 9, Told(True, (None,))),
        Deed(1, TXN, b"", Txn(((A, None),), (Step(PUT, B, b"1"),)), 0, 9, Told(True, (None,))),
    ],
    "two readers see two writers in different orders": [
        Deed(0, PUT, A, b"1", 0, 99),
        Deed(1, PUT, B, b"1", 0, 99),
        Deed(2, TXN, b"", BOTH, 1, 2, seen(b"1", None)),
        Deed(3, TXN, b"", BOTH, 1, 2, seen(None, b"1")),
    ],
    "an old state": [
        Deed(0, TXN, b"", transfer(A, B, 5), 0, 1, Told(True, (b"-5", b"5", b"-5"))),
        Deed(1, TXN, b"", BOTH, 2, 3, seen(None, None)),
    ],
    "a transaction of unknown outcome happened by half": [
        Deed(0, TXN, b"", transfer(A, B, 5), 0, 1, None, INFO),
        Deed(1, GET, A, None, 2, 3, b"-5"),
        Deed(1, GET, B, None, 4, 5, None),
    ],
    "a transaction that failed is there": [
        Deed(0, TXN, b"", transfer(A, B, 5), 0, 1, None, "fail"),
        Deed(1, GET, A, None, 2, 3, b"-5"),
    ],
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_rejected_and_shown(name: str) -> None:
    operations = written(BAD[name])
    assert not _definition(operations)
    verdict = judge(operations)
    assert verdict.linearizable is False
    found = verdict.counterexample
    assert found is not None
    assert {op.began for op in found.operations} <= {op.began for op in operations}
    assert found.why
    assert json.dumps(verdict_document(verdict, 0.1))
    assert found.why.split(",")[0] in unescape(verdict_page(verdict, operations, "history", 0.1))


def _definition(operations: Sequence[Operation]) -> bool:
    """As `explained`; its books know only three keys, so counters are called after the first one."""
    renamed = [op._replace(key=A) if op.key == N else op for op in operations]
    return explained(renamed)


@pytest.mark.parametrize("seed", range(25))
def test_what_a_right_store_does_passes(seed: int) -> None:
    for unknown in (0.0, 0.05):
        verdict = judge(written(right_deeds(seed, unknown=unknown)))
        assert (verdict.linearizable, verdict.acceptable) == (True, True)
        assert verdict.revisions.status == "ok"


def test_the_search_agrees_with_the_definition() -> None:
    """On small histories whose answers are drawn by lot, so that some are right by chance."""
    verdicts = set()
    for seed in range(300):
        rng = random.Random(seed)
        deeds = []
        for process in range(rng.randrange(2, 6)):
            f = rng.choice((GET, PUT, INCR, DELETE, TXN, TXN))
            start, value = rng.randrange(6), random_value(rng, f)
            deed = Deed(process, f, b"" if f == TXN else rng.choice(KEYS[:2]), value, start, start + rng.randrange(4))
            told = _any_answer(rng, deed)
            deeds.append(deed._replace(told=told) if rng.random() < 0.8 else deed._replace(outcome=INFO))
        operations = written(deeds)
        expected = explained(operations)
        verdicts.add(expected)
        assert judge(operations).linearizable is expected, seed
    assert verdicts == {True, False}


def _any_answer(rng: random.Random, deed: Deed) -> bytes | Told | None:
    value = rng.choice((b"1", b"-2", b"2"))
    if deed.f == INCR:
        return value
    if deed.f == GET:
        return rng.choice((None, value))
    if not isinstance(deed.value, Txn):
        return None
    succeeded = not deed.value.compares or rng.random() < 0.5
    steps = deed.value.then if succeeded else deed.value.otherwise
    answers: dict[str, list[bytes | None]] = {INCR: [value], GET: [None, value]}
    return Told(succeeded, tuple(rng.choice(answers.get(step.f, [None])) for step in steps))


@pytest.mark.parametrize(
    ("place", "change", "kind"),
    [
        (1, {"revision": 1}, "shared revision"),
        (2, {"revision": 1}, "real time"),
        (3, {"told": seen(b"0", None)}, "wrong reply"),
        (3, {"slot": 2}, "slot"),
    ],
)
def test_the_order_of_revisions_covers_transactions(place: int, change: dict[str, Any], kind: str) -> None:
    deeds = [
        Deed(0, TXN, b"", transfer(A, B, 5), 0, 1, Told(True, (b"-5", b"5", b"-5")), revision=1, slot=1),
        Deed(0, INCR, A, b"5", 2, 3, b"0", revision=2, slot=2),
        Deed(0, TXN, b"", Txn((), (Step(DELETE, B),)), 4, 5, Told(True, (None,)), revision=3, slot=3),
        Deed(0, TXN, b"", BOTH, 6, 7, seen(b"0", None), revision=3, slot=4),
    ]
    assert judge(written(deeds)).acceptable is True
    deeds[place] = deeds[place]._replace(**change)
    if kind == "wrong reply":
        deeds[place] = deeds[place]._replace(told=seen(b"0", b"5"))
    kinds = {disorder.kind for disorder in judge(written(deeds)).revisions.disorders}
    assert kind in kinds


def test_keys_that_transactions_tie_together_are_judged_together_others_alone() -> None:
    deeds = [
        Deed(0, PUT, b"z", b"1", 0, 1),
        Deed(0, TXN, b"", transfer(A, B, 1), 2, 3, Told(True, (b"-1", b"1", b"-1"))),
        Deed(0, TXN, b"", transfer(B, b"c", 1), 4, 5, Told(True, (b"0", b"1", b"0"))),
        Deed(0, GET, b"c", None, 6, 7, b"1"),
    ]
    assert [len(own) for own in split(written(deeds)).values()] == [1, 3]
    assert len(judge(written(deeds)).keys) == 2


def test_a_history_of_everything_is_read_back_from_its_lines() -> None:
    lines = io.StringIO()
    writer = HistoryWriter(lines)
    odd = Txn(((b"\xff", None),), (Step(PUT, b"\xff", b"\xfe"), Step(GET, b"a")), (Step("append", b"t", b"x"),))
    deeds = [*right_deeds(5, unknown=0.2), Deed(90, TXN, b"", odd, 5_000, 5_001, Told(True, (None, b"\xff")))]
    operations = written(deeds, writer)
    read = parse_history(line.encode() for line in lines.getvalue().splitlines())
    assert [op._replace(line=0) for op in read] == [op._replace(line=0) for op in operations]
    assert [op.txn for op in read if op.process == 90] == [odd]


@pytest.mark.parametrize(
    "fields",
    [
        {"f": "incr", "key": "n", "value": None},
        {"f": "incr", "key": "n", "value": "one"},
        {"f": "incr", "key": "n", "value": "007"},
        {"f": "incr", "key": "n", "value": 1},
        {"f": "txn", "key": "a", "value": {"then": [["get", "a"]]}},
        {"f": "txn", "key": None, "value": None},
        {"f": "txn", "key": None, "value": "get a"},
        {"f": "txn", "key": None, "value": {"then": []}},
        {"f": "txn", "key": None, "value": {"if": [["a", "1"]]}},
        {"f": "txn", "key": None, "value": {"then": [["get", "a"]], "more": []}},
        {"f": "txn", "key": None, "value": {"then": [["get"]]}},
        {"f": "txn", "key": None, "value": {"then": [["get", None]]}},
        {"f": "txn", "key": None, "value": {"then": [["put", "a", None]]}},
        {"f": "txn", "key": None, "value": {"then": [["incr", "a", "x"]]}},
        {"f": "txn", "key": None, "value": {"then": [["cas", "a", "x"]]}},
        {"f": "txn", "key": None, "value": {"then": [[]]}},
        {"f": "txn", "key": None, "value": {"then": "get"}},
        {"f": "txn", "key": None, "value": {"if": [["a"]], "then": []}},
        {"f": "put", "key": "a", "value": {"then": [["get", "a"]]}},
    ],
    ids=str,
)
def test_an_invocation_that_says_nothing_sensible_is_refused(fields: dict[str, object]) -> None:
    line = json.dumps({"process": 1, "type": "invoke", "time": 1, **fields}).encode()
    with pytest.raises(BadEvent, match="line 1"):
        parse_history([line])


@pytest.mark.parametrize(
    "value", [None, "1", {"succeeded": True}, {"succeeded": 1, "results": []}, {"succeeded": True, "results": [1]}]
)
def test_an_answer_that_is_none_is_refused(value: object) -> None:
    begun = {"process": 1, "type": "invoke", "f": "txn", "key": None, "value": {"then": [["get", "a"]]}, "time": 1}
    done = {**begun, "type": OK, "value": value, "time": 2}
    with pytest.raises(BadEvent, match="line 2"):
        parse_history([json.dumps(event).encode() for event in (begun, done)])
