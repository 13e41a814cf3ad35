"""What is shown of a history that is wrong: few operations, really wrong, none too many, and a right answer."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest

from paxoskv.checker import Counterexample, Operation, judge
from paxoskv.checker.events import APPEND, CAS, GET, INFO, OK, PUT
from paxoskv.checker.pieces import Counts, Pieces
from paxoskv.checker.shrink import known_at, weaken
from tests.checker.brute import brute_force
from tests.checker.pictures import calls_of, drawn, words_of
from tests.checker.small import small_history
from tests.checker.worlds import EVERYTHING, Mix, random_calls, record, with_stale_read


def counterexample(operations: list[Operation]) -> Counterexample:
    found = judge(operations).counterexample
    assert found is not None
    return found


def still_wrong(operations: list[Operation], strict: set[int], end: int) -> bool:
    """Say, by the definition, whether the history up to `end` is wrong if only the operations in `strict` count."""
    known = known_at(operations, end)
    weaker = [op if op.began in strict else weaken(op) for op in known]
    return not brute_force([op for op in weaker if op is not None])


WRONG = [seed for seed in range(400) if not brute_force(small_history(seed))]


@pytest.mark.parametrize("first", range(4))
def test_a_contradiction_is_one_and_has_no_operation_too_many(first: int) -> None:
    """Checked by the definition: what is shown is wrong by itself, and without any one of it no more."""
    for seed in WRONG[first::4]:
        operations = small_history(seed)
        found = counterexample(operations)
        end = found.accused.ended
        assert end is not None
        core = {op.began for op in found.operations}
        assert found.is_minimal
        assert still_wrong(operations, core, end), f"seed {seed}"
        for began in core:
            assert not still_wrong(operations, core - {began}, end), f"seed {seed}: {began} can be spared"


def test_a_right_answer_would_have_been_right() -> None:
    tried = 0
    for seed in WRONG:
        operations = small_history(seed)
        found = counterexample(operations)
        for answer in found.right_answers:
            tried += 1
            assert found.accused.f == GET
            right = found.accused._replace(result=answer)
            end = found.accused.ended
            assert end is not None
            known = [right if op.began == right.began else op for op in known_at(operations, end)]
            assert brute_force(known), f"seed {seed}: {answer!r}"
    assert tried > 50


def test_the_right_answers_to_a_stale_read() -> None:
    found = counterexample(
        drawn(
            """
            [put 1]  [put 2]
                              [get 1]
                                [put 3     ]
                          [delete    ?
            """
        )
    )
    assert set(found.right_answers) == {None, b"2", b"3"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("functions", [(PUT, GET), (PUT, GET, CAS, "delete")], ids="-".join)
def test_a_stale_read_among_hundreds_of_operations_is_shown_with_two_writes(
    seed: int, functions: tuple[str, ...]
) -> None:
    mix = Mix(operations=300, functions=functions, unknown=0.01)
    found = counterexample(record(with_stale_read(random_calls(seed, mix), seed)))
    assert found.is_minimal
    assert len(found.operations) == 3
    assert found.accused.f == GET


def test_a_long_history_with_appends_is_shrunk_as_well() -> None:
    calls = random_calls(4, Mix(operations=120, functions=EVERYTHING))
    reads = [number for number, call in enumerate(calls) if call.f == GET and call.outcome == OK and call.result]
    calls[reads[10]] = calls[reads[10]]._replace(result=b"no such value")
    found = counterexample(record(calls))
    assert (found.kind, len(found.operations)) == ("thin-air read", 1)


def test_what_happens_beside_is_told_but_not_accused() -> None:
    found = counterexample(
        drawn(
            """
            [put 1]            [put 5]           [put 2]
               [get 1]  [get 1]                          [get 1]
                                                           [get 2]
            """
        )
    )
    assert [words_of(op) for op in found.operations] == ["put 1", "put 2", "get 1"]
    assert [words_of(op) for op in found.context] == ["get 1", "get 2"]


def test_the_key_that_went_wrong_first_is_shown() -> None:
    found = counterexample(drawn("[a: put 1]               [a: get 2]\n            [b: get 3]"))
    assert found.accused.key == b"b"


def test_a_weak_operation_allows_all_that_a_strong_one_does() -> None:
    """Whatever linearizes a history linearizes it with operations weakened, too."""
    for seed in range(300):
        operations = small_history(seed)
        if brute_force(operations):
            for op in operations:
                rest = [other for other in operations if other is not op]
                weaker = weaken(op) if op.counts else None
                assert brute_force(rest if weaker is None else [*rest, weaker]), f"seed {seed}: {op}"


def test_pieces_of_a_value() -> None:
    makers = drawn("[append a]\n[append ab]\n[append b]\n[put xa]\n[cas - x]\n[append ab ?")
    assert Pieces(b"xab", makers).possible
    assert Pieces(b"xab", makers).counts(b"ab") == Counts(0, 1)
    assert Pieces(b"xab", makers).counts(b"b") == Counts(0, 1)
    assert Pieces(b"abab", makers).counts(b"ab") == Counts(0, 2)
    assert not Pieces(b"xy", makers).possible
    assert not Pieces(b"", makers).possible
    assert Pieces(b"", drawn('[append ""]')).possible


def test_pieces_agree_with_trying_everything() -> None:
    makers = drawn("[append a]\n[append ba]\n[append aa]\n[put ab]")
    texts = [b"a", b"ba", b"aa"]
    made = {
        b"".join(order) for size in (1, 2, 3) for some in combinations(texts * 2, size) for order in permutations(some)
    }
    made |= {b"ab" + rest for rest in [b"", *made]}
    for value in [*made, b"b", b"abb", b"bab", b"bb"]:
        if len(value) <= 3:
            assert Pieces(value, makers).possible is (value in made), value


def test_the_duplicate_is_not_a_text_that_looks_like_one() -> None:
    """`1,` occurs in `31,` and `1,`: it was appended once all the same, the duplicate is `2,`."""
    found = counterexample(drawn("[append 1,]  [append 31,]  [append 2,]\n" + " " * 45 + "[get 1,31,2,2,]"))
    assert found.kind == "duplicated append"
    assert "holds '2,' 2 times" in found.why


def test_the_lost_append_is_not_one_that_seems_to_be_there() -> None:
    found = counterexample(drawn("[append 31,]  [append 1,]\n" + " " * 32 + "[get 31,]"))
    assert found.kind == "lost append"
    assert "append '1,'" in found.why


def test_operations_of_a_counterexample_are_those_of_the_history() -> None:
    """Also those that were still open then: shown as they ended."""
    picture = """
        [get 1]
        [put 2     ]
          [cas 1 2]   [get 2]
        """
    operations = drawn(picture)
    found = counterexample(operations)
    assert set(found.operations) <= set(operations)
    assert {call.f for call in calls_of(picture)} == {GET, PUT, CAS}
    assert not any(op.outcome == INFO for op in found.operations)
    assert APPEND not in {op.f for op in operations}
