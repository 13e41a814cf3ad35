"""Commands on their way into the log: batches and their limits, log time, drain, and what a lost leadership means."""

from __future__ import annotations

import asyncio
from itertools import count

from paxoskv.kv import commands, requests
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from paxoskv.node.gathering import COMMANDS_MIN, WAIT_S
from paxoskv.node.proposals import PIPELINED_COMMANDS, Proposals
from tests.node.kit import OPEN, TICK_S, Answers, Lab

IDLE_MS = 1_000


class Desk:
    """Proposals of node 1 of a lab, which leads, and the answers that its clients got."""

    def __init__(self, nodes: int = 1, bytes_max: int = 1 << 20, **limits: int) -> None:
        kv_limits = KvLimits(session_idle_ms=IDLE_MS, **limits)
        self.lab = Lab(nodes, kv_limits)
        self.proposals = Proposals(
            self.lab.engine, kv_limits, bytes_max, self.lab.clock, self.lab.call_soon, self.lab.call_later
        )
        self.lab.seat.listeners.append(self.proposals)
        self.answers = Answers()
        self._numbers = count(1)
        self.lab.elect()
        self.lab.seat.take()

    def submit(self, *submitted: bytes) -> list[int]:
        """Submit commands in this turn; return their request numbers."""
        numbers = [next(self._numbers) for _ in submitted]
        for number, command in zip(numbers, submitted, strict=True):
            self.proposals.submit(command, self.answers.waiter(number))
        return numbers

    def settle(self) -> None:
        self.lab.settle()

    def session(self) -> int:
        """Open a session; return its id."""
        (number,) = self.submit(OPEN)
        self.settle()
        session: int = self.answers.got[number][2][3]
        return session

    def batches(self) -> list[int]:
        """Return how many commands each slot that was applied since the last call held, empty ones left out."""
        return [len(event[2]) for event in self.lab.seat.take() if event[0] == "applied" and event[2]]

    @property
    def log_ms(self) -> int:
        """Log time of the state machine."""
        return self.lab.engine.machine.now_ms


# Batches


def test_all_commands_of_a_turn_share_a_slot_and_get_their_own_replies() -> None:
    desk = Desk()
    numbers = desk.submit(OPEN, OPEN, OPEN)
    assert desk.answers.got == {}
    desk.settle()
    assert desk.batches() == [3]
    assert [desk.answers.got[number][2][3] for number in numbers] == [1, 2, 3]
    assert set(desk.answers.statuses.values()) == {protocol.OK}


def test_what_arrives_while_a_slot_is_in_flight_shares_the_next_one() -> None:
    desk = Desk()
    desk.lab.disk.is_quick = False
    desk.submit(OPEN)
    desk.settle()
    for _ in range(5):
        desk.submit(OPEN)
        desk.settle()
    desk.lab.disk.is_quick = True
    desk.settle()
    assert sum(desk.batches()) == 6
    assert len(desk.answers.got) == 6


def test_a_batch_holds_no_more_commands_than_allowed() -> None:
    desk = Desk(batch_commands_max=4)
    desk.submit(*[OPEN] * 10)
    desk.settle()
    assert desk.batches() == [4, 4, 2]


def test_a_batch_holds_no_more_bytes_than_allowed_but_one_large_command_gets_a_slot_of_its_own() -> None:
    desk = Desk(batch_bytes_max=1_000)
    session = desk.session()
    desk.batches()
    small, large = b"x" * 300, b"x" * 5_000
    desk.submit(
        *(
            commands.put(session, seq, 0, b"k", value)
            for seq, value in enumerate([small, small, large, small, small], 1)
        )
    )
    desk.settle()
    assert desk.batches() == [2, 1, 2]
    assert desk.lab.engine.machine.revision == 5


def test_the_window_is_respected_and_nothing_is_left_behind() -> None:
    """With one command a batch, far more are submitted than may be in flight."""
    desk = Desk(batch_commands_max=1)
    desk.lab.disk.is_quick = False
    desk.submit(*[OPEN] * 500)
    desk.settle()
    assert len(desk.lab.disk.waiting) <= 16
    desk.lab.disk.is_quick = True
    desk.settle()
    assert len(desk.answers.got) == 500
    assert desk.proposals.is_idle


# Gathering


