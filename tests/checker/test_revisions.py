"""The order that revisions and slots claim: right ones pass, every kind of lie is seen, nothing is made up."""

from __future__ import annotations

import random

import pytest

from paxoskv.checker import Operation, judge, replay
from paxoskv.checker.events import APPEND, CAS, DELETE, GET, OK, PUT
from paxoskv.checker.groups import split
from paxoskv.checker.revisions import ABSENT, UNDECIDED, VIOLATED, RevisionReport, check_revisions
from paxoskv.checker.witness import flaw
from tests.checker.pictures import calls_of
from tests.checker.worlds import EVERYTHING, Call, Mix, random_calls, record

Stamp = tuple[int | None, int | None]


def report(picture: str, *stamps: Stamp) -> RevisionReport:
    """Return what is found in a picture whose calls, row by row, carry (revision, slot)."""
    calls = calls_of(picture)
    assert len(calls) == len(stamps)
    stamped = [
        call._replace(revision=revision, slot=slot) for call, (revision, slot) in zip(calls, stamps, strict=True)
    ]
    return check_revisions(split(record(stamped)))


def kinds(found: RevisionReport) -> set[str]:
    return {disorder.kind for disorder in found.disorders}


MIXES = [
    Mix(operations=operations, clients=6, keys=3, functions=functions, unknown=unknown, distinct=distinct, hot=hot)
    for operations in (40, 200)
    for functions in ((PUT, GET), (PUT, GET, CAS, DELETE), (APPEND, GET), EVERYTHING)
    for unknown, distinct, hot in ((0.0, True, False), (0.02, True, True), (0.1, False, False))
]


@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_what_a_right_store_answers_passes(mix: Mix) -> None:
    for seed in range(3):
        operations = record(random_calls(seed, mix))
        found = check_revisions(split(operations))
        assert (found.status, found.disorders) == ("ok", ()), f"seed {seed}"
        assert found.checked == sum(op.revision is not None for op in operations) > 0


def test_the_claimed_order_is_a_linearization() -> None:
    for seed in range(10):
        mix = Mix(operations=100, clients=5, keys=2, functions=EVERYTHING, unknown=0.05)
        by_key = split(record(random_calls(seed, mix)))
        found = check_revisions(by_key)
        proved = [flaw(by_key[key], order) is None for key, order in found.orders.items()]
        assert any(proved)


def test_without_revisions_there_is_nothing_to_check() -> None:
    assert report("[put 1]  [get 2]", (None, None), (None, None)) == RevisionReport(ABSENT, 0, (), {})


def test_replies_of_one_batch_share_a_slot() -> None:
    found = report(
        """
        [put 1]
        [a: put 2]
        [cas 1 3]
        [b: delete]
        """,
        (1, 7),
        (2, 7),
        (3, 7),
        (3, 7),
    )
    assert (found.status, found.checked) == ("ok", 4)


def test_the_numbers_may_begin_anywhere() -> None:
    """Other clients and other keys, not in this history, take revisions and slots, too."""
    assert report("[put 1]  [get 1]  [put 2]", (500, 900), (520, 930), (610, 1000)).status == "ok"


def test_a_read_that_does_not_agree_with_its_revision() -> None:
    found = report("[put 1]  [put 2]  [get 1]", (1, 1), (2, 2), (2, 2))
    assert found.status == VIOLATED
    assert found.disorders[0].kind == "wrong reply"
    assert found.disorders[0].why.endswith("carries revision 2, but there the key 'k' held '2'.")


def test_a_stale_read_that_admits_its_age_breaks_real_time() -> None:
    """By its revision the read is right; but another operation had shown a newer one before it began."""
    found = report("[put 1]  [put 2]  [get 1]", (1, 1), (2, 2), (1, 1))
    assert kinds(found) == {"real time", "slot"}


@pytest.mark.parametrize("other", ["[b: put 2]", "[b: get -]", "[b: delete]", "[b: cas 1 2!"])
def test_revisions_go_up_across_keys(other: str) -> None:
    """What single keys do not show: each is linearizable, and the order of both together is not."""
    picture = f"[a: put 1]  {other}"
    assert report(picture, (6, None), (5, None)).status == VIOLATED
    assert report(picture, (6, None), (7, None)).status == "ok"


