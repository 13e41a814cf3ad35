"""The candidate: which promises count, and the value of every open slot (P2c)."""

from __future__ import annotations

import pytest

from paxoskv.paxos.ballot import NOOP, Ballot, Slot, Vote
from paxoskv.paxos.candidate import Candidate, safe_value
from paxoskv.paxos.messages import Promise
from paxoskv.paxos.quorum import Quorums

MINE = Ballot(5, 1)
B2, B3 = Ballot(2, 2), Ballot(3, 3)


def promise(
    votes: dict[Slot, Vote] | None = None,
    *,
    ballot: Ballot = MINE,
    part: int = 0,
    parts: int = 1,
    commit_slot: Slot = 0,
    faulty: tuple[Slot, ...] = (),
    answer: int = 1,
    known_slot: Slot = 0,
) -> Promise:
    items = tuple((votes or {}).items())
    return Promise(ballot, part, parts, commit_slot, 0, items, faulty, answer, max(commit_slot, known_slot))


def candidate(nodes: int = 3) -> Candidate:
    return Candidate(MINE, Quorums.of(range(1, nodes + 1)))


def test_a_quorum_of_promises_elects() -> None:
    one = candidate()
    one.on_promise(1, promise())
    assert not one.has_quorum()
    one.on_promise(3, promise())
    assert one.has_quorum()
    assert one.promised_by() == [1, 3]


def test_our_own_promise_has_to_be_among_them() -> None:
    """What we voted for ourselves must be in the reports; and our own ballot must be durable (P2)."""
    one = candidate()
    one.on_promise(2, promise())
    one.on_promise(3, promise())
    assert not one.has_quorum()


def test_the_same_acceptor_counts_once() -> None:
    """P11."""
    one = candidate(nodes=5)
    one.on_promise(1, promise())
    for _ in range(3):
        one.on_promise(2, promise(answer=1))
        one.on_promise(2, promise(answer=2))
    assert not one.has_quorum()


@pytest.mark.parametrize("other", [Ballot(4, 1), Ballot(5, 2), Ballot(6, 1)])
def test_a_promise_of_another_ballot_does_not_count(other: Ballot) -> None:
    """P11: a stale promise counted would choose two values."""
    one = candidate()
    one.on_promise(1, promise())
    one.on_promise(2, promise(ballot=other))
    assert not one.has_quorum()


def test_a_promise_in_parts_counts_when_the_last_part_is_there() -> None:
    """P12: in any order, with repeated parts."""
    one = candidate()
    one.on_promise(1, promise())
    last = promise({3: Vote(B2, b"c")}, part=2, parts=3)
    for part in (last, last, promise({1: Vote(B2, b"a")}, part=0, parts=3)):
        one.on_promise(2, part)
        assert not one.has_quorum()
    one.on_promise(2, promise({2: Vote(B3, b"b")}, part=1, parts=3))
    assert one.has_quorum()
    assert one.recovered(0) == [b"a", b"b", b"c"]


def test_parts_of_two_answers_are_never_put_together() -> None:
    """P12: between the answers the acceptor learned slot 1, and cut its report elsewhere: slot 3 would be lost."""
    one = candidate()
    one.on_promise(1, promise())
    one.on_promise(2, promise({1: Vote(B2, b"a"), 2: Vote(B2, b"b")}, part=0, parts=2, answer=1))
    one.on_promise(2, promise({4: Vote(B2, b"d")}, part=1, parts=2, commit_slot=1, answer=2))
    assert not one.has_quorum()
    one.on_promise(2, promise({3: Vote(B2, b"c"), 4: Vote(B2, b"d")}, part=1, parts=2, answer=1))
    assert one.recovered(0) == [b"a", b"b", b"c", b"d"]


def test_the_value_of_a_slot_is_that_of_the_highest_ballot() -> None:
    """P2c (b), whichever acceptor reports it, in whichever order."""
    for votes in ([B2, B3], [B3, B2]):
        assert safe_value([{1: Vote(ballot, str(ballot).encode())} for ballot in votes], 1) == b"3.3"


def test_a_gap_is_filled_with_a_noop_only_below_a_vote() -> None:
    """P13, P2c (a): slots nobody voted in; above the highest vote nothing is recovered."""
    one = candidate()
    one.on_promise(1, promise({4: Vote(B2, b"d")}))
    one.on_promise(2, promise({2: Vote(B2, b"b")}))
    assert one.recovered(0) == [NOOP, b"b", NOOP, b"d"]


def test_slots_known_to_be_chosen_are_not_recovered() -> None:
    one = candidate()
    one.on_promise(1, promise({4: Vote(B2, b"d"), 5: Vote(B2, b"e")}))
    one.on_promise(2, promise(commit_slot=4))
    assert one.best_informed() == (4, 2)
    assert one.recovered(4) == [b"e"]


def test_a_damaged_record_counts_for_the_ballot_but_not_for_its_slot() -> None:
    """P5, P13: node 2 may have voted in slot 1; without it there is no quorum that knows."""
    one = candidate()
    one.on_promise(1, promise())
    one.on_promise(2, promise(faulty=(1,)))
    assert one.has_quorum()
    assert one.recovered(0) is None
    one.on_promise(3, promise({1: Vote(B2, b"a")}))
    assert one.recovered(0) == [b"a"]


def test_a_damaged_slot_above_all_votes_is_judged_too() -> None:
    one = candidate()
    one.on_promise(1, promise({1: Vote(B2, b"a")}))
    one.on_promise(2, promise(faulty=(3,)))
    one.on_promise(3, promise())
    assert one.recovered(0) == [b"a", NOOP, NOOP]


def test_all_reports_count_not_only_the_first_quorum() -> None:
    one = candidate()
    one.on_promise(1, promise())
    one.on_promise(2, promise({1: Vote(B2, b"low")}))
    one.on_promise(3, promise({1: Vote(B3, b"high")}))
    assert one.recovered(0) == [b"high"]


def test_an_acceptor_says_nothing_about_chosen_slots_it_cannot_read() -> None:
    """P5, P13: node 2 lost slot 2 and knows 2 to 4 to be chosen; "no vote" there means nothing, above it does."""
    one = candidate()
    one.on_promise(1, promise({5: Vote(B2, b"e")}))
    one.on_promise(2, promise(commit_slot=1, known_slot=4, faulty=(2,)))
    assert one.best_informed() == (1, 2)
    for commit_slot in (1, 2, 3):
        assert one.recovered(commit_slot) is None
    assert one.recovered(4) == [b"e"]
    one.on_promise(3, promise({slot: Vote(B2, b"%d" % slot) for slot in (2, 3, 4)}))
    assert one.recovered(1) == [b"2", b"3", b"4", b"e"]


def test_a_known_choice_is_never_filled_with_a_noop() -> None:
    """P5, P13: nodes 1 and 3 are a quorum without a vote in slot 1, which node 2 knows to be chosen."""
    one = candidate()
    one.on_promise(1, promise())
    one.on_promise(3, promise({2: Vote(B2, b"b")}))
    assert one.recovered(0) == [NOOP, b"b"]
    one.on_promise(2, promise(known_slot=1))
    assert one.recovered(0) is None


def test_a_slot_known_to_be_chosen_that_nobody_has_a_vote_in_is_no_gap() -> None:
    """Two sound reports without a vote cannot be, if slot 2 was chosen: more is lost than was reported."""
    one = candidate()
    one.on_promise(1, promise())
    one.on_promise(3, promise({1: Vote(B2, b"a")}))
    assert one.recovered(0) == [b"a"]
    one.on_promise(2, promise(known_slot=1 << 60))
    assert one.recovered(0) is None
