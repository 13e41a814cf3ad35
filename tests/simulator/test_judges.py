"""Those who judge a run: each of them sees what it is there to see, and lets sound behaviour pass."""

from __future__ import annotations

from random import Random

import pytest

from paxoskv.kv import commands, replies
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.simulator.judge import Judge
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.model import Model
from paxoskv.simulator.world import World

LIMITS = KvLimits(sessions_max=3, session_replies_max=3, session_reply_bytes_max=20, session_idle_ms=100)


def random_command(rng: Random, number: int) -> bytes:
    session, seq, acked = rng.randrange(1, 5), rng.randrange(1, 8), 0
    acked = rng.randrange(seq)
    key, value = rng.choice((b"a", b"b")), f"v{number}".encode()
    match rng.randrange(8):
        case 0:
            return commands.open_session()
        case 1:
            return commands.close_session(session, seq, acked)
        case 2:
            return commands.delete(session, seq, acked, key)
        case 3:
            return commands.cas(session, seq, acked, key, value, commands.ABSENT, None)
        case 4:
            return commands.cas(session, seq, acked, key, value, commands.REVISION, rng.randrange(5))
        case 5:
            return commands.cas(session, seq, acked, key, value, commands.EXPECT_VALUE, rng.choice((b"v1", b"v2")))
        case _:
            return commands.put(session, seq, acked, key, value)


@pytest.mark.parametrize("seed", range(40))
def test_the_model_and_the_machine_answer_alike(seed: int) -> None:
    """Two state machines, written independently, under every limit of sessions."""
    rng, model, machine = Random(seed), Model(LIMITS), Machine(LIMITS)
    for slot in range(1, 200):
        batch = [random_command(rng, slot) for _ in range(rng.randrange(4))]
        value = commands.encode_batch(rng.choice((0, 1, 30)), batch) if rng.random() < 0.9 else b""
        assert model.apply(slot, value) == machine.apply(slot, value)
    assert [machine.get(key) for key in (b"a", b"b")] == [model.record_at(key, 199) for key in (b"a", b"b")]
    assert model.revision == machine.revision
    assert model.expired


def test_the_model_remembers_every_state() -> None:
    model = Model(LIMITS)
    model.apply(1, commands.encode_batch(0, [commands.open_session(), commands.put(1, 1, 0, b"k", b"1")]))
    model.apply(2, commands.encode_batch(0, [commands.put(1, 2, 1, b"k", b"2")]))
    model.apply(3, commands.encode_batch(0, [commands.delete(1, 3, 2, b"k")]))
    found = [model.record_at(b"k", slot) for slot in range(4)]
    assert found == [None, (b"1", 1, 1, 1, 0), (b"2", 1, 2, 2, 0), None]
    assert [model.range_at(slot) for slot in (0, 2, 3)] == [[], [(b"k", (b"2", 1, 2, 2, 0))], []]
    assert [model.revision_at(slot) for slot in range(4)] == [0, 1, 2, 3]


class Court:
    """A judge, and a log in which `k` was put to "1" in slot 1 and to "2" in slot 2."""

    def __init__(self) -> None:
        self.world = World(seed=1)
        self.model = Model(LIMITS)
        self.judge = Judge(self.world, self.model, Marks())
        opened = commands.open_session()
        self.model.apply(1, commands.encode_batch(0, [opened, commands.put(1, 1, 0, b"k", b"1")]))
        self.model.apply(2, commands.encode_batch(0, [commands.put(1, 2, 1, b"k", b"2")]))

    @property
    def verdict(self) -> str:
        return "" if self.world.violation is None else str(self.world.violation)


