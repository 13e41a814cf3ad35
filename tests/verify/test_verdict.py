"""The judgement of a run: whatever is wrong condemns it, found by more than one means where that is possible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from paxoskv.checker import judge
from paxoskv.verifier.evidence import Counter, Final
from paxoskv.verifier.gazette import News
from paxoskv.verifier.verdict import Verdict, judge_run
from tests.verify.kit import History, evidence, sound_history

KEY = b"key-0001"


def verdict_on(history: History, **changes: Any) -> Verdict:
    """The judgement of a history of one key; what it held in the end is given."""
    return judge_run(evidence(history.operations, **{"counters": {}, **changes}))


def test_a_sound_run_passes() -> None:
    verdict = judge_run(evidence())
    assert verdict.passed
    assert verdict.complaints() == []


def test_a_write_lost_between_recording_and_judging_is_found_twice() -> None:
    """The cluster has forgotten the acknowledged 1.2: the last read returns what it had replaced."""
    history = History()
    history.put(KEY, b"0.1")
    history.put(KEY, b"1.2")
    history.get(KEY, b"0.1")
    verdict = verdict_on(history, finals={KEY: Final(b"0.1", 1)})
    assert verdict.linearizable is False
    assert verdict.lost_writes == (
        "key-0001: put of b'1.2' at revision 2; in the end its last change is of revision 1",
    )
    assert not verdict.passed


def test_a_key_that_is_gone_without_a_delete_is_lost() -> None:
    history = History()
    history.put(KEY, b"0.1")
    verdict = verdict_on(history, finals={KEY: Final(None, 0)})
    assert len(verdict.lost_writes) == 1
    assert not verdict.passed


def test_a_key_that_was_deleted_is_not_lost() -> None:
    history = History()
    history.put(KEY, b"0.1")
    history.delete(KEY)
    history.get(KEY, None)
    assert verdict_on(history, finals={KEY: Final(None, 0)}).passed


def test_an_unknown_write_may_have_replaced_an_acknowledged_one() -> None:
    history = History()
    history.put(KEY, b"0.1")
    history.put(KEY, b"1.2", outcome="info")
    history.get(KEY, b"1.2")
    assert verdict_on(history, finals={KEY: Final(b"1.2", 2)}).passed


def test_a_key_that_could_not_be_read_in_the_end_is_lost() -> None:
    history = History()
    history.put(KEY, b"0.1")
    assert verdict_on(history, finals={}).lost_writes == ("key-0001: could not be read in the end",)


def test_a_value_that_nobody_wrote_is_a_phantom() -> None:
    history = History()
    history.put(KEY, b"0.1")
    history.get(KEY, b"9.9")
    verdict = verdict_on(history, finals={KEY: Final(b"0.1", 1)})
    assert verdict.phantoms == ("key-0001: b'9.9' was read, which nobody had written",)
    assert verdict.linearizable is False


def test_a_write_that_surely_did_not_happen_must_not_be_read() -> None:
    history = History()
    history.put(KEY, b"0.1", outcome="fail")
    history.get(KEY, b"0.1")
    verdict = verdict_on(history, finals={KEY: Final(b"0.1", 1)})
    assert verdict.phantoms == ("key-0001: b'0.1' was read, whose write was reported as failed",)


def test_a_value_read_before_its_write_began_is_a_phantom() -> None:
    history = History()
    history.get(KEY, b"0.1")
    history.put(KEY, b"0.1")
    assert len(verdict_on(history, finals={KEY: Final(b"0.1", 1)}).phantoms) == 1


def test_a_comparison_that_did_not_hold_is_an_answer_and_no_write() -> None:
    history = History()
    history.put(KEY, b"0.1")
    history.cas(KEY, b"other", b"1.2", outcome="mismatch")
    assert verdict_on(history, finals={KEY: Final(b"0.1", 1)}).passed


@pytest.mark.parametrize(
    ("value", "added", "perhaps_added", "is_right"),
    [
        (b"2/1.4", 2, 0, True),
        (b"3/1.4", 2, 1, True),
        (b"2/1.4", 2, 1, True),
        (b"1/1.4", 2, 0, False),
        (b"3/1.4", 2, 0, False),
        (b"4/1.4", 2, 1, False),
        (None, 0, 0, True),
        (None, 1, 0, False),
    ],
)
def test_counters_stand_where_the_additions_allow(
    value: bytes | None, added: int, perhaps_added: int, is_right: bool
) -> None:
    counters = {b"counter-0001": Counter(added, perhaps_added)}
    finals = {KEY: Final(b"1.2", 2), b"counter-0001": Final(value, 4)}
    verdict = judge_run(evidence(counters=counters, finals=finals))
    assert (verdict.wrong_counters == ()) == is_right


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"states": {1: (12, "abcd"), 2: (12, "abcd"), 3: (12, "dead")}},
            "nodes at the same slot do not hold the same",
        ),
        ({"disagreements": ["slot 4: a on node 1, b on node 2"]}, "nodes at the same slot do not hold the same"),
        ({"states": None}, "the nodes did not come to the same slot"),
        ({"surprises": ["node 2 ended by itself"]}, "surprise: node 2 ended by itself"),
        ({"injections": []}, "no fault was injected"),
    ],
)
def test_whatever_else_is_wrong_condemns_the_run(changes: dict[str, Any], complaint: str) -> None:
    verdict = judge_run(evidence(**changes))
    assert not verdict.passed
    assert any(line.startswith(complaint) for line in verdict.complaints())


UNSEEN = [
    ([], "revision 1 was never told"),
    ([News(1, b"0.2")], "of revision 1 was told b'0.2', not b'0.1'"),
    ([News(1, None)], "of revision 1 was told None, not b'0.1'"),
    ([News(1, b"0.1"), News(1, b"0.1")], "revision 1 was told after 1"),
    ([News(2, b"?"), News(1, b"0.1")], "revision 1 was told after 2"),
]


@pytest.mark.parametrize(("news", "complaint"), UNSEEN)
def test_a_watch_has_to_tell_every_acknowledged_write_once_and_in_order(news: list[News], complaint: str) -> None:
    """P29."""
    history = History()
    history.put(KEY, b"0.1")
    assert verdict_on(history, finals={KEY: Final(b"0.1", 1)}).passed
    verdict = verdict_on(history, finals={KEY: Final(b"0.1", 1)}, news={KEY: news})
    assert [complaint in line for line in verdict.unseen] == [True]
    assert not verdict.passed


def test_a_watch_may_tell_what_nobody_is_sure_of() -> None:
    history = History()
    history.put(KEY, b"0.1", outcome="info")
    history.get(KEY, b"0.1")
    assert verdict_on(history, finals={KEY: Final(b"0.1", 1)}, news={KEY: [News(1, b"0.1")]}).passed


def test_what_was_torn_condemns_the_run() -> None:
    verdict = judge_run(evidence(unbalanced=["the accounts of bank-0001 held 5 together"]))
    assert verdict.complaints() == ["torn: the accounts of bank-0001 held 5 together"]
    assert not verdict.passed


def test_an_undecided_history_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfalls, D: undecided is a failure of the run, not a pass."""
    history = sound_history()
    undecided = replace(judge(history.operations), linearizable=None)
    monkeypatch.setattr("paxoskv.verifier.verdict.judge", lambda operations: undecided)
    verdict = judge_run(evidence(history.operations))
    assert not verdict.passed
    assert verdict.complaints() == ["the history is undecided"]


def test_the_sound_history_is_one_that_could_be_wrong() -> None:
    """The kit's history has acknowledged writes of every sort that the judge looks at."""
    outcomes = {(operation.f, operation.outcome) for operation in sound_history().operations}
    assert outcomes == {("put", "ok"), ("get", "ok"), ("cas", "ok")}
