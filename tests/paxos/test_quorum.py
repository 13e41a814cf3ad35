"""Quorums: sizes that intersect, and no others."""

from __future__ import annotations

from itertools import combinations

import pytest

from paxoskv.paxos.quorum import QuorumError, Quorums


@pytest.mark.parametrize(("count", "majority"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_majorities_by_default(count: int, majority: int) -> None:
    quorums = Quorums.of(range(1, count + 1))
    assert (quorums.phase1, quorums.phase2) == (majority, majority)


@pytest.mark.parametrize("count", range(1, 7))
def test_every_phase_1_quorum_meets_every_phase_2_quorum(count: int) -> None:
    members = range(1, count + 1)
    for phase2 in members:
        quorums = Quorums.of(members, phase2)
        for first in combinations(members, quorums.phase1):
            assert all(set(first) & set(second) for second in combinations(members, quorums.phase2))


def test_of_takes_the_smallest_phase_1_quorum_that_intersects() -> None:
    assert Quorums.of([5, 3, 1, 2, 4], phase2=2) == Quorums((1, 2, 3, 4, 5), 4, 2)


@pytest.mark.parametrize(
    ("members", "phase1", "phase2"),
    [
        ((1, 2, 3, 4), 2, 2),
        ((1, 2, 3), 1, 2),
        ((1, 2, 3), 4, 3),
        ((1, 2, 3), 3, 0),
        ((), 1, 1),
        ((2, 1), 2, 2),
        ((1, 1), 2, 2),
    ],
)
def test_quorums_that_could_miss_each_other_are_refused(members: tuple[int, ...], phase1: int, phase2: int) -> None:
    with pytest.raises(QuorumError):
        Quorums(members, phase1, phase2)


def test_one_node_less_is_no_quorum() -> None:
    quorums = Quorums.of(range(1, 6), phase2=2)
    assert not quorums.is_phase1({1, 2, 3})
    assert quorums.is_phase1({1, 2, 3, 5})
    assert not quorums.is_phase2({4})
    assert quorums.is_phase2({4, 5})
