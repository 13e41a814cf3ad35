"""Transactions: compares, branches, one revision, all or nothing, and their bounds (P28, H3, H4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paxoskv.kv import operations as ops
from paxoskv.kv import requests
from paxoskv.kv.commands import BadCommand, CommandTooLarge, check, decode_command
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.operations import ABSENT, CREATED, EQUAL, GREATER, LEASE, LESS, MODIFIED, NOT_EQUAL, VALUE, VERSION
from paxoskv.kv.operations import compare as cmp
from paxoskv.kv.replies import (
    APPLIED,
    COMPARE_FAILED,
    LEASE_NOT_FOUND,
    NOT_A_NUMBER,
    REPLY_TOO_LARGE,
    TOO_MANY_KEYS,
    TOO_MANY_LEASE_KEYS,
)
from tests.kv.driver import Driver

YES, NO = ops.put(b"answer", b"yes"), ops.put(b"answer", b"no")


@pytest.fixture
def d() -> Driver:
    """Keys a (created 1, modified 3, version 2, value m), b (2, 2, 1, value x); revision 3."""
    d = Driver()
    d.put(b"a", b"first")
    d.put(b"b", b"x")
    d.put(b"a", b"m")
    return d


def holds(d: Driver, *compares: ops.Compare) -> bool:
    """Whether a transaction with these compares takes its first branch."""
    reply = d.do(ops.txn(compares, [ops.get(b"a")], [ops.get(b"b"), ops.get(b"b")]))
    assert reply[0] == APPLIED
    assert len(reply[4]) == (1 if reply[3] else 2)
    return bool(reply[3])


# Compares


@pytest.mark.parametrize(
    ("target", "present", "less", "more"),
    [
        (VALUE, b"m", b"l", b"ma"),
        (VERSION, 2, 1, 3),
        (CREATED, 1, 0, 2),
        (MODIFIED, 3, 2, 4),
        (LEASE, 0, None, 1),
    ],
)
def test_every_target_with_every_relation(d: Driver, target: int, present: object, less: object, more: object) -> None:
    """The relation reads: the key's field, the relation, the operand."""
    for operand, sign in ((present, 0), (less, 1), (more, -1)):
        if operand is None:
            continue
        assert holds(d, cmp(target, EQUAL, b"a", operand)) == (sign == 0)
        assert holds(d, cmp(target, NOT_EQUAL, b"a", operand)) == (sign != 0)
        assert holds(d, cmp(target, LESS, b"a", operand)) == (sign < 0)
        assert holds(d, cmp(target, GREATER, b"a", operand)) == (sign > 0)


def test_an_absent_key_has_numbers_of_zero_and_no_value(d: Driver) -> None:
    """As in etcd, `created = 0` is the common way to ask for absence; no value is unequal to what is not there."""
    for target in (VERSION, CREATED, MODIFIED, LEASE):
        assert holds(d, cmp(target, EQUAL, b"none", 0))
        assert not holds(d, cmp(target, NOT_EQUAL, b"none", 0))
        assert holds(d, cmp(target, LESS, b"none", 1))
    for relation in (EQUAL, NOT_EQUAL, LESS, GREATER):
        assert not holds(d, cmp(VALUE, relation, b"none", b"m"))
        assert not holds(d, cmp(VALUE, relation, b"none", b""))


def test_absence_is_a_compare_of_its_own(d: Driver) -> None:
    """Of a key and of an interval: nothing there, or something."""
    assert holds(d, cmp(ABSENT, EQUAL, b"none", None))
    assert not holds(d, cmp(ABSENT, NOT_EQUAL, b"none", None))
    assert holds(d, cmp(ABSENT, NOT_EQUAL, b"a", None))
    assert not holds(d, cmp(ABSENT, EQUAL, b"a", None))
    assert holds(d, cmp(ABSENT, EQUAL, b"c", None, end=b"z"))
    assert holds(d, cmp(ABSENT, NOT_EQUAL, b"a", None, end=b"c"))
    assert not holds(d, cmp(ABSENT, EQUAL, b"b", None, end=b""))


