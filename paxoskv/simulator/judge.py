"""Judges what clients were told, answer by answer, while it happens (I4, I6, I9).

Every answer names the slot at which it is true. So the order of all operations is given, and two things are left to
check: that each answer is what the model says at that slot, and that no operation stands before one that was
complete before it began. A pass exhibits a linearization (pitfalls, D). The black-box checker judges the same
history at the end, without believing the slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paxoskv.checker import HistoryWriter, judge
from paxoskv.client.results import Entry
from paxoskv.errors import (
    FutureRevision,
    LeaseNotFound,
    NotANumber,
    NumberOverflow,
    PaxoskvError,
    TooLarge,
    TooManyLeaseKeys,
    TooManyLeases,
)
from paxoskv.kv import commands, replies
from paxoskv.simulator.ledger import Ledger
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.model import Deed, Done, Model
from paxoskv.simulator.past import Record
from paxoskv.simulator.question import Question
from paxoskv.simulator.world import World

_MARKS = {
    "overloaded": "overloaded",
    "in flight on this node": "overloaded",
    "the leader was lost before it answered": "forwarded write loses its leader",
    "cancelled": "operation cancelled",
}
"""Part of what a client is told -> mark."""

_CODES: dict[type[PaxoskvError], tuple[int, ...]] = {
    LeaseNotFound: (replies.LEASE_NOT_FOUND,),
    TooManyLeases: (replies.TOO_MANY_LEASES,),
    TooManyLeaseKeys: (replies.TOO_MANY_LEASE_KEYS,),
    NotANumber: (replies.NOT_A_NUMBER,),
    NumberOverflow: (replies.NUMBER_OVERFLOW,),
    FutureRevision: (replies.FUTURE_REVISION,),
    TooLarge: (replies.VALUE_TOO_LARGE, replies.TOO_MANY_KEYS, replies.REPLY_TOO_LARGE),
}
"""What a client raises -> what the store may have answered."""


@dataclass(frozen=True, slots=True)
class Open:
    """An operation under way.

    f: put, get, delete or cas; incr, append or write; range, past or lease.
    process: in the history, -1 if it is not in it. floor: highest slot of an operation that was complete at its
    invocation. value: what it writes, unique; b"" if nothing. strict: whether it must be linearizable.
    deed: of a write, as the log tells it.
    """

    process: int
    f: str
    key: bytes
    value: bytes
    floor: int
    strict: bool
    deed: Deed = ()

    @property
    def is_write(self) -> bool:
        """Whether it has a slot of its own."""
        return bool(self.deed)


class Judge:
    """Hears of every invocation and every outcome.

    done, failed, unknown: how many operations ended in which way. leases: that were granted, and are for everybody.
    """

    def __init__(self, world: World, model: Model, marks: Marks) -> None:
        self.done = self.failed = self.unknown = 0
        self.model = model
        self.leases: list[int] = []
        self._world = world
        self.marks = marks
        self._history = HistoryWriter()
        self._ledger = Ledger()
        self._floor = 0
        self._refused: dict[bytes, None] = {}

    @property
    def applied_slot(self) -> int:
        """The highest slot that any node has applied."""
        return self.model.applied_slot

    @property
    def floor(self) -> int:
        """The highest slot of an operation that is complete."""
        return self._floor

    def new_process(self) -> int:
        """Return a number for a client that does one operation at a time."""
        return self._history.new_process()

    # Invocations

    def invoke(
        self, process: int, f: str, key: bytes, value: bytes = b"", expected: bytes | None = None, strict: bool = True
    ) -> Open:
        """A put, get, delete, cas or range begins; a range is judged by its slot alone, the others also in the end."""
        recorded = strict and f != "range"
        if recorded:
            written = (expected, value) if f == "cas" else value or None
            self._history.invoke(process, f, key, written, time_ns=self._time_ns())
        return self._opened(process if recorded else -1, f, key, value, strict, _deed(f, key, value, expected))

    def attempt(self, f: str, key: bytes, value: bytes, deed: Deed) -> Open:
        """A write begins that the log alone judges. f: incr or append of a key that nothing else changes; or write."""
        return self._opened(-1, f, key, value, True, deed)

    def ask(self, f: str, key: bytes = b"", strict: bool = True) -> Open:
        """A read begins that the log alone judges."""
        return self._opened(-1, f, key, b"", strict, ())

    def last_value(self, key: bytes) -> bytes | None:
        """Return what a key holds after the newest slot: a good guess for a compare-and-set."""
        record = self.model.record_at(key, self.model.applied_slot)
        return None if record is None else record[0]

    # Without an answer

    def fail(self, op: Open, error: str) -> None:
        """It surely did not happen."""
        self.failed += 1
        self._look_for_marks(error)
        self._tell(op, f"surely did not happen: {error}")
        if op.value:
            if op.value in self.model.written:
                self._fail(
                    "I6", f"the write of {op.value!r} was executed, its client was told that it was not: {error}"
                )
            self._refused[op.value] = None
        if op.process >= 0:
            self._history.fail(op.process, time_ns=self._time_ns(), error=error)

    def lose(self, op: Open, error: str) -> bool:
        """It may have happened; return whether its process goes on under a new number."""
        self.unknown += 1
        self._look_for_marks(error)
        self._tell(op, f"may have happened: {error}")
        if op.f == "incr":
            self._ledger.add(op.key, op.deed[2], is_sure=False)
        elif op.f == "append":
            self._ledger.append(op.key, op.value, None)
        if op.process >= 0:
            self._history.info(op.process, time_ns=self._time_ns(), error=error)
        return op.process >= 0

    # Writes

    def wrote(self, op: Open, reply: replies.Reply) -> None:
        """A write was answered."""
        code, revision, slot = reply[:3]
        if self._check_slot(op, slot):
            self._claim(op, [one for one in self._executed(op) if one.slot == slot and one.reply == reply], reply)
        if op.f == "incr":
            self._ledger.add(op.key, op.deed[2], is_sure=True)
        elif op.f == "append":
            self._ledger.append(op.key, op.value, revision)
        if op.process >= 0 and code == replies.APPLIED:
            self._history.ok(op.process, time_ns=self._time_ns(), revision=revision, slot=slot)
        elif op.process >= 0:
            self._history.fail(op.process, time_ns=self._time_ns(), revision=revision, slot=slot)

    def refused(self, op: Open, error: PaxoskvError) -> None:
        """A write was answered with a refusal, which names no slot; index: of the operation of a transaction."""
        self.done += 1
        self._tell(op, f"is refused: {error!r}")
        codes = _CODES.get(type(error), ())
        index = getattr(error, "operation", None)
        fitting = [
            one
            for one in self._executed(op)
            if one.slot > op.floor and one.reply[0] in codes and (index is None or one.reply[3:] == (index,))
        ]
        self._claim(op, fitting, error)

    def _executed(self, op: Open) -> list[Done]:
        return [one for one in self.model.done.get(op.deed, ()) if not one.is_claimed]

    def _claim(self, op: Open, fitting: list[Done], told: object) -> None:
        """An execution answers one client only: two answers for one are a write that was not executed (I6, I9)."""
        if fitting:
            fitting[0].is_claimed = True
            return
        stands = [(one.slot, one.reply, one.is_claimed) for one in self.model.done.get(op.deed, ())]
        self._fail("I4", f"{op.f} {op.deed!r:.200} was answered {told!r:.200}, executed was {stands!r:.300}")

    # Reads

    def read(self, op: Open, revision: int, slot: int, record: Record | None) -> None:
        """A get was answered."""
        if self._check_slot(op, slot):
            expected = self.model.record_at(op.key, slot)
            if record != expected or revision != self.model.revision_at(slot):
                told = f"{record!r:.200} at revision {revision}"
                self._fail("I4", f"get of {op.key!r} was answered {told}, at slot {slot} it was {expected!r:.200}")
        if op.process >= 0:
            value = None if record is None else record[0]
            self._history.ok(op.process, value, time_ns=self._time_ns(), revision=revision, slot=slot)

    def read_past(self, op: Open, asked: int, slot: int, record: Record | None) -> None:
        """A get at a past revision was answered."""
        if self._check_slot(op, slot) and self._check_readable(op, asked, slot):
            expected = self.model.past.record_in(op.key, asked)
            if record != expected:
                told = f"{record!r:.200} for revision {asked}"
                self._fail("I4", f"get of {op.key!r} was answered {told}, it was {expected!r:.200}")

    def read_many(self, op: Open, revision: int, slot: int, keys: Sequence[bytes], found: dict[bytes, Entry]) -> None:
        """Several keys were read at one revision."""
        if self._check_slot(op, slot):
            records = [None if key not in found else tuple(found[key][1:]) for key in keys]
            expected = [self.model.past.record_in(key, revision) for key in keys]
            if records != expected or revision != self.model.revision_at(slot):
                self._fail("I4", f"{keys} were {records!r:.200} at revision {revision}, not {expected!r:.200}")

    def ranged(self, op: Open, slot: int, entries: list[tuple[bytes, Record]], limit: int, more: bool) -> None:
        """A range over all keys, as they are, was answered."""
        if slot <= self.model.applied_slot:
            self.paged(op, Question(limit=limit), self.model.revision_at(slot), slot, entries, more)
        else:
            self._check_slot(op, slot)

    def paged(
        self,
        op: Open,
        question: Question,
        revision: int,
        slot: int,
        entries: list[tuple[bytes, Record]],
        more: bool,
    ) -> None:
        """The first entries of a range were told, all of one revision; more: others follow, or may."""
        if not (self._check_slot(op, slot) and self._check_readable(op, question.revision, slot)):
            return
        if revision != (self.model.revision_at(slot) if question.revision is None else question.revision):
            self._fail("I4", f"{question} was read at revision {revision}, at slot {slot}")
            return
        expected = question.answer(self.model.past, revision)
        is_complete = len(entries) == len(expected)
        leaves_out = not more and not is_complete
        is_idle = question.is_plain and more and (is_complete or not entries)
        if entries != expected[: len(entries)] or leaves_out or is_idle or len(entries) > question.limit:
            told = f"{entries!r:.300}{', more follow' if more else ''}"
            self._fail("I4", f"{question} at revision {revision} was answered {told}, it was {expected!r:.300}")

    def counted(self, op: Open, question: Question, revision: int, slot: int, keys: int) -> None:
        """The keys of a range were counted."""
        if not self._check_slot(op, slot):
            return
        expected = len(question.answer(self.model.past, revision))
        if keys != expected or not self.model.revision_at(op.floor) <= revision <= self.model.revision_at(slot):
            self._fail("I4", f"{question} at revision {revision} has {expected} keys, told were {keys}")

    def cannot_read(self, op: Open, asked: int | None, oldest: int | None) -> None:
        """A revision is not to be read: nodes go back to `oldest` only; None: it does not exist yet."""
        self.done += 1
        if asked is None:
            self._fail("P29", "the present is said not to be readable")
            return
        if oldest is None:
            if op.strict and asked <= self.model.revision_at(op.floor):
                self._fail("P29", f"revision {asked} is said to be in the future, it was complete in slot {op.floor}")
            return
        self.marks.hit("read of a compacted revision")
        if asked >= oldest or oldest not in self.model.forgotten:
            self._fail("P29", f"revision {asked} is said to be compacted up to {oldest}, which no node ever did")

    def _check_readable(self, op: Open, asked: int | None, slot: int) -> bool:
        """A revision that was compacted by then is not readable on any node."""
        if asked is None or asked >= self.model.compacted_at(slot):
            return True
        self._fail("P29", f"{op.f} was answered at revision {asked}, compacted up to {self.model.compacted_at(slot)}")
        return False

    # Leases: no answer to a look at one names its slot

    def renewed(self, op: Open, lease: int, ttl_ms: int) -> None:
        """A lease was kept alive, with 0: does not exist."""
        self.done += 1
        tenancies = self.model.tenancies
        if not ttl_ms and op.floor < tenancies.ended.get(lease, 0):
            self.marks.hit("lease gone while its owner asked for more time")
        if ttl_ms and tenancies.ended.get(lease, op.floor + 1) <= op.floor:
            self._fail("I8", f"lease {lease} was kept alive after its end in slot {tenancies.ended[lease]}")
        if not ttl_ms and lease in tenancies.alive and tenancies.granted[lease] <= op.floor:
            self._fail("I8", f"lease {lease} is said to be gone, it lives")

    def looked_up(self, op: Open, lease: int, keys: tuple[bytes, ...]) -> None:
        """A lease was looked up, and the keys that it holds."""
        self.done += 1
        slots = range(op.floor, self.model.applied_slot + 1)
        held = (self.model.held_at(lease, slot) for slot in slots if self.model.tenancies.was_alive(lease, slot))
        if not any(list(keys) == some for some in held):
            self._fail("I8", f"lease {lease} was said to hold {keys}, in slots {slots} it did not")

    def holds(self, lease: int) -> None:
        """A program is sure that its lease lives, by its own clock (P24, P26)."""
        if not self._world.clocks_differ and lease not in self.model.tenancies.alive:
            self._fail("I8", f"lease {lease} is gone, its owner could not know")

    # The end

    def complain(self, what: str) -> None:
        """A program was told what cannot be."""
        self._fail("I4", what)

    def finish(self) -> None:
        """The run is over: judge the history as a stranger would, and see that no refused write was executed."""
        executed = [value for value in self._refused if value in self.model.written]
        if executed:
            self._fail("I6", f"writes that clients were told had failed were executed later: {executed[:5]}")
        for error in self._ledger.errors(self.model):
            self._fail("I6", error)
        verdict = judge(self._history.operations())
        if verdict.linearizable is not True:
            self._fail("I4", f"the history is {'undecided' if verdict.linearizable is None else 'not linearizable'}")

    def _opened(self, process: int, f: str, key: bytes, value: bytes, strict: bool, deed: Deed) -> Open:
        op = Open(process, f, key, value, self._floor, strict, deed)
        self._tell(op, "asks")
        return op

    def _check_slot(self, op: Open, slot: int) -> bool:
        """Whether the slot of an answer is one that the model knows; and the order of real time (I4)."""
        self.done += 1
        self._tell(op, f"is done, slot {slot}")
        if slot > self.model.applied_slot:
            self._fail("I4", f"{op.f} of {op.key!r} was answered from slot {slot}, nobody has applied it")
            return False
        if not op.strict:
            return True
        if slot < op.floor + op.is_write:
            self._fail(
                "I4", f"{op.f} of {op.key!r} stands in slot {slot}, slot {op.floor} was complete before it began"
            )
        self._floor = max(self._floor, slot)
        return True

    def _look_for_marks(self, error: str) -> None:
        for part, mark in _MARKS.items():
            if part in error:
                self.marks.hit(mark)

    def _tell(self, op: Open, what: str) -> None:
        if self._world.telling:
            value = op.value.decode()
            self._world.tell(f"client {op.process}: {op.f} {op.key.decode()} {value} {what}")

    def _time_ns(self) -> int:
        return int(self._world.now * 1e9)

    def _fail(self, rule: str, message: str) -> None:
        self._world.fail(rule, message)


def _deed(f: str, key: bytes, value: bytes, expected: bytes | None) -> Deed:
    """Return what the log tells of a put, delete or cas."""
    if f == "put":
        return (commands.PUT, key, value, 0)
    if f == "delete":
        return (commands.DELETE, key)
    if f != "cas":
        return ()
    return (commands.CAS, key, value, commands.ABSENT if expected is None else commands.EXPECT_VALUE, expected)
