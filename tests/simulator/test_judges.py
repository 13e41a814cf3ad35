"""Those who judge a run: each of them sees what it is there to see, and lets sound behaviour pass."""

from __future__ import annotations

from random import Random

import pytest

from paxoskv.errors import LeaseNotFound, NotANumber, PaxoskvError
from paxoskv.kv import commands, operations, replies, requests
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.simulator.judge import Judge
from paxoskv.simulator.ledger import Ledger
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.model import Model
from paxoskv.simulator.past import EVERYTHING, Interval
from paxoskv.simulator.question import Question
from paxoskv.simulator.world import World
from tests.kv.logs import LIMITS as SMALL_LIMITS
from tests.kv.logs import random_log

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


@pytest.mark.parametrize("seed", range(30))
def test_the_model_and_the_machine_answer_every_command_alike(seed: int) -> None:
    """And change the same at every revision, and have the same leases: under every limit of commands."""
    model, machine = Model(SMALL_LIMITS), Machine(SMALL_LIMITS)
    for slot, value in enumerate(random_log(seed), start=1):
        assert model.apply(slot, value) == machine.apply(slot, value)
        assert (model.revision, model.keys) == (machine.revision, machine.keys)
        assert list(model.tenancies.alive) == [view.lease for view in machine.list_leases(0, 100)]
    events = [(revision, model.past.events_of(revision, EVERYTHING)) for revision in range(1, model.revision + 1)]
    told = [change for change in events if change[1] and change[0] > machine.compacted_revision]
    assert list(machine.events(machine.compacted_revision + 1, model.revision)) == told


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


def test_an_execution_answers_one_client_only() -> None:
    """I6: two increments were acknowledged, one was executed."""
    court = Court()
    judge, incr = court.judge, operations.incr(b"n", 5)
    first, second = judge.attempt("incr", b"n", b"", incr), judge.attempt("incr", b"n", b"", incr)
    court.model.apply(3, commands.encode_batch(0, [requests.write(1, 3, 2, incr)]))
    judge.wrote(first, (replies.APPLIED, 3, 3, 5))
    assert court.verdict == ""
    judge.wrote(second, (replies.APPLIED, 3, 3, 5))
    assert court.verdict.startswith("I4")


@pytest.mark.parametrize(("executed", "is_right"), [(1, False), (2, True), (3, True), (4, False)])
def test_a_counter_holds_what_was_acknowledged_and_perhaps_the_rest(executed: int, is_right: bool) -> None:
    """P25."""
    court = Court()
    judge = court.judge
    for number in range(3):
        op = judge.attempt("incr", b"n", b"", operations.incr(b"n", 1))
        if number == 2:
            judge.lose(op, "no answer")
            continue
        write = requests.write(1, 3 + number, 2 + number, operations.incr(b"n", 1))
        court.model.apply(3 + number, commands.encode_batch(0, [write]))
        judge.wrote(op, (replies.APPLIED, 3 + number, 3 + number, 1 + number))
    last = requests.write(1, 9, 8, operations.incr(b"n", executed - 2))
    court.model.apply(5, commands.encode_batch(0, [last]))
    judge.finish()
    assert (court.verdict == "") is is_right


@pytest.mark.parametrize(
    ("texts", "is_right"),
    [
        ((b"<1>", b"<2>"), True),
        ((b"<1>", b"<2>", b"<3>"), True),
        ((b"<2>", b"<1>"), False),
        ((b"<1>",), False),
        ((b"<1>", b"<2>", b"<2>"), False),
        ((b"<1>", b"<2>", b"<3>", b"<3>"), False),
        ((b"<1>", b"<2>", b"<4>", b"<5>"), False),
    ],
)
def test_a_text_holds_every_acknowledged_append_once_and_in_order(texts: tuple[bytes, ...], is_right: bool) -> None:
    ledger, model = Ledger(), Model(LIMITS)
    ledger.append(b"t", b"<1>", 1)
    ledger.append(b"t", b"<2>", 2)
    ledger.append(b"t", b"<3>", None)
    model.apply(1, commands.encode_batch(0, [commands.open_session(), commands.put(1, 1, 0, b"t", b"".join(texts))]))
    assert (list(ledger.errors(model)) == []) is is_right


