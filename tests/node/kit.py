"""Nodes without sockets, disks or time: real cores and state machines under real engines, moved by hand.

A `Lab` holds one engine a node. Messages wait until they are delivered, records until they are synced, functions due
at the end of a turn until the turn ends, and the clock stands still until it is moved.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from paxoskv.kv import commands
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.kv.replies import Reply
from paxoskv.net import protocol
from paxoskv.node.answers import Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.service import Bounds, Service
from paxoskv.node.turns import Turns
from paxoskv.paxos.ballot import NO_BALLOT
from paxoskv.paxos.effects import Load, Write
from paxoskv.paxos.lease import NO_LEASES, LeaseTerms
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Message
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.replica import Replica, Settings
from paxoskv.paxos.timing import Timing

TIMING = Timing()
TICK_S = 0.01
ELECTION_TICKS_MAX = 500

Event = tuple[Any, ...]


class Disk:
    """The journal of one node: keeps what is submitted until `sync`. is_quick: syncs as soon as the lab settles."""

    def __init__(self) -> None:
        self.backlog_bytes = 0
        self.is_quick = True
        self.waiting: list[tuple[int, list[Write]]] = []
        self.on_written: Callable[[int], None]
        self.note: Callable[[Event], None]

    def submit(self, ticket: int, writes: list[Write]) -> None:
        self.waiting.append((ticket, writes))
        self.note(("submit", ticket))

    def sync(self, units: int | None = None) -> None:
        """Make the oldest `units` durable, all if None."""
        done, self.waiting = self.waiting[:units], self.waiting[units:] if units is not None else []
        if done:
            self.on_written(done[-1][0])


class Seat:
    """One node of a lab: its engine, its disk, and what it did, in order (`events`).

    Events: ("send", to, message), ("submit", ticket), ("load", load), ("role",), ("chosen", slots),
    ("applied", slot, replies) and ("reads", ready, failed). Further listeners, like `Proposals`, go into `listeners`.
    """

    def __init__(self, lab: Lab, node: int, members: list[int], machine: Machine, lease: LeaseTerms) -> None:
        settings = Settings(node, Quorums.of(members), TIMING, lease=lease)
        self.events: list[Event] = []
        self.listeners: list[Any] = []
        self.disk = Disk()
        self.replica = Replica(settings, Log(), NO_BALLOT, Random(node), lab.now_s)
        self.engine = Engine(
            self.replica,
            machine,
            lambda to, message: self._send(lab, node, to, message),
            self._load,
            lab.clock,
        )
        self.disk.on_written = self.engine.on_written
        self.disk.note = self.events.append
        self.engine.connect(self.disk, self)

    def take(self) -> list[Event]:
        """Return what was done since the last call."""
        events, self.events[:] = list(self.events), []
        return events

    # EngineEvents

    def on_role(self) -> None:
        self.events.append(("role",))
        for listener in self.listeners:
            if hasattr(listener, "on_role"):
                listener.on_role()

    def on_chosen(self, slots: list[int]) -> None:
        self.events.append(("chosen", slots))
        for listener in self.listeners:
            if hasattr(listener, "on_chosen"):
                listener.on_chosen(slots)

    def on_applied(self, slot: int, replies: list[Reply]) -> None:
        self.events.append(("applied", slot, replies))
        for listener in self.listeners:
            if hasattr(listener, "on_applied"):
                listener.on_applied(slot, replies)

    def on_reads(self, ready: list[int], failed: list[int]) -> None:
        self.events.append(("reads", ready, failed))
        for listener in self.listeners:
            if hasattr(listener, "on_reads"):
                listener.on_reads(ready, failed)

    def _send(self, lab: Lab, node: int, to: int, message: Message) -> None:
        self.events.append(("send", to, message))
        lab.wire.append((node, to, message))

    def _load(self, load: Load) -> None:
        self.events.append(("load", load))


class Alarm:
    """A function that is due at a time of the lab, unless it is cancelled."""

    def __init__(self, due_s: float, function: Callable[[], None]) -> None:
        self.due_s = due_s
        self.function = function
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Lab:
    """`count` nodes; the first one is the one to look at.

    wire: messages under way, as (from, to, message). cut: nodes that neither hear nor are heard.
    machine: makes the state machines.
    """

    def __init__(
        self,
        count: int = 1,
        limits: KvLimits | None = None,
        machine: Callable[[KvLimits], Machine] = Machine,
        lease: LeaseTerms = NO_LEASES,
    ) -> None:
        self.now_s = 100.0
        self.wire: list[tuple[int, int, Message]] = []
        self.cut: set[int] = set()
        self._turn: list[Callable[[], None]] = []
        self._alarms: list[Alarm] = []
        members = list(range(1, count + 1))
        self.seats = {node: Seat(self, node, members, machine(limits or KvLimits()), lease) for node in members}
        self.seat = self.seats[1]
        self.engine = self.seat.engine
        self.disk = self.seat.disk

    def clock(self) -> float:
        """Monotonic seconds, as far as the lab goes."""
        return self.now_s

    def call_soon(self, function: Callable[[], None]) -> None:
        """Run a function at the end of the turn."""
        self._turn.append(function)

    def call_later(self, delay_s: float, function: Callable[[], None]) -> Alarm:
        """Run a function when so much time has passed."""
        self._alarms.append(Alarm(self.now_s + delay_s, function))
        return self._alarms[-1]

    def let_pass(self, seconds: float) -> None:
        """Let time pass for those who wait, not for the cores."""
        self.now_s += seconds
        due = [alarm for alarm in self._alarms if alarm.due_s <= self.now_s]
        self._alarms = [alarm for alarm in self._alarms if alarm.due_s > self.now_s]
        for alarm in due:
            if not alarm.is_cancelled:
                alarm.function()

    def end_turn(self) -> None:
        """Run what is due at the end of the turn; what that makes due belongs to the next one."""
        turn, self._turn = self._turn, []
        for function in turn:
            function()

    def deliver(self) -> None:
        """Let every message under way arrive."""
        wire, self.wire = self.wire, []
        for sender, to, message in wire:
            if sender not in self.cut and to not in self.cut:
                self.seats[to].engine.on_message(sender, message)

    def settle(self) -> None:
        """Deliver and sync, on quick disks, until nothing moves; turns end by themselves."""
        while self.wire or self._turn or any(seat.disk.waiting for seat in self.seats.values() if seat.disk.is_quick):
            self.deliver()
            for seat in self.seats.values():
                if seat.disk.is_quick:
                    seat.disk.sync()
            self.end_turn()

    def elect(self, node: int = 1) -> None:
        """Let time pass at `node` alone until it leads and everybody has heard of it."""
        engine = self.seats[node].engine
        for _ in range(ELECTION_TICKS_MAX):
            self.now_s += TICK_S
            engine.on_timer()
            self.settle()
            if engine.leads:
                self.now_s += TIMING.heartbeat_s
                engine.on_timer()
                self.settle()
                return
        raise AssertionError(f"node {node} leads nobody after {ELECTION_TICKS_MAX} ticks")


class Answers:
    """A sink that keeps what it is told: request number -> (status, ...). held: what waits for room.

    pushed: what it was told without having asked, decoded, in order.
    """

    def __init__(self) -> None:
        self.got: dict[int, tuple[Any, ...]] = {}
        self.pushed: list[tuple[Any, ...]] = []
        self.is_writable = True
        self.held: list[Callable[[], object]] = []

    def push(self, payload: bytes) -> None:
        self.pushed.append(protocol.decode(payload))

    def make_room(self) -> None:
        """Be writable again, and have done what waits for it."""
        self.is_writable = True
        held, self.held = self.held, []
        for work in held:
            work()

    def hold(self, work: Callable[[], object]) -> None:
        self.held.append(work)

    def answer(self, number: int, *fields: Any) -> None:
        assert number not in self.got, f"a second answer to request {number}: {fields}"
        self.got[number] = fields

    def waiter(self, number: int) -> Waiter:
        """A request that waits for its answer here."""
        return Waiter(self, number)

    @property
    def statuses(self) -> dict[int, int]:
        """The status of every answered request."""
        return {number: fields[0] for number, fields in self.got.items()}


BOUNDS = Bounds(64 << 20, 1_000, 100)


def serve(
    lab: Lab,
    limits: KvLimits,
    forward: Callable[[int, int, bytes], bool],
    turns: Turns | None = None,
    bounds: Bounds = BOUNDS,
) -> Service:
    """Return what serves the clients of a lab's first node. turns: whose they are, the lab's own if None."""
    service = Service(lab.engine, limits, bounds, forward, lambda: {"node": 1}, lab.clock, turns or lab)
    lab.seat.listeners.append(service)
    return service


OPEN = commands.open_session()
"""A command that needs no session: opens one."""
