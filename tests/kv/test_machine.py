"""The rules of each command, and of the machine as a whole."""

from __future__ import annotations

import msgpack
import pytest

from paxoskv.kv import commands
from paxoskv.kv.commands import ABSENT, CAS, EXPECT_VALUE, PUT, REVISION, BadBatch, UnknownCommand
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.kv.replies import APPLIED, COMPARE_FAILED, TOO_MANY_SESSIONS
from tests.kv.driver import Driver

# Put and delete


def test_a_put_creates_and_then_changes_a_record() -> None:
    """One revision each; `created` stays, `modified` and `version` move."""
    d = Driver()
    assert d.put(b"k", b"a") == (APPLIED, 1, 2)
    assert d.machine.get(b"k") == (b"a", 1, 1, 1, 0)
    assert d.put(b"other", b"") == (APPLIED, 2, 3)
    assert d.put(b"k", b"b") == (APPLIED, 3, 4)
    assert d.machine.get(b"k") == (b"b", 1, 3, 2, 0)
    assert d.machine.get(b"other") == (b"", 2, 2, 1, 0)
    assert d.machine.revision == 3


def test_a_put_of_the_same_value_is_a_change() -> None:
    """As in etcd: the writer of a lock's value needs its own revision (P27)."""
    d = Driver()
    d.put(b"k", b"a")
    assert d.put(b"k", b"a") == (APPLIED, 2, 3)
    assert d.machine.get(b"k") == (b"a", 1, 2, 2, 0)


def test_a_delete_says_whether_there_was_something() -> None:
    """Deleting nothing changes nothing."""
    d = Driver()
    d.put(b"k", b"a")
    assert d.delete(b"k") == (APPLIED, 2, 3, 1)
    assert d.machine.get(b"k") is None
    assert d.delete(b"k") == (APPLIED, 2, 4, 0)
    assert d.machine.revision == 2
    assert d.machine.keys == 0


def test_a_key_created_again_begins_anew_at_a_fresh_revision() -> None:
    """P28: revisions are never reused, not by delete and re-create either."""
    d = Driver()
    for value in (b"a", b"b"):
        d.put(b"k", value)
    d.delete(b"k")
    d.put(b"k", b"a")
    assert d.machine.get(b"k") == (b"a", 4, 4, 1, 0)


# Compare and set


def test_a_cas_on_a_value() -> None:
    """It fails on another value and on an absent key, and tells what is there."""
    d = Driver()
    assert d.cas(b"k", b"new", EXPECT_VALUE, b"old") == (COMPARE_FAILED, 0, 2, None)
    d.put(b"k", b"old")
    assert d.cas(b"k", b"new", EXPECT_VALUE, b"ol") == (COMPARE_FAILED, 1, 4, (b"old", 1, 1, 1, 0))
    assert d.machine.get(b"k") == (b"old", 1, 1, 1, 0)
    assert d.cas(b"k", b"new", EXPECT_VALUE, b"old") == (APPLIED, 2, 5)
    assert d.machine.get(b"k") == (b"new", 1, 2, 2, 0)


def test_a_cas_on_the_empty_value_does_not_hold_for_an_absent_key() -> None:
    """Empty and absent are two things."""
    d = Driver()
    assert d.cas(b"k", b"v", EXPECT_VALUE, b"")[0] == COMPARE_FAILED
    d.put(b"k", b"")
    assert d.cas(b"k", b"v", EXPECT_VALUE, b"")[0] == APPLIED


def test_a_cas_on_absence() -> None:
    """It creates, and fails on whatever exists, be it empty."""
    d = Driver()
    assert d.cas(b"k", b"", ABSENT, None) == (APPLIED, 1, 2)
    assert d.cas(b"k", b"new", ABSENT, None) == (COMPARE_FAILED, 1, 3, (b"", 1, 1, 1, 0))
    d.delete(b"k")
    assert d.cas(b"k", b"new", ABSENT, None) == (APPLIED, 3, 5)


def test_a_cas_on_a_revision_is_not_fooled_by_a_value_that_came_back() -> None:
    """P28: a, b, a again, or deleted and re-created, is another `modified`."""
    d = Driver()
    d.put(b"k", b"a")
    d.put(b"k", b"b")
    d.put(b"k", b"a")
    assert d.cas(b"k", b"new", REVISION, 1) == (COMPARE_FAILED, 3, 5, (b"a", 1, 3, 3, 0))
    assert d.cas(b"k", b"new", REVISION, 3) == (APPLIED, 4, 6)
    d.delete(b"k")
    d.put(b"k", b"a")
    assert d.cas(b"k", b"new", REVISION, 4)[0] == COMPARE_FAILED


@pytest.mark.parametrize("revision", [0, 1, 2])
def test_no_revision_holds_for_an_absent_key(revision: int) -> None:
    """Absence has its own condition."""
    d = Driver()
    d.put(b"k", b"a")
    d.delete(b"k")
    assert d.cas(b"k", b"new", REVISION, revision) == (COMPARE_FAILED, 2, 4, None)


# Sessions as commands