def test_the_next_batch_waits_for_the_clients_of_the_last_one() -> None:
    """Twenty are answered and twenty queue: the slot after holds all who ask again, not two crowds in turn."""
    desk = Desk()
    desk.lab.disk.is_quick = False
    desk.submit(*[OPEN] * 20)
    desk.lab.end_turn()
    desk.submit(*[OPEN] * 20)
    desk.lab.end_turn()
    desk.lab.disk.sync()
    desk.lab.end_turn()
    assert desk.batches() == [20]
    assert not desk.lab.disk.waiting, "nothing is proposed yet"
    desk.submit(*[OPEN] * 20)
    desk.lab.end_turn()
    desk.lab.disk.sync()
    assert desk.batches() == [40]


def test_nobody_waits_long_for_clients_that_stay_away() -> None:
    desk = Desk()
    desk.lab.disk.is_quick = False
    desk.submit(*[OPEN] * 20)
    desk.lab.end_turn()
    (late,) = desk.submit(OPEN)
    desk.lab.disk.sync()
    desk.lab.end_turn()
    assert not desk.lab.disk.waiting
    desk.lab.let_pass(WAIT_S)
    desk.lab.disk.sync()
    assert desk.answers.statuses[late] == protocol.OK


def test_few_commands_wait_for_nobody() -> None:
    desk = Desk()
    desk.lab.disk.is_quick = False
    desk.submit(*[OPEN] * (COMMANDS_MIN - 2))
    desk.lab.end_turn()
    desk.submit(OPEN)
    desk.lab.end_turn()
    desk.lab.disk.sync()
    assert len(desk.lab.disk.waiting) == 1, "the one that queued is on its way"


def test_a_full_batch_waits_for_nobody() -> None:
    desk = Desk()
    desk.lab.disk.is_quick = False
    desk.submit(*[OPEN] * 20)
    desk.lab.end_turn()
    desk.submit(*[OPEN] * (PIPELINED_COMMANDS - 1))
    desk.lab.end_turn()
    assert len(desk.lab.disk.waiting) == 1
    desk.submit(OPEN)
    desk.lab.end_turn()
    assert len(desk.lab.disk.waiting) == 2


def test_the_next_batch_is_on_its_way_before_the_last_one_is_applied() -> None:
    """It need not wait for the state machine."""
    desk = Desk(nodes=3)
    desk.lab.disk.is_quick = False
    desk.lab.cut.add(3)
    desk.submit(OPEN)
    desk.lab.end_turn()
    desk.submit(OPEN)
    desk.settle()
    desk.lab.seat.take()
    desk.lab.disk.sync()
    kinds = [event[0] for event in desk.lab.seat.take()]
    assert kinds == ["chosen", "send", "send", "submit", "applied"]


def test_a_leadership_that_ends_while_it_gathers_proposes_nothing_more() -> None:
    desk = Desk(nodes=3)
    desk.submit(*[OPEN] * 20)
    desk.settle()
    (waiting,) = desk.submit(OPEN)
    desk.lab.end_turn()
    desk.lab.engine.step_down()
    desk.lab.let_pass(WAIT_S)
    assert desk.answers.statuses[waiting] == protocol.UNAVAILABLE


# Limits


def test_beyond_the_bytes_in_flight_a_node_is_overloaded_and_then_has_room_again() -> None:
    """P33: refused at once, surely not applied, with the advice to come back."""
    desk = Desk(bytes_max=3 * len(OPEN))
    numbers = desk.submit(*[OPEN] * 5)
    statuses = {number: desk.answers.got[number] for number in numbers[3:]}
    assert {status for status, *_ in statuses.values()} == {protocol.OVERLOADED}
    assert all(retry_after_ms > 0 for *_, retry_after_ms in statuses.values())
    desk.settle()
    assert desk.batches() == [3]
    assert desk.proposals.bytes_in_flight == 0
    (later,) = desk.submit(OPEN)
    desk.settle()
    assert desk.answers.statuses[later] == protocol.OK


# Log time (P26, P30)


def test_log_time_follows_the_leaders_clock() -> None:
    desk = Desk()
    desk.submit(OPEN)
    desk.settle()
    before_ms = desk.log_ms
    desk.lab.now_s += 0.25
    desk.submit(OPEN)
    desk.settle()
    assert desk.log_ms - before_ms == 250


def test_parts_of_milliseconds_add_up() -> None:
    desk = Desk()
    desk.submit(OPEN)
    desk.settle()
    before_ms = desk.log_ms
    for _ in range(100):
        desk.lab.now_s += 0.0007
        desk.submit(OPEN)
        desk.settle()
    assert 69 <= desk.log_ms - before_ms <= 70


