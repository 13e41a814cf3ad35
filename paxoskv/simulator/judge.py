"""Judges what clients were told, answer by answer, while it happens (I4, I6, I9).

Every answer names the slot at which it is true. So the order of all operations is given, and two things are left to
check: that each answer is what the model says at that slot, and that no operation stands before one that was
complete before it began. A pass exhibits a linearization (pitfalls, D). The black-box checker judges the same
history at the end, without believing the slots.
"""

from __future__ import annotations

from dataclasses import dataclass

from paxoskv.checker import HistoryWriter, judge
from paxoskv.kv import replies
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.model import Model, Record
from paxoskv.simulator.world import World

_MARKS = {
    "overloaded": "overloaded",
    "in flight on this node": "overloaded",
    "the leader was lost before it answered": "forwarded write loses its leader",
    "cancelled": "operation cancelled",
}
"""Part of what a client is told -> mark."""


@dataclass(frozen=True, slots=True)
class Open:
    """An operation under way.

    process: in the history, -1 if it is not in it. floor: highest slot of an operation that was complete at its
    invocation. value: what it writes, unique; b"" if nothing. strict: whether it must be linearizable.
    """

    process: int
    f: str
    key: bytes
    value: bytes
    floor: int
    strict: bool


class Judge:
    """Hears of every invocation and every outcome.

    done, failed, unknown: how many operations ended in which way.
    """

    def __init__(self, world: World, model: Model, marks: Marks) -> None:
        self.done = self.failed = self.unknown = 0
        self._world = world
        self._model = model
        self._marks = marks
        self._history = HistoryWriter()
        self._floor = 0
        self._refused: dict[bytes, None] = {}
        self._times = 0

    @property
    def applied_slot(self) -> int:
        """The highest slot that any node has applied."""
        return self._model.applied_slot

    def new_process(self) -> int:
        """Return a number for a client that does one operation at a time."""
        return self._history.new_process()

    def invoke(
        self, process: int, f: str, key: bytes, value: bytes = b"", expected: bytes | None = None, strict: bool = True
    ) -> Open:
        """An operation begins. f: put, get, delete, cas or range; a range is judged by its slot alone."""
        recorded = strict and f != "range"
        if recorded:
            written = (expected, value) if f == "cas" else value or None
            self._history.invoke(process, f, key, written, time_ns=self._time_ns())
        op = Open(process if recorded else -1, f, key, value, self._floor, strict)
        self._tell(op, "asks")
        return op

    def last_value(self, key: bytes) -> bytes | None:
        """Return what a key holds after the newest slot: a good guess for a compare-and-set."""
        record = self._model.record_at(key, self._model.applied_slot)
        return None if record is None else record[0]

    def fail(self, op: Open, error: str) -> None:
        """It surely did not happen."""
        self.failed += 1
        self._look_for_marks(error)
        self._tell(op, f"surely did not happen: {error}")
        if op.value:
            if op.value in self._model.written:
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
        if op.process >= 0:
            self._history.info(op.process, time_ns=self._time_ns(), error=error)
        return op.process >= 0

    def wrote(self, op: Open, reply: replies.Reply) -> None:
        """A put, delete or cas was answered."""
        code, revision, slot = reply[:3]
        if self._check_slot(op, slot):
            done = self._model.done.get(slot, [])
            if not any(one.key == op.key and one.value == op.value and one.reply == reply for one in done):
                self._fail(
                    "I4", f"{op.f} of {op.key!r} was answered {reply!r:.200}, in slot {slot} stands {done!r:.300}"
                )
        if op.process >= 0 and code == replies.APPLIED:
            self._history.ok(op.process, time_ns=self._time_ns(), revision=revision, slot=slot)
        elif op.process >= 0:
            self._history.fail(op.process, time_ns=self._time_ns(), revision=revision, slot=slot)

    def read(self, op: Open, revision: int, slot: int, record: Record | None) -> None:
        """A get was answered."""
        if self._check_slot(op, slot):
            expected = self._model.record_at(op.key, slot)
            if record != expected or revision != self._model.revision_at(slot):
                told = f"{record!r:.200} at revision {revision}"
                self._fail("I4", f"get of {op.key!r} was answered {told}, at slot {slot} it was {expected!r:.200}")
        if op.process >= 0:
            value = None if record is None else record[0]
            self._history.ok(op.process, value, time_ns=self._time_ns(), revision=revision, slot=slot)

    def ranged(self, op: Open, slot: int, entries: list[tuple[bytes, Record]], limit: int, more: bool) -> None:
        """A range over all keys was answered."""
        if self._check_slot(op, slot):
            expected = self._model.range_at(slot)
            page = expected[: len(entries)]
            complete = len(entries) == len(expected)
            if entries != page or more == complete or (not entries and expected) or len(entries) > limit:
                self._fail("I4", f"a range was answered {entries!r:.300}, at slot {slot} it was {expected!r:.300}")

    def finish(self) -> None:
        """The run is over: judge the history as a stranger would, and see that no refused write was executed."""
        executed = [value for value in self._refused if value in self._model.written]
        if executed:
            self._fail("I6", f"writes that clients were told had failed were executed later: {executed[:5]}")
        verdict = judge(self._history.operations())
        if verdict.linearizable is not True:
            self._fail("I4", f"the history is {'undecided' if verdict.linearizable is None else 'not linearizable'}")

    def _check_slot(self, op: Open, slot: int) -> bool:
        """Whether the slot of an answer is one that the model knows; and the order of real time (I4)."""
        self.done += 1
        self._tell(op, f"is done, slot {slot}")
        if slot > self._model.applied_slot:
            self._fail("I4", f"{op.f} of {op.key!r} was answered from slot {slot}, nobody has applied it")
            return False
        if not op.strict:
            return True
        least = op.floor + 1 if op.f in ("put", "delete", "cas") else op.floor
        if slot < least:
            self._fail(
                "I4", f"{op.f} of {op.key!r} stands in slot {slot}, slot {op.floor} was complete before it began"
            )
        self._floor = max(self._floor, slot)
        return True

    def _look_for_marks(self, error: str) -> None:
        for part, mark in _MARKS.items():
            if part in error:
                self._marks.hit(mark)

    def _tell(self, op: Open, what: str) -> None:
        if self._world.telling:
            value = op.value.decode()
            self._world.tell(f"client {op.process}: {op.f} {op.key.decode()} {value} {what}")

    def _time_ns(self) -> int:
        return int(self._world.now * 1e9)

    def _fail(self, rule: str, message: str) -> None:
        self._world.fail(rule, message)
