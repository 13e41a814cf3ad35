"""Writes that a follower passes on: sent once, answered once, and never left hanging when the leader is lost."""

from __future__ import annotations

import pytest

from paxoskv.net import protocol
from paxoskv.node.forwards import TIMEOUT_S, Forwards
from tests.node.kit import Answers


class Desk:
    """Forwards of a follower.

    sent: (leader, number, command) that the link took. is_up: whether it takes any. now: of the clock.
    """

    def __init__(self, bytes_max: int = 100) -> None:
        self.sent: list[tuple[int, int, bytes]] = []
        self.is_up = True
        self.answers = Answers()
        self.now = 100.0
        self.forwards = Forwards(self._send, bytes_max, lambda: self.now)

    def _send(self, leader: int, number: int, command: bytes) -> bool:
        if self.is_up:
            self.sent.append((leader, number, command))
        return self.is_up

    def submit(self, leader: int, client_number: int, command: bytes = b"command") -> int:
        """Forward a command; return the number under which it travels."""
        self.forwards.submit(leader, command, self.answers.waiter(client_number))
        return self.sent[-1][1]


def test_an_answer_finds_the_request_it_belongs_to() -> None:
    desk = Desk()
    first, second = desk.submit(2, 71), desk.submit(2, 72)
    assert first != second
    desk.forwards.on_answer(2, second, (protocol.OK, (1, 2), (0, 5, 9)))
    desk.forwards.on_answer(2, first, (protocol.OVERLOADED, "busy", 20))
    assert desk.answers.got == {72: (protocol.OK, (1, 2), (0, 5, 9)), 71: (protocol.OVERLOADED, "busy", 20)}
    assert desk.forwards.bytes_in_flight == 0


def test_late_repeated_and_foreign_answers_find_nobody() -> None:
    """P31: the answer counts once, and only from the node that was asked."""
    desk = Desk()
    number = desk.submit(2, 71)
    desk.forwards.on_answer(3, number, (protocol.OK,))
    desk.forwards.on_answer(2, number + 1, (protocol.OK,))
    assert desk.answers.got == {}
    desk.forwards.on_answer(2, number, (protocol.OK,))
    desk.forwards.on_answer(2, number, (protocol.UNAVAILABLE,))
    assert desk.answers.got == {71: (protocol.OK,)}


def test_without_a_connection_nothing_was_sent_and_the_client_knows_it() -> None:
    desk = Desk()
    desk.is_up = False
    desk.forwards.submit(2, b"command", desk.answers.waiter(71))
    assert desk.answers.statuses == {71: protocol.UNAVAILABLE}
    assert desk.forwards.bytes_in_flight == 0


@pytest.mark.parametrize("loss", ["another leader", "no leader", "connection"])
def test_a_lost_leader_leaves_the_outcome_unknown(loss: str) -> None:
    desk = Desk()
    number = desk.submit(2, 71)
    match loss:
        case "another leader":
            desk.forwards.fail_others(3)
        case "no leader":
            desk.forwards.fail_others(None)
        case _:
            desk.forwards.fail_peer(2)
    assert desk.answers.statuses == {71: protocol.OUTCOME_UNKNOWN}
    desk.forwards.on_answer(2, number, (protocol.OK,))
    assert desk.answers.statuses == {71: protocol.OUTCOME_UNKNOWN}
    assert desk.forwards.bytes_in_flight == 0


def test_news_of_the_same_leader_and_losses_of_others_change_nothing() -> None:
    desk = Desk()
    number = desk.submit(2, 71)
    desk.forwards.fail_others(2)
    desk.forwards.fail_peer(3)
    assert desk.answers.got == {}
    desk.forwards.on_answer(2, number, (protocol.OK,))
    assert desk.answers.statuses == {71: protocol.OK}


def test_the_bytes_on_their_way_are_bounded() -> None:
    """P33: beyond, the client is told to come back, and nothing is sent."""
    desk = Desk(bytes_max=10)
    number = desk.submit(2, 71, b"x" * 8)
    desk.forwards.submit(2, b"x" * 3, desk.answers.waiter(72))
    assert desk.answers.statuses == {72: protocol.OVERLOADED}
    assert len(desk.sent) == 1
    desk.forwards.on_answer(2, number, (protocol.OK,))
    desk.submit(2, 73, b"x" * 10)
    assert len(desk.sent) == 2


def test_what_was_lost_on_the_way_is_given_up_in_time() -> None:
    """P31, found by the simulator: a frame lost on a connection that stands kept its client and its bytes for ever."""
    desk = Desk()
    lost = desk.submit(2, 71)
    desk.now += TIMEOUT_S / 2
    desk.submit(2, 72)
    desk.forwards.on_timer()
    assert desk.answers.got == {}
    desk.now += TIMEOUT_S / 2
    desk.forwards.on_timer()
    assert desk.answers.statuses == {71: protocol.OUTCOME_UNKNOWN}
    desk.forwards.on_answer(2, lost, (protocol.OK,))
    assert desk.answers.statuses == {71: protocol.OUTCOME_UNKNOWN}
    assert desk.forwards.bytes_in_flight == len(b"command")