def test_a_refusal_is_believed_if_the_log_holds_it() -> None:
    court = Court()
    judge, incr = court.judge, operations.incr(b"k", 5)
    op = judge.attempt("write", b"k", b"", operations.txn((), [incr]))
    court.model.apply(3, commands.encode_batch(0, [requests.write(1, 3, 2, operations.put(b"k", b"text"))]))
    court.model.apply(4, commands.encode_batch(0, [requests.write(1, 4, 3, operations.txn((), [incr]))]))
    judge.refused(op, NotANumber("no number", 0))
    assert court.verdict == ""


@pytest.mark.parametrize("error", [NotANumber("no number", 1), LeaseNotFound("no lease", 0)])
def test_a_refusal_for_another_reason_or_of_another_operation_is_seen(error: PaxoskvError) -> None:
    court = Court()
    judge, txn = court.judge, operations.txn((), [operations.incr(b"t", 5)])
    op = judge.attempt("write", b"t", b"", txn)
    court.model.apply(3, commands.encode_batch(0, [requests.write(1, 3, 2, operations.put(b"t", b"text"))]))
    court.model.apply(4, commands.encode_batch(0, [requests.write(1, 4, 3, txn)]))
    judge.refused(op, error)
    assert court.verdict.startswith("I4")


K_ONE, K_TWO = (b"1", 1, 1, 1, 0), (b"2", 1, 2, 2, 0)


@pytest.mark.parametrize(
    ("question", "revision", "entries", "is_right"),
    [
        (Question(revision=1), 1, [(b"k", K_ONE)], True),
        (Question(revision=1), 1, [(b"k", K_TWO)], False),
        (Question(revision=1), 2, [(b"k", K_TWO)], False),
        (Question(keys_only=True), 2, [(b"k", (b"", *K_TWO[1:]))], True),
        (Question(keys_only=True), 2, [(b"k", K_TWO)], False),
        (Question(modified=(0, 1)), 2, [], True),
        (Question(modified=(2, 2)), 2, [], False),
        (Question(interval=Interval(b"l", b"")), 2, [], True),
        (Question(), 1, [(b"k", K_ONE)], False),
    ],
)
def test_a_range_tells_what_its_revision_holds(
    question: Question, revision: int, entries: list[tuple[bytes, tuple[bytes, int, int, int, int]]], is_right: bool
) -> None:
    court = Court()
    court.judge.paged(court.judge.ask("range"), question, revision, 2, entries, more=False)
    assert (court.verdict == "") is is_right


def test_a_compacted_revision_is_not_readable_and_a_readable_one_not_compacted() -> None:
    """P29."""
    court = Court()
    court.model.apply(3, commands.encode_batch(0, [requests.compact(1, 3, 2, 2)]))
    court.model.forgotten.add(2)
    court.judge.cannot_read(court.judge.ask("past", b"k"), 1, 2)
    assert court.verdict == ""
    court.judge.read_past(court.judge.ask("past", b"k"), 1, 3, K_ONE)
    assert court.verdict.startswith("P29")
    court = Court()
    court.judge.cannot_read(court.judge.ask("past", b"k"), 1, 2)
    assert court.verdict.startswith("P29")


def test_a_complete_revision_is_not_in_the_future() -> None:
    court = Court()
    court.judge.wrote(court.judge.invoke(court.judge.new_process(), "put", b"k", b"2"), (replies.APPLIED, 2, 2))
    court.judge.cannot_read(court.judge.ask("past", b"k"), 3, None)
    assert court.verdict == ""
    court.judge.cannot_read(court.judge.ask("past", b"k"), 2, None)
    assert court.verdict.startswith("P29")


def test_an_owner_that_is_sure_of_its_lease_is_right() -> None:
    """P24, P26."""
    court = Court()
    court.model.apply(3, commands.encode_batch(0, [requests.grant(1, 3, 2, 500)]))
    court.judge.holds(1)
    assert court.verdict == ""
    court.model.apply(4, commands.encode_batch(501, []))
    court.judge.holds(1)
    assert court.verdict.startswith("I8")


def test_a_lease_that_lives_is_not_told_to_be_gone() -> None:
    court = Court()
    op = court.judge.attempt("write", b"", b"", (requests.GRANT, 500))
    court.model.apply(3, commands.encode_batch(0, [requests.grant(1, 3, 2, 500)]))
    early = court.judge.ask("lease")
    court.judge.wrote(op, (replies.APPLIED, 2, 3, 1, 500))
    court.judge.renewed(early, 1, 0)
    assert court.verdict == ""
    court.judge.renewed(court.judge.ask("lease"), 1, 0)
    assert court.verdict.startswith("I8")
