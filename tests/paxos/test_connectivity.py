"""Who hears whom: round trips, dated from their beginning."""

from __future__ import annotations

from paxoskv.paxos.ballot import NO_BALLOT, Ballot
from paxoskv.paxos.connectivity import Connectivity
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.messages import Envelope, Heartbeat, HeartbeatAck
from paxoskv.paxos.timing import Timing

TIMING = Timing()
MINE = Ballot(3, 1)
T0 = 50.0
FIRST = 1000


def connectivity() -> Connectivity:
    return Connectivity((2, 3), TIMING, FIRST)


def ack(number: int) -> HeartbeatAck:
    return HeartbeatAck(NO_BALLOT, number, NO_BALLOT)


def test_a_round_is_a_heartbeat_to_every_peer_under_a_new_number() -> None:
    """P23: no number is used twice."""
    one, out = connectivity(), Effects()
    assert one.begin_round(MINE, 7, 1, T0, out) == FIRST + 1
    beat = Heartbeat(MINE, 7, FIRST + 1, connected=False)
    assert out == Effects(send_now=[Envelope(2, beat), Envelope(3, beat)])
    assert one.begin_round(MINE, 7, 1, T0, Effects()) == FIRST + 2


def test_heartbeats_are_due_at_their_interval_or_in_a_hurry() -> None:
    one = connectivity()
    assert one.is_due(T0)
    one.begin_round(MINE, 0, 1, T0, Effects())
    assert not one.is_due(T0 + TIMING.heartbeat_s - 0.001)
    assert one.is_due(T0 + TIMING.heartbeat_s)
    one.begin_round(MINE, 0, 1, T0, Effects())
    one.hurry()
    assert one.is_due(T0)


def test_a_round_trip_counts_from_the_time_it_began() -> None:
    """A slow answer proves the link as of the question."""
    one = connectivity()
    number = one.begin_round(MINE, 0, 1, T0, Effects())
    one.on_ack(2, ack(number))
    assert one.hears(2, T0 + TIMING.election_timeout_s)
    assert not one.hears(2, T0 + TIMING.election_timeout_s + 0.001)
    assert not one.hears(3, T0)


def test_reaching_a_quorum_takes_that_many_distinct_peers() -> None:
    one = connectivity()
    number = one.begin_round(MINE, 0, 1, T0, Effects())
    one.on_ack(2, ack(number))
    one.on_ack(2, ack(number))
    assert one.reaches(1, T0)
    assert not one.reaches(2, T0)
    one.on_ack(3, ack(number))
    assert one.reaches(2, T0)
    assert one.reaches(0, T0 + 99)


def test_the_connected_flag_says_whether_a_quorum_is_reached() -> None:
    one = connectivity()
    one.on_ack(2, ack(one.begin_round(MINE, 0, 1, T0, Effects())))
    out = Effects()
    one.begin_round(MINE, 0, 1, T0, out)
    [first, _] = out.send_now
    assert first.message == Heartbeat(MINE, 0, FIRST + 2, connected=True)


def test_an_ack_of_no_round_of_this_life_proves_nothing() -> None:
    """P31: the numbers of two lives differ, for the first one is random."""
    one = connectivity()
    one.begin_round(MINE, 0, 1, T0, Effects())
    for number in (0, 1, FIRST, FIRST + 2, 1 << 62):
        one.on_ack(2, ack(number))
    assert not one.hears(2, T0)


def test_a_late_ack_never_takes_back_a_newer_one() -> None:
    one = connectivity()
    old = one.begin_round(MINE, 0, 1, T0, Effects())
    new = one.begin_round(MINE, 0, 1, T0 + 0.3, Effects())
    one.on_ack(2, ack(new))
    one.on_ack(2, ack(old))
    assert one.hears(2, T0 + 0.6)


def test_the_memory_of_rounds_is_bounded() -> None:
    one = connectivity()
    first = one.begin_round(MINE, 0, 1, T0, Effects())
    for _ in range(300):
        one.begin_round(MINE, 0, 1, T0, Effects())
    one.on_ack(2, ack(first))
    assert not one.hears(2, T0)


def test_a_quorum_was_reached_when_the_last_of_it_was() -> None:
    one = Connectivity((2, 3, 4, 5), TIMING, FIRST)
    assert one.reached_s(2, T0) is None
    for peer, later_s in ((2, 0.0), (3, 0.1), (4, 0.2)):
        one.on_ack(peer, ack(one.begin_round(MINE, 0, 2, T0 + later_s, Effects())))
    assert one.reached_s(2, T0 + 9) == T0 + 0.1
    assert one.reached_s(0, T0 + 9) == T0 + 9, "a quorum of one is always there"


def test_when_a_quorum_was_reached_is_not_known_once_too_many_are_gone() -> None:
    one = connectivity()
    one.on_ack(2, ack(one.begin_round(MINE, 0, 1, T0, Effects())))
    assert one.reached_s(1, T0) == T0
    one.on_down(2)
    assert one.reached_s(1, T0) is None


def test_a_peer_whose_process_is_gone_is_not_heard_any_more() -> None:
    one = connectivity()
    one.on_ack(2, ack(one.begin_round(MINE, 0, 1, T0, Effects())))
    one.on_down(2)
    one.on_down(3)
    assert not one.hears(2, T0)