def test_a_change_after_a_completed_read_has_a_revision_of_its_own() -> None:
    assert kinds(report("[a: get -]  [b: put 2]", (6, None), (6, None))) == {"real time"}
    assert report("[b: put 2]  [a: get -]", (6, None), (6, None)).status == "ok"


def test_two_changes_never_share_a_revision() -> None:
    for other in ("[put 2]", "[append 2]", "[cas 1 2]", "[b: put 2]", "[b: cas - 2]"):
        assert "shared revision" in kinds(report(f"[put 1]  {other}", (5, 1), (5, 2))), other


def test_a_delete_that_removes_has_a_revision_of_its_own() -> None:
    picture = "[put 1]  [delete]  [b: put 1]"
    assert report(picture, (1, 1), (2, 2), (3, 3)).status == "ok"
    assert "wrong reply" in kinds(report(picture, (1, 1), (2, 2), (2, 3)))
    assert "wrong reply" in kinds(report(picture, (1, 1), (1, 2), (2, 3)))
    two = "[a: put 1]  [b: put 1]  [a: delete]  [b: delete]"
    assert report(two, (1, 1), (2, 2), (3, 3), (4, 4)).status == "ok"
    assert "shared revision" in kinds(report(two, (1, 1), (2, 2), (3, 3), (3, 4)))


def test_a_delete_that_finds_nothing_has_the_revision_of_the_store() -> None:
    assert report("[put 1]  [b: delete]  [c: delete]  [get 1]", (1, 1), (1, 2), (1, 3), (1, 3)).status == "ok"
    assert report("[put 1]  [delete]  [delete]  [get -]", (1, 1), (2, 2), (2, 3), (2, 3)).status == "ok"


def test_of_two_deletes_with_one_revision_the_first_in_the_log_removed() -> None:
    picture = """
        [put 1]  [delete]
                 [delete]
                   [get -]
        """
    assert report(picture, (1, 1), (2, 3), (2, 2), (2, 2)).status == "ok"
    assert kinds(report(picture, (1, 1), (2, 3), (2, 4), (2, 2))) == {"slot"}


def test_an_append_a_cas_and_a_failed_cas_are_replayed() -> None:
    picture = "[append a]  [append b]  [cas ab c]  [cas x y!  [get c]"
    assert report(picture, (1, 1), (2, 2), (3, 3), (3, 4), (3, 4)).status == "ok"
    assert "wrong reply" in kinds(report(picture, (2, 1), (1, 2), (3, 3), (3, 4), (3, 4)))
    assert "wrong reply" in kinds(report("[put 1]  [cas 1 2!", (1, 1), (1, 2)))


@pytest.mark.parametrize(
    ("revisions", "status"),
    [
        ((1, 2), "ok"),
        ((1, 9), "ok"),
        ((1, 1), VIOLATED),
    ],
)
def test_an_unknown_write_needs_a_revision_for_itself(revisions: tuple[int, int], status: str) -> None:
    """The read saw it, so it happened between the two revisions, and had one of its own."""
    first, second = revisions
    picture = "[put 1]  [put 2 ?\n                      [get 2]"
    assert report(picture, (first, None), (None, None), (second, None)).status == status


def test_an_unknown_write_cannot_be_seen_before_it_began() -> None:
    picture = "[put 1]  [get 2]\n                   [put 2 ?"
    assert "wrong reply" in kinds(report(picture, (1, None), (5, None), (None, None)))


def test_an_unknown_delete_may_be_why_a_delete_found_nothing() -> None:
    picture = "[put 1]  [delete ?\n                     [delete]  [b: put 1]"
    assert report(picture, (1, None), (None, None), (2, None), (3, None)).status == "ok"
    assert report(picture, (1, None), (None, None), (2, None), (2, None)).status == VIOLATED


def test_a_write_without_a_revision_is_placed_where_it_fits() -> None:
    """Some replies may lack a revision: those that carry one are checked all the same."""
    picture = "[put 1]  [put 2]  [get 2]  [get 1]"
    assert report(picture, (1, None), (None, None), (5, None), (None, None)).status == "ok"
    assert report(picture, (1, None), (None, None), (5, None), (5, None)).status == VIOLATED


