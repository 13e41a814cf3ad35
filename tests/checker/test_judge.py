"""The verdict as a whole: keys one by one, sums, budgets, progress, and its document."""

from __future__ import annotations

import json

import pytest

from paxoskv.checker import HistoryWriter, judge, verdict_document
from paxoskv.checker.events import APPEND, CAS, DELETE, GET, PUT
from tests.checker.pictures import drawn
from tests.checker.worlds import EVERYTHING, Mix, random_calls, record, with_stale_read


def test_each_key_is_judged_on_its_own() -> None:
    verdict = judge(drawn("[a: put 1]  [b: put 2]  [a: get 1]  [b: get 1]  [c: get -]"))
    assert verdict.linearizable is False
    assert [(key.key, key.operations, key.linearizable) for key in verdict.keys] == [
        (b"a", 2, True),
        (b"b", 2, False),
        (b"c", 1, True),
    ]


def test_an_empty_history_is_linearizable() -> None:
    verdict = judge([])
    assert (verdict.linearizable, verdict.operations, verdict.keys) == (True, 0, ())


def test_unknown_outcomes_are_counted() -> None:
    assert judge(drawn("[put 1 ?\n[put 2 >\n[get -]\n[get 5 ?")).unknown == 3


def test_a_key_that_is_undecided_leaves_the_verdict_open_unless_another_is_wrong() -> None:
    hard = record(with_stale_read(random_calls(1, Mix(functions=(PUT, GET))), seed=1))
    bare = [op._replace(revision=None, slot=None) for op in hard]
    verdict = judge(bare, budget=20)
    assert (verdict.linearizable, verdict.acceptable, verdict.counterexample) == (None, None, None)
    last = max(op.began if op.ended is None else op.ended for op in bare)
    wrong = drawn("[other: get 7]")[0]
    worse = judge([*bare, wrong._replace(began=last + 1, ended=last + 2)], budget=20)
    assert worse.linearizable is False
    assert worse.counterexample is not None
    assert worse.counterexample.accused.key == b"other"


def test_progress_is_told_key_by_key() -> None:
    told: list[tuple[int, int]] = []
    judge(drawn("[a: put 1]  [b: put 2]  [a: get 1]"), progress=lambda done, keys: told.append((done, keys)))
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize("functions", [(PUT, GET, GET), EVERYTHING], ids="-".join)
def test_the_size_that_was_promised_is_judged_within_the_budget(functions: tuple[str, ...]) -> None:
    """4,000 operations by 8 clients over 10 keys, 1 % unknown, right and with one stale read: decided, not timed."""
    calls = random_calls(11, Mix(4_000, keys=10, functions=functions, unknown=0.01))
    assert judge(record(calls)).acceptable is True
    verdict = judge(record(with_stale_read(calls, seed=11)))
    assert verdict.linearizable is False
    assert sum(key.steps for key in verdict.keys) < 1_000_000


def test_the_document_says_it_in_json() -> None:
    verdict = judge(drawn("[put 1]  [put 2]\n                    [get 1]\n       [cas 8 9!    [delete ?"))
    document = json.loads(json.dumps(verdict_document(verdict, wall_s=0.12345)))
    found = document.pop("counterexample")
    assert document == {
        "linearizable": False,
        "ops": 5,
        "keys": 1,
        "wall_s": 0.123,
        "acceptable": False,
        "unknown": 1,
        "steps": verdict.keys[0].steps,
        "wrong_keys": [{"key": "k", "ops": 5, "steps": verdict.keys[0].steps}],
        "undecided_keys": [],
        "revisions": "absent",
        "revisions_checked": 0,
        "revision_problems": [],
    }
    assert (found["kind"], found["key"], found["accused"]) == ("stale read", "k", 2)
    assert found["right_answers"] == [{"value": "2"}, {"value": None}]
    assert [op["f"] for op in found["operations"]] == [PUT, PUT, GET]
    read = found["operations"][2]
    assert (read["value"], read["result"], read["outcome"], read["process"]) == (None, "1", "ok", 1)
    assert read["invoked_ns"] < read["completed_ns"]


def test_the_document_holds_bytes_and_pairs() -> None:
    writer = HistoryWriter()
    writer.invoke(0, CAS, b"\xff", (b"\xfe", b"1"), time_ns=1)
    writer.ok(0, time_ns=2, revision=3, slot=4)
    found = verdict_document(judge(writer.operations()), 0)["counterexample"]
    assert found["key_base64"] == "/w=="
    assert found["operations"][0]["value_base64"] == ["/g==", "MQ=="]
    assert (found["operations"][0]["revision"], found["operations"][0]["slot"]) == (3, 4)


def test_problems_with_revisions_are_in_the_document() -> None:
    operations = [op._replace(revision=5) for op in drawn("[put 1]  [a: put 2]")]
    document = verdict_document(judge(operations), 0)
    assert (document["linearizable"], document["acceptable"], document["revisions"]) == (True, False, "violated")
    problem = document["revision_problems"][0]
    assert problem["kind"] == "shared revision"
    assert [op["key"] for op in problem["operations"]] == ["k", "a"]
    assert document["counterexample"]["kind"] == "shared revision"


def test_every_kind_of_operation_is_in_the_mix() -> None:
    """The random histories would prove little if a kind of operation never occurred in them."""
    calls = random_calls(1, Mix(functions=EVERYTHING, unknown=0.05))
    outcomes = {(call.f, call.outcome) for call in calls}
    assert {f for f, _ in outcomes} == {PUT, GET, DELETE, CAS, APPEND}
    assert {(CAS, "ok"), (CAS, "fail"), (CAS, "info"), (GET, "info"), (PUT, "info")} <= outcomes