def test_the_first_batch_of_a_leadership_adds_no_time() -> None:
    """However long nobody led, and whatever the new leader's clock says: a failover makes nothing expire early."""
    desk = Desk()
    session = desk.session()
    before_ms = desk.log_ms
    desk.lab.engine.step_down()
    desk.settle()
    desk.lab.now_s += 3_600
    desk.lab.elect()
    (number,) = desk.submit(commands.put(session, 1, 0, b"k", b"v"))
    desk.settle()
    assert desk.log_ms == before_ms
    assert desk.answers.got[number][2][0] == 0, "the session has not expired"


def test_an_idle_log_stays_idle_until_a_session_is_due_to_expire() -> None:
    desk = Desk()
    desk.session()
    desk.lab.seat.take()
    slot = desk.lab.engine.machine.applied_slot
    desk.lab.now_s += IDLE_MS / 1000 - 0.01
    desk.proposals.on_timer()
    desk.settle()
    assert desk.lab.engine.machine.applied_slot == slot
    desk.lab.now_s += 0.02
    desk.proposals.on_timer()
    desk.settle()
    assert desk.lab.engine.machine.applied_slot == slot + 1
    assert desk.lab.engine.machine.sessions == 0
    desk.lab.now_s += 3_600
    desk.proposals.on_timer()
    desk.settle()
    assert desk.lab.engine.machine.applied_slot == slot + 1


def test_a_new_leader_starts_the_clock_of_sessions_that_it_found() -> None:
    """They expire a full idle time after its first look, though nobody writes."""
    desk = Desk()
    desk.session()
    desk.lab.engine.step_down()
    desk.settle()
    desk.lab.elect()
    for _ in range(3):
        desk.proposals.on_timer()
        desk.settle()
        assert desk.lab.engine.machine.sessions == 1
        desk.lab.now_s += IDLE_MS / 1000 * 0.45
    for _ in range(3):
        desk.lab.now_s += IDLE_MS / 1000
        desk.proposals.on_timer()
        desk.settle()
    assert desk.lab.engine.machine.sessions == 0


# Leases (P18, P26)


def lease_of(desk: Desk, session: int, ttl_ms: int = 5_000) -> int:
    """Grant a lease; return its id."""
    (number,) = desk.submit(requests.grant(session, 1, 0, ttl_ms))
    desk.settle()
    lease: int = desk.answers.got[number][2][3]
    return lease


def test_a_new_leader_extends_all_leases_with_its_first_batch_and_answers_only_who_asked() -> None:
    """While nobody led, nobody could renew a lease; the time before counts for nothing."""
    desk = Desk(leases_max=9)
    session = desk.session()
    lease = lease_of(desk, session)
    desk.lab.now_s += 0.9
    (number,) = desk.submit(commands.put(session, 2, 1, b"k", b"v"))
    desk.settle()
    view = desk.lab.engine.machine.lease(lease)
    assert view is not None
    assert view.remaining_ms == 4_100
    desk.lab.engine.step_down()
    desk.settle()
    desk.lab.elect()
    first, second = desk.submit(commands.put(session, 3, 2, b"a", b"v"), commands.delete(session, 4, 2, b"b"))
    desk.settle()
    view = desk.lab.engine.machine.lease(lease)
    assert view is not None
    assert view.remaining_ms == 5_000
    assert [desk.answers.got[number][2][0] for number in (number, first, second)] == [0, 0, 0]
    assert desk.answers.got[second][2][3] == 0, "the reply of a delete, not of what stood before it"
    assert desk.batches()[-1] == 3
    desk.submit(commands.put(session, 5, 4, b"a", b"v"))
    desk.settle()
    assert desk.batches()[-1] == 1, "once in a leadership"


def test_a_lease_in_a_recovered_slot_is_extended_too() -> None:
    """The new leader has not applied that slot when it makes its first batch, and knows of no lease (P18)."""
    desk = Desk(nodes=3)
    session = desk.session()
    lab = desk.lab
    lab.engine.step_down()
    lab.settle()
    lab.elect(2)
    lab.seats[2].engine.propose(commands.encode_batch(0, [requests.grant(session, 1, 0, 5_000)]))
    lab.deliver()
    for seat in lab.seats.values():
        seat.disk.sync()
    lab.wire.clear()  # voted for, and nobody hears of it
    while not lab.engine.leads:
        lab.now_s += TICK_S
        lab.engine.on_timer()
        lab.deliver()
        for seat in lab.seats.values():
            seat.disk.sync()
    assert lab.engine.machine.leases == 0
    desk.batches()
    desk.submit(commands.put(session, 2, 0, b"k", b"v"))
    lab.end_turn()
    desk.settle()
    assert lab.engine.machine.leases == 1
    assert desk.batches() == [1, 2], "the grant, then what extends it with the put"


