"""Linearizable reads: held until confirmed, shared within a turn, failed when nobody can confirm them (P23)."""

from __future__ import annotations

from collections.abc import Callable

from paxoskv.net import protocol
from paxoskv.node.answers import Waiter
from paxoskv.node.readgate import ReadGate
from paxoskv.paxos.lease import NO_LEASES, LeaseTerms
from paxoskv.paxos.messages import Accepted, Heartbeat, ReadAsk
from tests.node.kit import Answers, Lab


class Desk:
    """The read gate of node 1 of a lab. Every read is answered with the applied slot of its moment.

    served: how many answers were computed. on_serve: what happens in the middle of that.
    """

    def __init__(self, nodes: int, leader: int | None = 1, lease: LeaseTerms = NO_LEASES) -> None:
        self.lab = Lab(nodes, lease=lease)
        self.served = 0
        self.on_serve: Callable[[], None] | None = None
        self.gate = ReadGate(self.lab.engine, self.lab.call_soon)
        self.lab.seat.listeners.append(self.gate)
        self.answers = Answers()
        if leader is not None:
            self.lab.elect(leader)
        self.lab.seat.take()

    def read(self, *numbers: int) -> None:
        """Ask for reads in this turn."""
        for number in numbers:
            self.gate.submit(self._serve, self.answers.waiter(number))

    def read_leased(self, *numbers: int) -> None:
        """Ask for reads under a lease in this turn."""
        for number in numbers:
            self.gate.submit_leased(self._serve, self.answers.waiter(number))

    def _serve(self, waiter: Waiter) -> None:
        self.served += 1
        if self.on_serve is not None:
            self.on_serve()
        waiter.sink.answer(waiter.number, protocol.OK, self.lab.engine.machine.applied_slot)

    def sent(self, kind: type) -> int:
        """Return how many messages of a kind were sent since the last call."""
        return sum(event[0] == "send" and isinstance(event[2], kind) for event in self.lab.seat.take())


def test_a_leader_answers_when_a_quorum_has_confirmed_it() -> None:
    desk = Desk(3)
    desk.read(1)
    desk.lab.end_turn()
    assert desk.answers.got == {}
    desk.lab.settle()
    assert desk.answers.statuses == {1: protocol.OK}


def test_all_reads_of_a_turn_share_one_round() -> None:
    desk = Desk(3)
    desk.read(*range(1, 1001))
    desk.lab.end_turn()
    assert desk.sent(Heartbeat) == 2, "one to each of the two others"
    desk.lab.settle()
    assert len(desk.answers.got) == 1000


def test_reads_that_come_during_a_round_share_the_next_one() -> None:
    """The round under way began before they came, so it proves nothing for them."""
    desk = Desk(3)
    desk.read(1)
    desk.lab.end_turn()
    for number in (2, 3, 4):
        desk.read(number)
        desk.lab.end_turn()
    assert desk.sent(Heartbeat) == 2
    desk.lab.settle()
    assert desk.sent(Heartbeat) == 2
    assert len(desk.answers.got) == 4


def test_a_follower_asks_the_leader_once_for_a_turn_and_answers_itself() -> None:
    desk = Desk(3, leader=2)
    desk.read(1, 2, 3)
    desk.lab.end_turn()
    assert desk.sent(ReadAsk) == 1
    desk.lab.settle()
    assert desk.answers.statuses == dict.fromkeys((1, 2, 3), protocol.OK)


def test_a_follower_waits_until_it_has_applied_what_the_leader_knew() -> None:
    desk = Desk(3, leader=2)
    desk.lab.cut.add(1)
    for _ in range(3):
        desk.lab.seats[2].engine.propose(b"")
        desk.lab.settle()
    known = desk.lab.seats[2].engine.machine.applied_slot
    desk.lab.cut.clear()
    desk.read(1)
    desk.lab.settle()
    if not desk.answers.got:  # it still asks for the slots it missed
        desk.lab.now_s += 0.3
        desk.lab.seats[2].engine.on_timer()
        desk.lab.settle()
    assert desk.answers.got == {1: (protocol.OK, known)}


def test_a_leader_without_its_quorum_answers_no_read() -> None:
    desk = Desk(3)
    desk.lab.cut |= {2, 3}
    desk.read(1)
    desk.lab.settle()
    assert desk.answers.got == {}
    desk.lab.now_s += 10
    desk.lab.engine.on_timer()
    assert desk.answers.statuses == {1: protocol.UNAVAILABLE}


def test_without_a_leader_a_read_fails_at_once() -> None:
    desk = Desk(3, leader=None)
    desk.read(1)
    desk.lab.end_turn()
    assert desk.answers.statuses == {1: protocol.UNAVAILABLE}


