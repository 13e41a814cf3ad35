"""The history: past states, watches from a revision, and how it forgets (P28, P29)."""

from __future__ import annotations

from random import Random

import pytest

from paxoskv.kv import operations as ops
from paxoskv.kv.history import Compacted, FutureRevision
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.records import Record
from paxoskv.kv.replies import APPLIED, FUTURE_REVISION, Reply
from tests.kv.driver import Driver

# Past states of a key


def test_a_key_is_read_as_it_was() -> None:
    """Created, changed, deleted, created again: every revision has its own answer."""
    d = Driver()
    d.put(b"k", b"a")
    d.put(b"k", b"b")
    d.delete(b"k")
    d.put(b"other", b"x")
    d.put(b"k", b"c")
    d.delete(b"k")
    expected = [None, (b"a", 1, 1, 1, 0), (b"b", 1, 2, 2, 0), None, None, (b"c", 5, 5, 1, 0), None]
    assert [d.machine.get_at(b"k", revision) for revision in range(7)] == expected
    assert d.machine.get_at(b"never", 3) is None


def test_a_read_in_the_future_is_refused() -> None:
    """P29: nothing is told before it happened."""
    d = Driver()
    d.put(b"k", b"a")
    with pytest.raises(FutureRevision, match="revision 2 is in the future: the store is at 1") as caught:
        d.machine.get_at(b"k", 2)
    assert (caught.value.asked, caught.value.current) == (2, 1)


def test_past_states_go_through_transactions_and_expiry() -> None:
    """Revisions with many events, with one, and with none."""
    d = Driver()
    lease = d.grant(1000)
    d.do(ops.txn([], [ops.put(b"a", b"1", lease), ops.put(b"b", b"1"), ops.put(b"c", b"1", lease)]))
    d.do(ops.txn([], [ops.put(b"t", b"x"), ops.delete(b"t")]))
    d.do(ops.txn([], [ops.put(b"a", b"2", lease), ops.delete(b"t")]))
    d.advance(1001)
    d.do(ops.delete_range(b"", b""))
    states = [[d.machine.get_at(key, revision) for key in (b"a", b"b", b"c", b"t")] for revision in range(6)]
    one = [(b"1", 1, 1, 1, lease), (b"1", 1, 1, 1, 0), (b"1", 1, 1, 1, lease), None]
    gone: list[Record | None] = [None, one[1], None, None]
    assert states == [[None] * 4, one, one, [(b"2", 1, 3, 2, lease), *one[1:]], gone, [None] * 4]


# Events


def test_events_tell_every_change_once_in_order() -> None:
    """P29: filter, ordered, unique, bookmarkable, previous value, is-create."""
    d = Driver()
    d.put(b"a", b"1")
    d.put(b"b", b"1")
    d.put(b"a", b"2")
    d.delete(b"a")
    a1, a2, b1 = (b"1", 1, 1, 1, 0), (b"2", 1, 3, 2, 0), (b"1", 2, 2, 1, 0)
    every = [(1, ((b"a", a1, None),)), (2, ((b"b", b1, None),)), (3, ((b"a", a2, a1),)), (4, ((b"a", None, a2),))]
    assert d.changes() == every
    for first in range(1, 6):
        assert d.changes(first) == every[first - 1 :]
    assert list(d.machine.events(2, 3)) == every[1:3]
    assert list(d.machine.events(1, 99)) == every


def test_a_created_key_has_no_previous_record_whatever_was_before() -> None:
    """A deletion in between is the end of it."""
    d = Driver()
    d.put(b"k", b"a")
    d.delete(b"k")
    d.put(b"k", b"b")
    assert d.changes(3) == [(3, ((b"k", (b"b", 3, 3, 1, 0), None),))]


def test_the_events_of_a_revision_are_told_together() -> None:
    """P28: by key, and a transaction that changes nothing in the end has none."""
    d = Driver()
    d.put(b"a", b"1")
    d.do(ops.txn([], [ops.put(b"a", b"2"), ops.put(b"b", b"2"), ops.put(b"c", b"2")]))
    d.do(ops.txn([], [ops.put(b"brief", b"3"), ops.delete(b"brief")]))
    d.put(b"d", b"4")
    told = [(revision, [key for key, _, _ in events]) for revision, events in d.changes()]
    assert told == [(1, [b"a"]), (2, [b"a", b"b", b"c"]), (4, [b"d"])]


def test_a_watch_of_the_future_hears_nothing_yet() -> None:
    """P29."""
    d = Driver()
    d.put(b"a", b"1")
    assert list(d.machine.events(2, 1)) == list(d.machine.events(5, 9)) == []


# Compaction