def test_slots_go_up_in_real_time() -> None:
    assert report("[a: put 1]  [b: put 2]", (1, 5), (2, 6)).status == "ok"
    assert kinds(report("[a: put 1]  [b: put 2]", (1, 5), (2, 4))) == {"slot"}
    assert kinds(report("[a: put 1]  [b: put 2]", (1, 5), (2, 5))) == {"slot"}
    assert report("[a: put 1]  [b: get -]", (1, 5), (1, 5)).status == "ok"
    assert kinds(report("[a: put 1]  [b: get -]", (1, 5), (1, 4))) == {"slot"}


def test_slots_and_revisions_go_up_together() -> None:
    picture = "[a: put 1]\n[b: put 2]\n  [c: get -]"
    assert report(picture, (1, 5), (2, 6), (1, 5)).status == "ok"
    assert kinds(report(picture, (1, 6), (2, 5), (1, 6))) == {"slot"}
    assert kinds(report(picture, (1, 5), (2, 6), (1, 6))) == {"slot"}
    assert kinds(report(picture, (1, 5), (2, 6), (2, 5))) == {"slot"}


def test_a_command_that_changed_nothing_may_share_the_slot_of_a_later_change() -> None:
    """Both in one batch: the cas failed at revision 1, the put made revision 2."""
    picture = "[a: put 1]  [b: put 2]\n            [a: cas 7 8!"
    assert report(picture, (1, 5), (2, 6), (1, 6)).status == "ok"


def test_too_many_unknown_outcomes_are_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = "".join(f"[put {number} ?\n" for number in range(1, 6))
    reads = "".join(f"  [get {number}]" for number in range(1, 6))
    picture = f"{unknown}          {reads}"
    stamps: list[Stamp] = [(None, None)] * 5 + [(revision, None) for revision in (2, 4, 6, 8, 10)]
    assert report(picture, *stamps).status == "ok"
    monkeypatch.setattr(replay, "WAYS_MAX", 3)
    assert report(picture, *stamps).status == UNDECIDED


def shifted(calls: list[Call], rng: random.Random) -> list[Call]:
    """Return the history with the revision of one reply exchanged for that of another."""
    places = [number for number, call in enumerate(calls) if call.outcome == OK and call.revision is not None]
    place, other = rng.choice(places), rng.choice(places)
    return [*calls[:place], calls[place]._replace(revision=calls[other].revision), *calls[place + 1 :]]


def test_exchanged_revisions_are_seen() -> None:
    """Not all: neighbours that were under way together, and read the same, may be exchanged."""
    seen = 0
    for seed in range(60):
        calls = random_calls(seed, Mix(operations=80, clients=3, keys=2, functions=(PUT, GET, CAS), hot=False))
        changed = shifted(calls, random.Random(seed))
        if [call.revision for call in changed] != [call.revision for call in calls]:
            seen += check_revisions(split(record(changed))).status == VIOLATED
    assert seen > 45


def test_a_history_with_wrong_revisions_is_not_acceptable_though_linearizable() -> None:
    calls = [call._replace(revision=7) for call in calls_of("[a: put 1]  [b: put 2]")]
    verdict = judge(record(calls))
    assert (verdict.linearizable, verdict.revisions.status, verdict.acceptable) == (True, VIOLATED, False)
    found = verdict.counterexample
    assert found is not None
    assert found.kind == "shared revision"
    assert {op.key for op in found.operations} == {b"a", b"b"}


def test_revisions_decide_what_the_searches_cannot() -> None:
    """With next to no budget neither search ends; the claimed order, checked, is a proof nevertheless."""
    operations = record(random_calls(3, Mix(operations=200, functions=(PUT, GET, CAS, DELETE), distinct=False)))
    verdict = judge(operations, budget=20)
    assert verdict.linearizable is True
    bare: list[Operation] = [op._replace(revision=None, slot=None) for op in operations]
    assert judge(bare, budget=20).linearizable is None
    assert {op.f for op in operations} == {PUT, GET, CAS, DELETE}
    assert any(op.f == DELETE for op in operations)