def test_true_answers_pass() -> None:
    court = Court()
    judge = court.judge
    writer, reader = judge.new_process(), judge.new_process()
    judge.wrote(judge.invoke(writer, "put", b"k", b"1"), (replies.APPLIED, 1, 1))
    judge.read(judge.invoke(reader, "get", b"k"), 1, 1, (b"1", 1, 1, 1, 0))
    judge.wrote(judge.invoke(writer, "put", b"k", b"2"), (replies.APPLIED, 2, 2))
    op = judge.invoke(reader, "range", b"")
    judge.ranged(op, 2, [(b"k", (b"2", 1, 2, 2, 0))], 10, more=False)
    judge.finish()
    assert court.verdict == ""
    assert judge.done == 4


def test_a_stale_read_is_seen() -> None:
    """I4: slot 2 was complete before the read began, which was answered from slot 1."""
    court = Court()
    judge = court.judge
    judge.wrote(judge.invoke(judge.new_process(), "put", b"k", b"2"), (replies.APPLIED, 2, 2))
    judge.read(judge.invoke(judge.new_process(), "get", b"k"), 1, 1, (b"1", 1, 1, 1, 0))
    assert court.verdict.startswith("I4")


def test_a_read_that_may_be_stale_is_none_of_the_order() -> None:
    court = Court()
    judge = court.judge
    judge.wrote(judge.invoke(judge.new_process(), "put", b"k", b"2"), (replies.APPLIED, 2, 2))
    judge.read(judge.invoke(judge.new_process(), "get", b"k", strict=False), 1, 1, (b"1", 1, 1, 1, 0))
    judge.finish()
    assert court.verdict == ""


def test_a_read_of_something_else_is_seen() -> None:
    court = Court()
    court.judge.read(court.judge.invoke(0, "get", b"k"), 2, 2, (b"1", 1, 1, 1, 0))
    assert court.verdict.startswith("I4")


def test_a_slot_that_nobody_applied_is_seen() -> None:
    court = Court()
    court.judge.read(court.judge.invoke(0, "get", b"k"), 2, 3, (b"2", 1, 2, 2, 0))
    assert court.verdict.startswith("I4")


def test_an_acknowledged_write_that_is_not_there_is_seen() -> None:
    """I9."""
    court = Court()
    court.judge.wrote(court.judge.invoke(0, "put", b"k", b"3"), (replies.APPLIED, 3, 2))
    assert court.verdict.startswith("I4")


def test_a_refused_write_that_was_executed_is_seen() -> None:
    court = Court()
    court.judge.fail(court.judge.invoke(0, "put", b"k", b"2"), "overloaded")
    assert court.verdict.startswith("I6")


def test_a_refused_write_that_is_executed_later_is_seen() -> None:
    court = Court()
    court.judge.fail(court.judge.invoke(0, "put", b"k", b"3"), "overloaded")
    assert court.verdict == ""
    court.model.apply(3, commands.encode_batch(0, [commands.put(1, 3, 2, b"k", b"3")]))
    court.judge.finish()
    assert court.verdict.startswith("I6")


def test_an_unknown_write_may_be_there_or_not() -> None:
    court = Court()
    judge = court.judge
    assert judge.lose(judge.invoke(judge.new_process(), "put", b"k", b"2"), "no answer")
    assert judge.lose(judge.invoke(judge.new_process(), "put", b"k", b"9"), "no answer")
    judge.read(judge.invoke(judge.new_process(), "get", b"k"), 2, 2, (b"2", 1, 2, 2, 0))
    judge.finish()
    assert court.verdict == ""
    assert judge.unknown == 2


def test_a_write_that_stands_before_its_invocation_is_seen() -> None:
    """Exactly once: an answer of an earlier write of the same value would have an earlier slot."""
    court = Court()
    judge = court.judge
    judge.wrote(judge.invoke(judge.new_process(), "put", b"k", b"2"), (replies.APPLIED, 2, 2))
    judge.wrote(judge.invoke(judge.new_process(), "put", b"k", b"1"), (replies.APPLIED, 1, 1))
    assert court.verdict.startswith("I4")


def test_a_range_that_leaves_a_key_out_is_seen() -> None:
    court = Court()
    court.judge.ranged(court.judge.invoke(0, "range", b""), 2, [], 10, more=False)
    assert court.verdict.startswith("I4")