def test_a_read_that_follows_a_write_of_the_same_client_sees_it() -> None:
    desk = Desk(1)
    before = desk.lab.engine.machine.applied_slot
    desk.lab.engine.propose(b"")
    desk.lab.settle()
    desk.read(1)
    desk.lab.settle()
    assert desk.answers.got == {1: (protocol.OK, before + 1)}


def test_reads_asked_for_while_reads_are_served_get_their_turn() -> None:
    """Serving may bring new reads of the same client at once."""
    desk = Desk(1)

    def serve_and_ask(waiter: Waiter) -> None:
        waiter.sink.answer(waiter.number, protocol.OK)
        if waiter.number < 5:
            desk.gate.submit(serve_and_ask, desk.answers.waiter(waiter.number + 1))

    desk.gate.submit(serve_and_ask, desk.answers.waiter(1))
    desk.lab.settle()
    assert set(desk.answers.got) == {1, 2, 3, 4, 5}


def test_a_client_that_does_not_read_its_answers_gets_no_more_of_them_made() -> None:
    """H5: what is confirmed waits for room, without taking any."""
    desk = Desk(1)
    desk.answers.is_writable = False
    desk.read(1, 2)
    desk.lab.settle()
    assert desk.answers.got == {}
    for work in desk.answers.held:
        work()
    assert desk.answers.statuses == {1: protocol.OK, 2: protocol.OK}


LEASE = LeaseTerms(0.3, 0.0)


def test_under_a_lease_a_leader_answers_at_once_and_asks_nobody() -> None:
    desk = Desk(3, lease=LEASE)
    desk.read_leased(1, 2)
    assert desk.answers.statuses == {1: protocol.OK, 2: protocol.OK}
    desk.lab.settle()
    assert desk.sent(Heartbeat) == 0


def test_a_lease_that_ran_out_is_no_reason_to_fail() -> None:
    """It is confirmed like any other read."""
    desk = Desk(3, lease=LEASE)
    desk.lab.now_s += LEASE.length_s
    desk.read_leased(1)
    assert (desk.served, desk.answers.got) == (0, {})
    desk.lab.settle()
    assert desk.answers.statuses == {1: protocol.OK}


def test_an_answer_is_computed_before_the_lease_is_looked_at() -> None:
    """P24: the process stands still in between, somebody else is elected and writes; what was computed is old."""
    desk = Desk(3, lease=LEASE)

    def stand_still() -> None:
        desk.lab.now_s += LEASE.length_s

    desk.on_serve = stand_still
    desk.read_leased(1)
    assert desk.answers.got == {}
    desk.lab.cut |= {2, 3}
    desk.lab.settle()
    assert desk.answers.got == {}, "nobody confirms the read"
    desk.lab.now_s += 10
    desk.lab.engine.on_timer()
    assert desk.answers.statuses == {1: protocol.UNAVAILABLE}


def test_under_a_lease_everything_chosen_is_applied_before_a_read() -> None:
    """A follower that was told of it may have shown it to somebody already, however late we apply."""
    desk = Desk(3, lease=LEASE)
    engine = desk.lab.engine
    engine.propose(b"")
    desk.lab.deliver()
    for seat in desk.lab.seats.values():
        seat.disk.sync()
    before = engine.machine.applied_slot
    engine._unapplied += engine.replica.on_message(2, Accepted(engine.ballot, before + 1), desk.lab.now_s).chosen
    assert (engine.replica.log.commit_slot, engine.machine.applied_slot) == (before + 1, before)
    desk.read_leased(1)
    assert desk.answers.got == {1: (protocol.OK, before + 1)}


def test_a_follower_has_no_lease_and_asks_the_leader() -> None:
    desk = Desk(3, leader=2, lease=LEASE)
    desk.read_leased(1)
    desk.lab.end_turn()
    assert desk.sent(ReadAsk) == 1
    desk.lab.settle()
    assert desk.answers.statuses == {1: protocol.OK}


def test_under_a_lease_too_a_client_that_does_not_read_its_answers_gets_no_more_of_them_made() -> None:
    """H5; and when it reads again, the lease is another one or none."""
    desk = Desk(3, lease=LEASE)
    desk.answers.is_writable = False
    desk.read_leased(1)
    assert (desk.served, desk.answers.got) == (0, {})
    desk.lab.now_s += LEASE.length_s
    desk.answers.held.pop()()
    assert desk.answers.got == {}
    desk.answers.is_writable = True
    desk.lab.settle()
    assert desk.answers.statuses == {1: protocol.OK}