def test_what_is_compacted_is_refused_by_name() -> None:
    """P29: the error says from where on the history is there; the present never goes away."""
    d = Driver()
    for value in (b"1", b"2", b"3", b"4"):
        d.put(b"k", value)
    assert d.compact(3) == (APPLIED, 4, 6)
    assert d.machine.compacted_revision == 3
    with pytest.raises(Compacted, match="revision 2 is compacted: the history goes back to 3") as caught:
        d.machine.get_at(b"k", 2)
    assert (caught.value.asked, caught.value.compacted_revision) == (2, 3)
    assert d.machine.get_at(b"k", 3) == (b"3", 1, 3, 3, 0)
    with pytest.raises(Compacted):
        next(d.machine.events(3, 4))
    assert d.changes(4) == [(4, ((b"k", (b"4", 1, 4, 4, 0), (b"3", 1, 3, 3, 0)),))]
    assert d.machine.get(b"k") == (b"4", 1, 4, 4, 0)


def test_compaction_moves_forward_only_and_not_into_the_future() -> None:
    """An earlier one is no error: its outcome does not depend on how much a node still has."""
    d = Driver()
    for value in (b"1", b"2", b"3"):
        d.put(b"k", value)
    assert d.compact(4) == (FUTURE_REVISION, 3, 5)
    assert d.compact(2)[0] == APPLIED
    assert d.compact(1)[0] == APPLIED
    assert d.machine.compacted_revision == 2
    assert d.compact(3)[0] == APPLIED
    assert d.machine.get_at(b"k", 3) == (b"3", 1, 3, 3, 0)
    assert d.changes(4) == []
    d.put(b"k", b"4")
    assert d.changes(4) == [(4, ((b"k", (b"4", 1, 4, 4, 0), (b"3", 1, 3, 3, 0)),))]


def test_delete_events_survive_compaction() -> None:
    """P29 (etcd #18089): a watcher right after the compacted revision hears of the deletion."""
    d = Driver()
    d.put(b"k", b"1")
    d.put(b"other", b"1")
    d.delete(b"k")
    d.compact(2)
    assert d.changes(3) == [(3, ((b"k", None, (b"1", 1, 1, 1, 0)),))]
    assert d.machine.get_at(b"k", 2) == (b"1", 1, 1, 1, 0)


# Bounds


def test_the_window_holds_a_bounded_number_of_events() -> None:
    """The oldest go, whole revisions; at least most of the bound is there."""
    d = Driver(KvLimits(history_events_max=64))
    for number in range(500):
        d.put(b"k-%d" % (number % 7), b"%d" % number)
        kept = d.machine.revision - d.machine.compacted_revision
        assert min(number + 1, 56) <= kept <= 64
    assert len(d.changes(d.machine.compacted_revision + 1)) == 500 - d.machine.compacted_revision


def test_the_window_holds_a_bounded_number_of_bytes() -> None:
    """Of superseded values: one large one weighs as much as many small ones."""
    d = Driver(KvLimits(history_bytes_max=16_000))
    for number in range(300):
        d.put(b"k", bytes([number % 256]) * 990)
        kept = d.machine.revision - d.machine.compacted_revision
        assert min(number + 1, 13) <= kept <= 17
    d.put(b"k", b"x" * 100_000)
    d.put(b"k", b"small")
    d.put(b"k", b"small")
    assert d.machine.compacted_revision >= d.machine.revision - 1, "what exceeds the bound alone is not kept"


def test_events_of_a_large_transaction_count_one_by_one() -> None:
    """And a revision that exceeds the window alone is dropped whole, never in part (P28)."""
    d = Driver(KvLimits(history_events_max=32))
    for _ in range(5):
        d.do(ops.txn([], [ops.put(b"k-%d" % number, b"v") for number in range(10)]))
    assert 5 - 3 <= d.machine.compacted_revision <= 5 - 2
    d.do(ops.txn([], [ops.put(b"k-%d" % number, b"v") for number in range(100)]))
    assert d.machine.compacted_revision == 6
    assert d.machine.get_at(b"k-99", 6) == (b"v", 6, 6, 1, 0)


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    """Keys deleted long ago cost no memory."""
    d = Driver(KvLimits(history_events_max=32))
    for number in range(200):
        d.put(b"k-%d" % number, b"v")
        d.delete(b"k-%d" % number)
    history = d.machine._store.history
    assert len(history._graves) <= 32
    for _ in range(40):
        d.put(b"last", b"v")
    assert len(history._graves) == 0


def test_windows_of_other_sizes_change_no_outcome() -> None:
    """P26: the history is a matter of each node's memory; digests agree, and so do replies."""
    random = Random(7)
    small = Driver(KvLimits(history_events_max=16, history_bytes_max=100))
    large = Driver()
    for _ in range(300):
        key, step = b"k-%d" % random.randrange(9), random.randrange(4)
        assert do_something(small, key, step) == do_something(large, key, step)
        assert small.machine.digest() == large.machine.digest()
    assert small.machine.compacted_revision > 0


def do_something(d: Driver, key: bytes, step: int) -> Reply:
    """Carry out one of four steps."""
    if step == 0:
        return d.delete(key)
    if step == 1:
        return d.compact(max(0, d.machine.revision - 3))
    if step == 2:
        return d.do(ops.txn([], [ops.put(key, b"t"), ops.delete(b"k-1")]))
    return d.put(key, b"v")
