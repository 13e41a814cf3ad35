"""What becomes of operations of unknown outcome before a search begins."""

from __future__ import annotations

import pytest

from paxoskv.checker.frontier import Frontier
from paxoskv.checker.unknowns import settle
from tests.checker.pictures import drawn, words_of


def optional(picture: str) -> list[str]:
    """Return the operations that a search has to consider as perhaps not happened."""
    return sorted(map(words_of, settle(drawn(picture)).optional))


@pytest.mark.parametrize(
    ("picture", "left"),
    [
        ("[put 1 ?\n            [get -]", []),
        ("[put 1 ?\n   [put 1 ?\n            [get 1]", ["put 1", "put 1"]),
        ("[get 1]\n          [put 1 ?\n   [put 1 ?", ["put 1"]),
        ("[delete ?\n            [get 1]", []),
        ("[delete ?\n            [get -]", ["delete"]),
        ("[get 5 ?", []),
        ("[put 1!", []),
        ("[put 1 ?\n            [append 2]  [get 12]", ["put 1"]),
        ("[put 3 ?\n            [append 2]  [get 12]", []),
        ("[append 2 ?\n            [put 1]  [get 12]", ["append 2"]),
        ("[delete ?\n            [append 2]  [get 2]", ["delete"]),
    ],
)
def test_what_nobody_can_have_noticed_is_dropped(picture: str, left: list[str]) -> None:
    assert optional(picture) == left


def test_a_chain_of_unknown_cas_is_kept_only_if_its_end_was_seen() -> None:
    chain = "[put 1 ?\n[put 1 ?\n[cas 1 2 ?\n[cas 2 3 ?\n[cas 1 2 ?\n[cas 2 3 ?\n"
    assert optional(f"{chain}                 [get 9]") == []
    assert len(optional(f"{chain}                 [get 3]")) == 6


def test_a_cas_that_failed_needs_no_more_excuses_than_one() -> None:
    puts = "".join(f"[put {number} ?\n" for number in range(1, 9))
    assert optional(f"{puts}            [cas 0 9!") == ["put 1"]
    assert optional(f"{puts}            [cas 3 9!") == ["put 1", "put 3"]


def test_an_operation_expires_with_the_last_look_at_what_it_wrote() -> None:
    picture = """
        [put 1 ?
        [put 2 ?
                  [get 2]  [get 1]  [get 2]  [get -]
        """
    history = settle(drawn(picture))
    ends = [op.ended for op in history.required]
    assert [words_of(op) for op in history.optional] == ["put 1", "put 2"]
    assert history.expires == (ends[1], ends[2])


def test_an_excuse_expires_with_the_last_cas_that_failed() -> None:
    history = settle(drawn("[put 1 ?\n            [cas 5 6!  [get -]  [cas 5 6!  [get -]"))
    assert history.expires == (history.required[2].ended,)


def test_twins_are_used_in_the_order_of_their_invocations() -> None:
    history = settle(drawn("[put 1 ?\n [put 1 ?\n  [delete ?\n   [put 1 ?\n            [get 1]  [get -]"))
    assert [words_of(op) for op in history.optional] == ["put 1", "put 1", "delete", "put 1"]
    assert history.twins == (0, 1, 0, 2)


def test_a_frontier_keeps_what_spent_the_least() -> None:
    frontier: Frontier[str] = Frontier()
    assert frontier.add("here", 0b011)
    assert frontier.add("here", 0b101)
    assert not frontier.add("here", 0b111)
    assert not frontier.add("here", 0b011)
    assert frontier.add("there", 0b111)
    assert frontier.add("here", 0b001)
    assert sorted(frontier) == [("here", 0b001), ("there", 0b111)]
    assert len(frontier) == 2