def test_sessions_count_from_one_and_change_no_revision() -> None:
    """A session's id is the log's gift; opening and closing touch no key."""
    d = Driver(sessions=0)
    assert d.open() == (APPLIED, 0, 1, 1)
    assert d.open() == (APPLIED, 0, 2, 2)
    assert d.one(commands.close_session(1, 1, 0)) == (APPLIED, 0, 3)
    assert d.machine.sessions == 1
    assert d.open() == (APPLIED, 0, 4, 3)


def test_too_many_sessions_are_refused_until_one_is_closed() -> None:
    """H16; a refused open uses up no id."""
    d = Driver(KvLimits(sessions_max=2), sessions=2)
    assert d.open() == (TOO_MANY_SESSIONS, 0, 3)
    d.one(commands.close_session(1, 1, 0))
    assert d.open() == (APPLIED, 0, 5, 3)


# Slots, batches, log time


def test_a_batch_answers_each_command_in_order() -> None:
    """Later commands see what earlier ones of the same slot did."""
    d = Driver()
    replies = d.slot(
        commands.put(1, 1, 0, b"k", b"a"),
        commands.cas(1, 2, 0, b"k", b"b", EXPECT_VALUE, b"a"),
        commands.delete(1, 3, 0, b"k"),
        commands.open_session(),
        commands.put(2, 1, 0, b"k", b"c"),
    )
    assert replies == [(0, 1, 2), (0, 2, 2), (0, 3, 2, 1), (0, 3, 2, 2), (0, 4, 2)]
    assert d.machine.get(b"k") == (b"c", 4, 4, 1, 0)


def test_a_no_op_moves_the_slot_alone() -> None:
    """A gap that a new leader filled (P13)."""
    d = Driver()
    d.put(b"k", b"v")
    before = d.machine.digest()
    assert d.machine.apply(3, b"") == []
    assert (d.machine.applied_slot, d.machine.revision, d.machine.now_ms) == (3, 1, 0)
    assert d.machine.digest() != before


def test_log_time_is_the_sum_of_what_the_batches_carry() -> None:
    """P26, P30: nothing else moves it."""
    d = Driver()
    d.advance(250)
    d.slot(commands.put(1, 1, 0, b"k", b"v"), elapsed_ms=30)
    d.put(b"k", b"v")
    assert d.machine.now_ms == 280


@pytest.mark.parametrize("slot", [0, 1, 3, 7])
def test_slots_are_applied_in_order(slot: int) -> None:
    """An invariant of the runtime: a slot skipped or repeated stops the node."""
    d = Driver()
    with pytest.raises(AssertionError, match=f"slot {slot} after 1"):
        d.machine.apply(slot, b"")


NEWER = [
    msgpack.packb([99, 1, 2, 0, b"k"]),
    msgpack.packb([PUT, 1, 2, 0, b"k", b"v", -7]),
    msgpack.packb([PUT, 1, 2, 0, b"k", b"v", 0, "more"]),
    msgpack.packb([CAS, 1, 2, 0, b"k", b"v", 3, None]),
    msgpack.packb({"op": "put"}),
    b"\xc1",
]


@pytest.mark.parametrize("newer", NEWER)
def test_a_command_of_a_newer_version_stops_the_machine_as_it_was(newer: bytes) -> None:
    """P35: never skipped; nothing of its slot is applied, so a newer version can go on from there."""
    d = Driver(KvLimits(session_idle_ms=10))
    d.put(b"k", b"v")
    before = d.machine.digest()
    with pytest.raises(UnknownCommand, match="slot 3 holds a command"):
        d.slot(commands.put(1, 2, 1, b"k", b"w"), newer, elapsed_ms=20)
    assert d.machine.digest() == before
    assert d.machine.get(b"k") == (b"v", 1, 1, 1, 0)
    assert (d.machine.applied_slot, d.machine.now_ms, d.machine.sessions) == (2, 0, 1)


def test_a_batch_of_a_newer_version_stops_the_machine_as_it_was() -> None:
    """P35, one level up."""
    d = Driver()
    before = d.machine.digest()
    with pytest.raises(BadBatch):
        d.machine.apply(2, msgpack.packb([2, 0, []]))
    assert (d.machine.digest(), d.machine.applied_slot) == (before, 1)


def test_limits_at_the_door_do_not_rule_the_log() -> None:
    """A log written under larger limits is applied under smaller ones: replicas must not differ by configuration."""
    d = Driver(KvLimits(key_bytes_max=1, value_bytes_max=1, batch_commands_max=1, batch_bytes_max=1))
    assert d.put(b"key", b"value") == (APPLIED, 1, 2)
    assert d.machine.get(b"key") == (b"value", 1, 1, 1, 0)


def test_a_new_machine_is_empty() -> None:
    """Before slot 1."""
    machine = Machine(KvLimits())
    assert (machine.applied_slot, machine.revision, machine.now_ms, machine.keys, machine.sessions) == (0,) * 5
    assert machine.next_expiry_ms is None
    assert machine.get(b"k") is None
    assert machine.range(b"", b"", 10, False, 1000) == ([], False)


def test_a_limit_is_at_least_one() -> None:
    """The message names it."""
    with pytest.raises(ValueError, match="sessions_max is 0"):
        KvLimits(sessions_max=0)