def test_a_compare_of_an_interval_holds_if_it_holds_for_each_of_its_keys(d: Driver) -> None:
    """The end does not belong to it; b"" is the end of all keys; an interval without keys is one absent key."""
    assert holds(d, cmp(VERSION, LESS, b"a", 3, end=b"c"))
    assert not holds(d, cmp(VERSION, LESS, b"a", 2, end=b"c"))
    assert not holds(d, cmp(VERSION, EQUAL, b"a", 2, end=b""))
    assert holds(d, cmp(VERSION, EQUAL, b"a", 2, end=b"b"))
    assert holds(d, cmp(VERSION, EQUAL, b"c", 0, end=b"d"))
    assert not holds(d, cmp(VALUE, NOT_EQUAL, b"c", b"m", end=b"d"))


def test_all_compares_have_to_hold(d: Driver) -> None:
    """And none holds at once."""
    good, bad = cmp(VALUE, EQUAL, b"a", b"m"), cmp(VALUE, EQUAL, b"b", b"m")
    assert holds(d)
    assert holds(d, good, good)
    assert not holds(d, good, bad)
    assert not holds(d, bad, good)


# Branches, results, one revision


def test_a_transaction_is_one_revision_and_one_change(d: Driver) -> None:
    """P28: all its keys carry the same revision, and a watcher gets them together, by key."""
    reply = d.do(ops.txn([], [ops.put(b"c", b"1"), ops.delete(b"a"), ops.put(b"b", b"y"), ops.delete(b"none")]))
    assert reply == (APPLIED, 4, 5, 1, (None, 1, None, 0))
    assert d.machine.get(b"b") == (b"y", 2, 4, 2, 0)
    assert d.machine.get(b"c") == (b"1", 4, 4, 1, 0)
    assert d.changes(4) == [
        (
            4,
            (
                (b"a", None, (b"m", 1, 3, 2, 0)),
                (b"b", (b"y", 2, 4, 2, 0), (b"x", 2, 2, 1, 0)),
                (b"c", (b"1", 4, 4, 1, 0), None),
            ),
        )
    ]


def test_only_the_branch_that_was_chosen_runs(d: Driver) -> None:
    """The other one leaves no trace."""
    failing = cmp(VALUE, EQUAL, b"a", b"other")
    assert d.do(ops.txn([failing], [YES], [NO]))[3:] == (0, (None,))
    record = d.machine.get(b"answer")
    assert record is not None
    assert record[0] == b"no"
    assert d.do(ops.txn([failing], [YES]))[1:] == (4, 6, 0, ()), "no branch to take: no revision"


def test_a_transaction_that_changes_nothing_has_no_revision(d: Driver) -> None:
    """Reads, and deletes of what is not there."""
    reply = d.do(
        ops.txn([], [ops.get(b"a"), ops.delete(b"none"), ops.read_range(b"", b""), ops.delete_range(b"x", b"")])
    )
    assert reply[:4] == (APPLIED, 3, 5, 1)
    assert reply[4][1:] == (0, (2, 0, ((b"a", (b"m", 1, 3, 2, 0)), (b"b", (b"x", 2, 2, 1, 0)))), (0, 0, ()))
    assert d.machine.revision == 3


def test_later_operations_see_earlier_ones(d: Driver) -> None:
    """Also those on intervals."""
    reply = d.do(
        ops.txn(
            [],
            [
                ops.incr(b"n", 5),
                ops.incr(b"n", -7),
                ops.append(b"t", b"ab"),
                ops.append(b"t", b"c"),
                ops.get(b"t"),
                ops.delete_range(b"a", b"c"),
                ops.read_range(b"", b"", options=ops.KEYS_ONLY),
            ],
        )
    )
    assert reply[:4] == (APPLIED, 4, 5, 1)
    numbers = (4, 4, 1, 0)
    assert reply[4][:6] == (5, -2, 2, 3, (b"abc", *numbers), (2, 0, ()))
    assert reply[4][6] == (2, 0, ((b"n", (b"", *numbers)), (b"t", (b"", *numbers))))


def test_a_key_written_several_times_has_one_event_and_one_version(d: Driver) -> None:
    """P29, unique: no key changes twice at one revision; what was there only in between, nobody hears of."""
    d.do(ops.txn([], [ops.put(b"a", b"1"), ops.put(b"a", b"2"), ops.put(b"t", b"x"), ops.delete(b"t")]))
    assert d.machine.get(b"a") == (b"2", 1, 4, 3, 0)
    assert d.changes(4) == [(4, ((b"a", (b"2", 1, 4, 3, 0), (b"m", 1, 3, 2, 0)),))]