def test_without_leases_a_leadership_begins_with_what_it_was_asked_for() -> None:
    desk = Desk()
    desk.lab.engine.step_down()
    desk.settle()
    desk.lab.elect()
    desk.batches()
    desk.submit(OPEN)
    desk.settle()
    assert desk.batches() == [1]


def test_a_lease_expires_by_the_log_and_by_nothing_else() -> None:
    """P18, P26: whatever its clock says, a node that cannot write revokes nothing."""
    desk = Desk(nodes=3)
    session = desk.session()
    lease = lease_of(desk, session, 600)
    machine = desk.lab.engine.machine
    desk.lab.cut = {1}
    desk.lab.now_s += 3_600
    for _ in range(3):
        desk.proposals.on_timer()
        desk.settle()
    assert machine.lease(lease) is not None
    desk.lab.cut = set()
    desk.lab.engine.step_down()
    desk.settle()
    desk.lab.elect()
    desk.proposals.on_timer()
    desk.settle()
    assert machine.lease(lease) is not None, "the new leadership begins with the whole time"
    for _ in range(13):
        assert machine.lease(lease) is not None
        desk.lab.now_s += 0.05
        desk.lab.engine.on_timer()
        desk.settle()
        desk.proposals.on_timer()
        desk.settle()
    assert machine.lease(lease) is None


# Leadership lost


def test_what_was_in_flight_is_unknown_and_what_was_not_is_surely_not_applied() -> None:
    desk = Desk(nodes=3)
    desk.lab.cut |= {2, 3}
    proposed = desk.submit(OPEN, OPEN)
    desk.lab.end_turn()
    queued = desk.submit(OPEN)
    desk.lab.engine.step_down()
    assert {desk.answers.statuses[number] for number in proposed} == {protocol.OUTCOME_UNKNOWN}
    assert {desk.answers.statuses[number] for number in queued} == {protocol.UNAVAILABLE}
    assert desk.proposals.bytes_in_flight == 0
    assert desk.proposals.is_idle


def test_a_slot_that_is_chosen_after_all_answers_nobody_twice() -> None:
    """The successor finds the vote and has it chosen; those who waited were told long ago."""
    desk = Desk(nodes=3)
    desk.lab.disk.is_quick = False
    desk.lab.cut |= {3}
    (number,) = desk.submit(OPEN)
    desk.lab.end_turn()
    desk.lab.deliver()
    desk.lab.engine.step_down()
    assert desk.answers.statuses == {number: protocol.OUTCOME_UNKNOWN}
    desk.lab.disk.is_quick = True
    desk.lab.elect(2)
    assert desk.lab.engine.machine.sessions == 1
    assert desk.answers.statuses == {number: protocol.OUTCOME_UNKNOWN}


def test_a_heartbeat_that_changes_nothing_ends_nothing() -> None:
    """`on_role` is also called when somebody else's role changed: a leader that goes on keeps its clients waiting."""
    desk = Desk(nodes=3)
    desk.lab.cut |= {2, 3}
    (number,) = desk.submit(OPEN)
    desk.lab.end_turn()
    desk.proposals.on_role()
    assert desk.answers.got == {}
    desk.lab.cut.clear()
    desk.lab.now_s += 0.3
    desk.lab.engine.on_timer()  # repeats what was lost
    desk.settle()
    assert desk.answers.statuses == {number: protocol.OK}


# Drain (P37)


async def test_a_drained_node_takes_nothing_new_and_finishes_what_it_has() -> None:
    desk = Desk()
    desk.lab.disk.is_quick = False
    (old,) = desk.submit(OPEN)
    desk.settle()
    drained = asyncio.create_task(desk.proposals.drain())
    await asyncio.sleep(0)
    (new,) = desk.submit(OPEN)
    assert desk.answers.statuses == {new: protocol.SHUTTING_DOWN}
    assert not drained.done()
    desk.lab.disk.sync()
    desk.settle()
    async with asyncio.timeout(10):
        await drained
    assert desk.answers.statuses[old] == protocol.OK


async def test_an_idle_node_is_drained_at_once() -> None:
    async with asyncio.timeout(10):
        await Desk().proposals.drain()


async def test_a_node_that_loses_its_leadership_is_drained() -> None:
    desk = Desk(nodes=3)
    desk.lab.cut |= {2, 3}
    desk.submit(OPEN)
    desk.lab.end_turn()
    drained = asyncio.create_task(desk.proposals.drain())
    await asyncio.sleep(0)
    desk.lab.engine.step_down()
    async with asyncio.timeout(10):
        await drained
    assert desk.proposals.is_idle
