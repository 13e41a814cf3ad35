"""Pace: work that comes again and again leaves half of the time to others, and nothing that is wanted is forgotten."""

from __future__ import annotations

from paxoskv.node.pace import Pace
from tests.node.kit import Lab


class Labourer:
    """Work in a lab. takes_s: how long a piece takes. wants_more: how many pieces want another one while they run."""

    def __init__(self) -> None:
        self.lab = Lab()
        self.takes_s = 0.0
        self.wants_more = 0
        self.pieces = 0
        self.pace = Pace(self._work, self.lab, self.lab.clock)

    def _work(self) -> None:
        self.pieces += 1
        self.lab.now_s += self.takes_s
        if self.wants_more:
            self.wants_more -= 1
            self.pace.run_soon()


def test_what_is_wanted_is_done_at_the_end_of_the_turn_and_once() -> None:
    labourer = Labourer()
    labourer.pace.run_soon()
    labourer.pace.run_soon()
    assert labourer.pieces == 0
    labourer.lab.end_turn()
    assert labourer.pieces == 1
    labourer.lab.settle()
    assert labourer.pieces == 1


def test_it_rests_for_as_long_as_it_took() -> None:
    """P42: whatever the watches cost, half of the time is left."""
    labourer = Labourer()
    labourer.takes_s = 0.010
    labourer.pace.run_soon()
    labourer.lab.end_turn()
    labourer.lab.let_pass(0.004)
    labourer.pace.run_soon()
    labourer.pace.run_soon()
    labourer.lab.end_turn()
    labourer.lab.let_pass(0.005)
    assert labourer.pieces == 1
    labourer.lab.let_pass(0.002)
    assert labourer.pieces == 2


def test_after_a_rest_it_begins_at_once() -> None:
    labourer = Labourer()
    labourer.takes_s = 0.010
    labourer.pace.run_soon()
    labourer.lab.end_turn()
    labourer.lab.let_pass(0.011)
    labourer.pace.run_soon()
    labourer.lab.end_turn()
    assert labourer.pieces == 2


def test_what_the_work_itself_wants_is_done_after_its_rest() -> None:
    labourer = Labourer()
    labourer.takes_s, labourer.wants_more = 0.010, 2
    labourer.pace.run_soon()
    labourer.lab.end_turn()
    assert labourer.pieces == 1
    for pieces in (2, 3, 3):
        labourer.lab.let_pass(0.011)
        assert labourer.pieces == pieces