def test_a_key_deleted_and_created_within_a_transaction_begins_anew(d: Driver) -> None:
    """P28: `created` is this revision, as the client that deleted it meant."""
    d.do(ops.txn([], [ops.delete(b"a"), ops.put(b"a", b"new")]))
    assert d.machine.get(b"a") == (b"new", 4, 4, 1, 0)
    assert d.changes(4) == [(4, ((b"a", (b"new", 4, 4, 1, 0), (b"m", 1, 3, 2, 0)),))]


def test_what_leaves_no_key_behind_is_still_a_revision(d: Driver) -> None:
    """Its number was seen by the operations after it, so it is never used again (P28)."""
    reply = d.do(ops.txn([], [ops.put(b"t", b"x"), ops.get(b"t"), ops.delete(b"t")]))
    assert reply[1] == 4
    assert reply[4][1] == (b"x", 4, 4, 1, 0)
    assert d.changes(4) == []
    assert d.put(b"t", b"y")[1] == 5


# Nested transactions


def test_a_nested_transaction_belongs_to_the_same_revision(d: Driver) -> None:
    """Its result stands in its place."""
    inner = ops.txn([cmp(VALUE, EQUAL, b"b", b"x")], [ops.put(b"b", b"in"), ops.get(b"b")], [NO])
    reply = d.do(ops.txn([], [ops.put(b"c", b"out"), inner, ops.delete(b"a")]))
    assert reply == (APPLIED, 4, 5, 1, (None, (1, (None, (b"in", 2, 4, 2, 0))), 1))


def test_nested_compares_are_decided_on_the_state_before_the_transaction(d: Driver) -> None:
    """As in etcd: what is chosen does not depend on the order of operations."""
    inner = ops.txn([cmp(VALUE, EQUAL, b"a", b"m")], [YES], [NO])
    assert d.do(ops.txn([], [ops.put(b"a", b"changed"), inner]))[4] == (None, (1, (None,)))
    record = d.machine.get(b"answer")
    assert record is not None
    assert record[0] == b"yes"


# Refusals


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (ops.incr(b"a", 1), NOT_A_NUMBER),
        (ops.put(b"c", b"v", lease=9), LEASE_NOT_FOUND),
        (ops.txn([], [ops.get(b"a"), ops.incr(b"a", 1)]), NOT_A_NUMBER),
    ],
)
def test_a_refused_operation_undoes_the_whole_transaction(d: Driver, operation: ops.Operation, code: int) -> None:
    """All or nothing: keys, order, leases, revision, history and digest of the contents are as before."""
    lease = d.grant(1000)
    d.do(ops.put(b"held", b"v", lease))
    before, contents, revision = d.items(), d.machine._store.contents, d.machine.revision
    told = d.changes()
    first = [ops.put(b"a", b"one"), ops.put(b"new", b"2", lease), ops.delete_range(b"b", b"i"), ops.put(b"b", b"3")]
    index = 4 if operation[0] != ops.TXN else 6
    reply = d.do(ops.txn([], [*first, operation, YES]))
    assert reply == (code, revision, d.machine.applied_slot, index)
    assert d.items() == before
    assert (d.machine._store.contents, d.machine.revision, d.changes()) == (contents, revision, told)
    assert d.machine.lease_keys(lease) == [b"held"]
    assert d.put(b"a", b"goes on")[:2] == (APPLIED, revision + 1)


def test_a_refusal_is_kept_like_any_outcome() -> None:
    """P25: its retry may not succeed later."""
    d = Driver(sessions=2)
    d.put(b"n", b"text", session=2)
    failing = requests.write(1, 1, 0, ops.incr(b"n", 1))
    first = d.one(failing)
    assert first == (NOT_A_NUMBER, 1, 4)
    d.put(b"n", b"1", session=2)
    assert d.one(failing) == first


