"""What tests of watches share: one node that serves watches, and an audience that believes nothing unproved."""

from __future__ import annotations

from itertools import count
from typing import Any

from paxoskv.kv import commands, requests
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.kv.operations import Operation
from paxoskv.net import protocol
from paxoskv.node.service import Bounds
from paxoskv.paxos.lease import NO_LEASES, LeaseTerms
from tests.node.kit import BOUNDS, OPEN, Answers, Lab, serve

LIMITS = KvLimits(key_bytes_max=32, value_bytes_max=1 << 20)

Told = tuple[int, bytes, Any, Any]
"""Revision, key, record, previous record."""


class Audience(Answers):
    """One connection with watches. told: watch -> what it was told, whole revisions only; marks: of PROGRESS.

    Every frame is checked on arrival: revisions ascend, keys within a revision too, nothing comes twice or after the
    end, only the last change of a frame can be a part of a revision, and that is continued (P28, P29).
    frames_left: after so many frames more there is no room; None: there is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[int, list[Told]] = {}
        self.last: dict[int, int] = {}
        self.ended: dict[int, tuple[Any, ...]] = {}
        self.marks: list[int] = []
        self.frames = 0
        self.frames_left: int | None = None
        self._parts: dict[int, list[Told]] = {}

    def push(self, payload: bytes) -> None:
        number, kind, *rest = protocol.decode(payload)
        self.frames += 1
        if self.frames_left is not None:
            self.frames_left -= 1
            self.is_writable = self.frames_left > 0
        if number == 0 and kind == protocol.EVENTS:
            *told, watches = rest
            for watch in watches:
                self._check_stands(watch)
                self._hear(watch, *told)
        elif number == 0:
            assert kind == protocol.PROGRESS
            self.marks.append(rest[0])
        else:
            self._check_stands(number)
            self.ended[number] = (kind, *rest)

    def _check_stands(self, number: int) -> None:
        assert self.got[number][0] == protocol.OK, f"watch {number} is told before it is answered"
        assert number not in self.ended, f"watch {number} is told something after its end"

    def make_room(self) -> None:
        self.frames_left = None
        super().make_room()

    def _hear(self, number: int, last: int, changes: tuple[Any, ...]) -> None:
        before = self.last.get(number, 0)
        assert last >= before, f"watch {number} goes back from {before} to {last}"
        assert all(revision <= last for revision, _ in changes[:-1]), "a part is not the end of its frame"
        held = self._parts.setdefault(number, [])
        for revision, events in changes:
            for key, record, previous in events:
                place = (revision, key)
                assert revision > before, f"watch {number}: revision {revision} after {before} was complete"
                assert not held or held[-1][:2] < place, f"watch {number}: {place} after {held[-1][:2]}"
                held.append((revision, key, record, previous))
        whole = [told for told in held if told[0] <= last]
        self._parts[number] = held[len(whole) :]
        assert len({told[0] for told in self._parts[number]}) <= 1, "more than one revision is told in parts"
        self.told.setdefault(number, []).extend(whole)
        self.last[number] = last

    def is_half_told(self, watch: int) -> bool:
        """Whether a part of a revision was told and not its end."""
        return bool(self._parts.get(watch))


class Theatre:
    """Node 1 of a lab, which leads, with a session; everything that happens to the store is in `events`."""

    def __init__(
        self, limits: KvLimits = LIMITS, bounds: Bounds = BOUNDS, nodes: int = 1, lease: LeaseTerms = NO_LEASES
    ) -> None:
        self.lab = Lab(nodes, limits, lease=lease)
        self.service = serve(self.lab, limits, lambda leader, number, command: False, bounds=bounds)
        self.events: list[Told] = []
        self.desk = Answers()
        self._numbers = count(1)
        self._seqs = count(1)
        self.lab.elect()
        self.session: int = self.write(OPEN)[3]

    @property
    def machine(self) -> Machine:
        return self.lab.engine.machine

    def write(self, command: bytes) -> tuple[Any, ...]:
        """Have a command applied, and let the lab settle; return its reply."""
        self.submit(command)
        self.lab.settle()
        fields = self.desk.got[max(self.desk.got)]
        assert fields[0] == protocol.OK, fields
        reply: tuple[Any, ...] = fields[2]
        return reply

    def submit(self, command: bytes) -> None:
        """Have a command applied, by and by."""
        number, before = next(self._numbers), self.machine.revision
        self.service.requests.handle((protocol.WRITE, number, command), self.desk.waiter(number))
        while number not in self.desk.got:
            self.lab.deliver()
            for seat in self.lab.seats.values():
                seat.disk.sync()
            self.lab.end_turn()
        for revision, events in self.machine.events(before + 1, self.machine.revision):
            self.events += [(revision, *event) for event in events]

    def header(self) -> tuple[int, int, int]:
        """Session, next sequence number, and what is acknowledged."""
        seq = next(self._seqs)
        return self.session, seq, seq - 1

    def put(self, key: bytes, value: bytes = b"v") -> tuple[Any, ...]:
        return self.write(commands.put(*self.header(), key, value))

    def delete(self, key: bytes) -> tuple[Any, ...]:
        return self.write(commands.delete(*self.header(), key))

    def operate(self, operation: Operation) -> tuple[Any, ...]:
        return self.write(requests.write(*self.header(), operation))

    def compact(self, revision: int) -> None:
        self.write(requests.compact(*self.header(), revision))

    def ask(self, audience: Answers, kind: int, *fields: Any) -> int:
        """Have a connection ask something; return the number of the request."""
        number = next(self._numbers)
        request = (kind, number, *fields)
        if not self.service.watch_requests.handle(request, audience):
            self.service.requests.handle(request, audience.waiter(number))
        return number

    def watch(
        self, audience: Answers, start: bytes = b"", end: bytes = b"", from_revision: int = 0, options: int = 0
    ) -> int:
        """Begin a watch; return its number."""
        return self.ask(audience, protocol.WATCH, start, end, from_revision, options)

    def expected(self, start: bytes = b"", end: bytes = b"", first: int = 1, options: int = 0) -> list[Told]:
        """Return what a watch has to be told."""
        found = []
        for revision, *event in self.events:
            key, record, previous = event
            unwanted = protocol.NO_DELETE if record is None else protocol.NO_PUT
            if revision >= first and start <= key and (not end or key < end) and not options & unwanted:
                found.append((revision, key, record, previous if options & protocol.PREVIOUS else None))
        return found


def one_key(key: bytes) -> tuple[bytes, bytes]:
    """The interval of one key."""
    return key, key + b"\0"
