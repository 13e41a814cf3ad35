"""Gathering: a wait for those who come back, and no wait for those who do not."""

from __future__ import annotations

from itertools import pairwise

from paxoskv.node.gathering import COMMANDS_MIN, SLOTS_SKIPPED_MAX, WAIT_S, Gathering
from tests.node.kit import Lab


class Room:
    """A gathering in a lab. late: how often a wait was vain."""

    def __init__(self) -> None:
        self.lab = Lab()
        self.late = 0
        self.gathering = Gathering(self.lab.call_later, self._on_late)

    def _on_late(self) -> None:
        self.late += 1

    def waits_after(self, commands: int) -> bool:
        """Whether a slot is waited after; the wait ends as vain."""
        self.gathering.begin(commands)
        waits = self.gathering.wants_more(0)
        self.lab.let_pass(WAIT_S)
        assert not self.gathering.wants_more(0), "a wait has an end"
        return waits


def test_most_of_those_about_are_waited_for() -> None:
    room = Room()
    room.gathering.begin(64)
    assert room.gathering.wants_more(55)
    assert not room.gathering.wants_more(56)
    assert not room.gathering.wants_more(64)


def test_nobody_is_waited_for_where_few_are_about() -> None:
    room = Room()
    assert not room.waits_after(COMMANDS_MIN - 1)
    assert room.waits_after(COMMANDS_MIN)


def test_a_vain_wait_is_told_once_and_an_ended_one_never() -> None:
    room = Room()
    room.gathering.begin(64)
    room.lab.let_pass(0.6 * WAIT_S)
    assert room.late == 0
    room.lab.let_pass(0.6 * WAIT_S)
    assert room.late == 1
    room.gathering.begin(64)
    room.gathering.begin(64)
    room.gathering.end()
    room.lab.let_pass(WAIT_S)
    assert room.late == 1


def test_vain_waits_become_rare() -> None:
    """1, 2, 4 ... slots without a wait after each, so that a steady stream of strangers is hardly ever held up."""
    room = Room()
    waits = [room.waits_after(64) for _ in range(1000)]
    at = [slot for slot, waited in enumerate(waits) if waited]
    assert at[:6] == [0, 2, 5, 10, 19, 36]
    assert all(later - earlier == SLOTS_SKIPPED_MAX + 1 for earlier, later in pairwise(at[7:]))


def test_a_wait_that_pays_makes_waiting_usual_again() -> None:
    room = Room()
    for _ in range(20):
        room.waits_after(64)
    while not room.gathering.wants_more(0):
        room.gathering.begin(64)
    assert not room.gathering.wants_more(60)
    room.gathering.end()
    assert [room.waits_after(64) for _ in range(4)] == [True, False, True, False]