def test_a_copy_of_a_transaction_gets_its_first_reply() -> None:
    """P25: results included, and nothing happens again."""
    d = Driver(sessions=2)
    adding = requests.write(1, 1, 0, ops.txn([], [ops.incr(b"n", 2), ops.append(b"t", b"x"), ops.get(b"n")]))
    first = d.one(adding)
    d.do(ops.incr(b"n", 10), session=2)
    assert d.one(adding) == first == (APPLIED, 1, 3, 1, (2, 1, (b"2", 1, 1, 1, 0)))
    record = d.machine.get(b"n")
    assert record is not None
    assert record[0] == b"12"


def test_replies_with_records_count_among_the_bytes_that_a_session_keeps() -> None:
    """H16: reading through writes fills no memory that nobody bounds; confirmed replies give it back."""
    d = Driver(KvLimits(session_reply_bytes_max=100))
    d.one(requests.write(1, 1, 0, ops.put(b"k", b"v" * 60)))
    reading = [requests.write(1, seq, 0, ops.txn([], [ops.get(b"k")])) for seq in (2, 3, 4)]
    assert [d.one(one)[0] for one in reading] == [APPLIED, APPLIED, 4]
    assert d.one(requests.write(1, 5, 3, ops.txn([], [ops.get(b"k")])))[0] == APPLIED
    assert d.machine._sessions.touch(1, 0).reply_bytes == 60  # type: ignore[union-attr]


# Bounds at apply: part of the rules, the same on every replica


def test_a_command_looks_at_no_more_keys_than_it_may() -> None:
    """H17: compares of intervals and deletes are refused, reads stop and say that more is left."""
    d = Driver(KvLimits(command_keys_max=3))
    for key in (b"a", b"b", b"c", b"d"):
        d.put(key, b"v")
    assert d.do(ops.delete_range(b"", b"")) == (TOO_MANY_KEYS, 4, 6)
    assert d.do(ops.txn([cmp(VERSION, EQUAL, b"", 1, end=b"")], [YES])) == (TOO_MANY_KEYS, 4, 7, -1)
    assert d.do(ops.txn([], [ops.get(b"a"), ops.delete_range(b"", b"")])) == (TOO_MANY_KEYS, 4, 8, 1)
    assert d.do(ops.txn([], [ops.read_range(b"", b"")]))[4][0][:2] == (3, 1)
    two = [ops.read_range(b"", b"c"), ops.read_range(b"", b"c"), ops.read_range(b"", b"", options=ops.COUNT_ONLY)]
    assert [result[:2] for result in d.do(ops.txn([], two))[4]] == [(2, 0), (1, 1), (4, 0)]
    assert d.do(ops.delete_range(b"", b"", limit=9)) == (APPLIED, 5, 11, 3, 1, ())
    assert d.do(ops.delete_range(b"", b"")) == (APPLIED, 6, 12, 1, 0, ())


def test_a_reply_holds_no_more_bytes_than_it_may() -> None:
    """H4: a range is cut and says so; a single record, which cannot be cut, is refused."""
    d = Driver(KvLimits(reply_bytes_max=200))
    for key in (b"a", b"b", b"c"):
        d.put(key, b"v" * 50)
    page = d.do(ops.txn([], [ops.read_range(b"", b"")]))[4][0]
    assert page[:2] == (2, 1)
    assert [key for key, _ in page[2]] == [b"a", b"b"]
    assert d.do(ops.txn([], [ops.read_range(b"", b"", options=ops.KEYS_ONLY)]))[4][0][:2] == (3, 0)
    assert d.do(ops.txn([], [ops.get(b"a"), ops.get(b"b"), ops.get(b"c")]))[::3] == (REPLY_TOO_LARGE, 2)
    refused = d.do(ops.delete_range(b"", b"", options=ops.PREVIOUS))
    assert refused == (REPLY_TOO_LARGE, 3, d.machine.applied_slot)
    assert d.machine.keys == 3
    d.put(b"a", b"v" * 200)
    assert d.do(ops.put_with(b"a", b"new", options=ops.PREVIOUS))[0] == REPLY_TOO_LARGE
    assert d.do(ops.put_with(b"a", b"new", options=ops.IF_ABSENT))[0] == REPLY_TOO_LARGE
    assert d.do(ops.put_with(b"a", b"new"))[0] == APPLIED


def test_a_lease_holds_no_more_keys_than_it_may() -> None:
    """Its end deletes them all in one slot, which must not take long (P42); keys it holds may be written again."""
    d = Driver(KvLimits(lease_keys_max=2))
    lease = d.grant(1000)
    assert d.do(ops.put(b"a", b"v", lease))[0] == APPLIED
    assert d.do(ops.txn([], [ops.put(b"b", b"v", lease), ops.put(b"c", b"v", lease)]))[::3] == (TOO_MANY_LEASE_KEYS, 1)
    assert d.do(ops.put(b"b", b"v", lease))[0] == APPLIED
    assert d.do(ops.put(b"b", b"w", lease))[0] == APPLIED
    assert d.do(ops.put(b"c", b"v", lease)) == (TOO_MANY_LEASE_KEYS, 3, d.machine.applied_slot)
    d.delete(b"a")
    assert d.do(ops.put(b"c", b"v", lease))[0] == APPLIED


# Single operations


def test_put_with_returns_what_was_there() -> None:
    """Get-and-set, on an absent key too."""
    d = Driver()
    assert d.do(ops.put_with(b"k", b"1", options=ops.PREVIOUS)) == (APPLIED, 1, 2, None)
    assert d.do(ops.put_with(b"k", b"2", options=ops.PREVIOUS)) == (APPLIED, 2, 3, (b"1", 1, 1, 1, 0))
    assert d.do(ops.put_with(b"k", b"3")) == (APPLIED, 3, 4, None)
    assert d.machine.get(b"k") == (b"3", 1, 3, 3, 0)


def test_put_with_a_condition() -> None:
    """It fails like a cas, and tells what is there."""
    d = Driver()
    assert d.do(ops.put_with(b"k", b"1", options=ops.IF_PRESENT)) == (COMPARE_FAILED, 0, 2, None)
    assert d.do(ops.put_with(b"k", b"1", options=ops.IF_ABSENT)) == (APPLIED, 1, 3, None)
    assert d.do(ops.put_with(b"k", b"2", options=ops.IF_ABSENT)) == (COMPARE_FAILED, 1, 4, (b"1", 1, 1, 1, 0))
    assert d.do(ops.put_with(b"k", b"2", options=ops.IF_PRESENT)) == (APPLIED, 2, 5, None)
    failed = ops.put_with(b"k", b"3", options=ops.IF_ABSENT)
    assert d.do(ops.txn([], [failed, YES]))[4] == ((0, (b"2", 1, 2, 2, 0)), None)


def test_delete_range_returns_what_was_there() -> None:
    """One revision, one event a key; a limit takes the first ones and says whether more are left."""
    d = Driver()
    for key in (b"a", b"b", b"c", b"d"):
        d.put(key, key)
    records = dict(d.items())
    reply = d.do(ops.delete_range(b"b", b"d", options=ops.PREVIOUS))
    assert reply == (APPLIED, 5, 6, 2, 0, ((b"b", records[b"b"]), (b"c", records[b"c"])))
    assert d.do(ops.delete_range(b"a", b"", limit=1)) == (APPLIED, 6, 7, 1, 1, ())
    assert d.do(ops.delete_range(b"e", b"a")) == (APPLIED, 6, 8, 0, 0, ())
    assert [key for key, _ in d.items()] == [b"d"]
    assert d.changes(5) == [
        (5, ((b"b", None, records[b"b"]), (b"c", None, records[b"c"]))),
        (6, ((b"a", None, records[b"a"]),)),
    ]


def test_a_range_in_a_transaction_has_limit_order_and_shape() -> None:
    """And counts without visiting."""
    d = Driver()
    for key in (b"a", b"b", b"c"):
        d.put(key, key)

    def read(limit: int, options: int) -> tuple[int, int, list[tuple[bytes, bytes]]]:
        count, more, found = d.do(ops.txn([], [ops.read_range(b"", b"", limit, options)]))[4][0]
        return count, more, [(key, record[0]) for key, record in found]

    assert read(2, 0) == (2, 1, [(b"a", b"a"), (b"b", b"b")])
    assert read(2, ops.DESCENDING) == (2, 1, [(b"c", b"c"), (b"b", b"b")])
    assert read(3, ops.KEYS_ONLY) == (3, 0, [(b"a", b""), (b"b", b""), (b"c", b"")])
    assert read(1, ops.COUNT_ONLY) == (3, 0, [])


# Bounds at the door


def nested(depth: int) -> ops.Operation:
    """Return `depth` transactions within one another."""
    operation = ops.txn([], [])
    for _ in range(depth - 1):
        operation = ops.txn([], [operation])
    return operation


def encoded(operation: ops.Operation) -> bytes:
    """Return the operation as a command."""
    return requests.write(1, 1, 0, operation)


def test_a_transaction_has_at_most_so_many_operations() -> None:
    """Those of both branches and of nested ones, itself not counted; the same for compares."""
    limits = KvLimits(txn_operations_max=5)
    two = [ops.get(b"a")] * 2
    check(encoded(ops.txn([], two, [ops.txn([], two)])), limits)
    with pytest.raises(CommandTooLarge, match="6 operations: at most 5"):
        check(encoded(ops.txn([], [*two, *two], [ops.txn([], [ops.get(b"a")])])), limits)
    three = [cmp(VERSION, EQUAL, b"a", 1)] * 3
    check(encoded(ops.txn(three, [ops.txn(three[:2], [])])), limits)
    with pytest.raises(CommandTooLarge, match="6 compares: at most 5"):
        check(encoded(ops.txn(three, [ops.txn(three, [])])), limits)


def test_transactions_are_nested_only_so_deep() -> None:
    """A limit at the door, and a wider one for what any version can read."""
    check(encoded(nested(4)), KvLimits())
    with pytest.raises(CommandTooLarge, match="5 transactions are nested: at most 4"):
        check(encoded(nested(5)), KvLimits())
    assert decode_command(encoded(nested(8)))
    with pytest.raises(BadCommand, match="more than 8"):
        decode_command(encoded(nested(9)))


def test_keys_and_values_are_bounded_wherever_they_stand() -> None:
    """H4: in nested operations and in compares, too."""
    limits = KvLimits(key_bytes_max=4, value_bytes_max=6, command_bytes_max=200)
    for operation in (
        ops.put(b"k" * 5, b""),
        ops.put(b"k", b"v" * 7),
        ops.append(b"k", b"v" * 7),
        ops.put_with(b"k", b"v" * 7),
        ops.incr(b"k" * 5, 1),
        ops.get(b"k" * 5),
        ops.delete_range(b"k" * 6, b""),
        ops.delete_range(b"", b"k" * 6),
        ops.read_range(b"", b"k" * 6),
        ops.txn([cmp(VALUE, EQUAL, b"k" * 5, b"")], []),
        ops.txn([cmp(VALUE, EQUAL, b"k", b"v" * 7)], []),
        ops.txn([cmp(VERSION, EQUAL, b"k", 1, end=b"k" * 6)], []),
    ):
        with pytest.raises(CommandTooLarge):
            check(encoded(ops.txn([], [ops.txn([], [], [operation])])), limits)
        if operation[0] in (ops.INCR, ops.APPEND, ops.DELETE_RANGE, ops.PUT_WITH):
            with pytest.raises(CommandTooLarge):
                check(encoded(operation), limits)
    check(encoded(ops.delete_range(b"k" * 5, b"k" * 5)), limits)
    with pytest.raises(CommandTooLarge, match=r"command has \d+ bytes: at most 200"):
        check(encoded(ops.txn([], [ops.put(b"k", b"v" * 6)] * 20)), limits)


def test_what_was_written_under_larger_limits_is_applied_under_smaller_ones() -> None:
    """P26: limits at the door do not rule the log."""
    d = Driver(KvLimits(key_bytes_max=1, value_bytes_max=1, command_bytes_max=1, txn_operations_max=1, txn_depth_max=1))
    big = ops.txn([], [ops.txn([], [ops.put(b"key-%d" % number, b"value")]) for number in range(9)])
    assert d.do(big)[:2] == (APPLIED, 1)
    assert d.machine.keys == 9


def test_limits_stay_below_what_every_version_can_read() -> None:
    """The message names the limit."""
    with pytest.raises(ValueError, match="txn_operations_max is 1025: it must be at most 1024"):
        replace(KvLimits(), txn_operations_max=1025)
    with pytest.raises(ValueError, match="txn_depth_max is 9"):
        KvLimits(txn_depth_max=9)
