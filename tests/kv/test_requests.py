"""The door for transactions, leases and the rest: what is encoded comes back, garbage is refused (H1, H3, P43)."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paxoskv.kv import operations as ops
from paxoskv.kv import requests
from paxoskv.kv.commands import BadCommand, check, decode_command
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.operations import (
    ABSENT,
    APPEND,
    DELETE_RANGE,
    GET,
    GREATER,
    INCR,
    LEASE,
    NOT_EQUAL,
    NUMBER_MAX,
    PUT_WITH,
    RANGE,
    TXN,
    VALUE,
    VERSION,
)
from paxoskv.kv.requests import COMPACT, EXTEND, GRANT, KEEP_ALIVE, REVOKE
from tests.kv.driver import Driver
from tests.kv.test_commands import anything, assert_refused_or_applied, headers, keys, packed, values

bounds = st.binary(max_size=8)
numbers = st.integers(0, NUMBER_MAX)

compares = (
    st.builds(ops.compare, st.just(VALUE), st.integers(0, GREATER), keys, values, st.none() | bounds)
    | st.builds(ops.compare, st.integers(VERSION, LEASE), st.integers(0, GREATER), keys, numbers, st.none() | bounds)
    | st.builds(ops.compare, st.just(ABSENT), st.integers(0, NOT_EQUAL), keys, st.none(), st.none() | bounds)
)
singles = (
    st.builds(ops.put, keys, values, numbers)
    | st.builds(ops.delete, keys)
    | st.builds(ops.get, keys)
    | st.builds(ops.incr, keys, st.integers(-(2**63), NUMBER_MAX))
    | st.builds(ops.append, keys, values)
    | st.builds(ops.put_with, keys, values, st.just(0), st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]))
    | st.builds(ops.delete_range, bounds, bounds, numbers, st.integers(0, 1))
    | st.builds(ops.read_range, bounds, bounds, numbers, st.integers(0, 7))
)


def txns(inner: st.SearchStrategy[ops.Operation]) -> st.SearchStrategy[ops.Operation]:
    """Return transactions of these operations."""
    branches = st.lists(inner, max_size=3)
    return st.builds(ops.txn, st.lists(compares, max_size=3), branches, branches)


transactions = txns(singles | txns(singles | txns(singles)))
writes = transactions | singles.filter(lambda one: one[0] in (DELETE_RANGE, INCR, APPEND, PUT_WITH))


@st.composite
def correct_requests(draw: st.DrawFn) -> bytes:
    """Any command of this module that a client may send."""
    header = draw(headers())
    choices = [
        requests.write(*header, draw(writes)),
        requests.grant(*header, draw(st.integers(500, 1000))),
        requests.keep_alive(draw(st.lists(st.integers(1, NUMBER_MAX), min_size=1, max_size=5))),
        requests.revoke(*header, draw(st.integers(1, NUMBER_MAX))),
        requests.compact(*header, draw(numbers)),
    ]
    return draw(st.sampled_from(choices))


@settings(deadline=None)
@given(headers(), writes, st.lists(st.integers(1, NUMBER_MAX), min_size=1, max_size=9), numbers)
def test_what_is_encoded_is_decoded(
    header: tuple[int, int, int], operation: ops.Operation, leases: list[int], number: int
) -> None:
    """Every operation, every number and byte string that is allowed."""
    assert decode_command(requests.write(*header, operation)) == (operation[0], *header, *operation[1:])
    assert decode_command(requests.keep_alive(leases)) == (KEEP_ALIVE, 0, 0, 0, tuple(leases))
    assert decode_command(requests.compact(*header, number)) == (COMPACT, *header, number)
    assert decode_command(requests.grant(*header, number or 1)) == (GRANT, *header, number or 1)
    assert decode_command(requests.revoke(*header, number or 1)) == (REVOKE, *header, number or 1)
    assert decode_command(requests.extend()) == (EXTEND, 0, 0, 0)


@settings(deadline=None)
@given(correct_requests())
def test_a_correct_request_passes_and_is_applied(command: bytes) -> None:
    """Up to the limits, included; whatever the state answers, it answers."""
    check(command, KvLimits(key_bytes_max=8, value_bytes_max=16))
    assert len(Driver().one(command)) >= 3


@settings(deadline=None, max_examples=400)
@given(correct_requests(), st.integers(0, 7), anything)
def test_a_field_of_any_type_is_refused_or_applied(command: bytes, index: int, field: Any) -> None:
    """H1: nothing but BadCommand is raised."""
    fields = list(msgpack.unpackb(command))
    fields[index % len(fields)] = field
    assert_refused_or_applied(packed(*fields))


@settings(deadline=None, max_examples=400)
@given(transactions, anything, st.data())
def test_a_part_of_a_transaction_of_any_type_is_refused_or_applied(
    operation: ops.Operation, foreign: Any, data: st.DataObject
) -> None:
    """H1, at every depth."""

    def spoiled(part: Any) -> Any:
        if type(part) is not tuple or not part or data.draw(st.integers(0, 3)) == 0:
            return foreign
        place = data.draw(st.integers(0, len(part) - 1))
        return (*part[:place], spoiled(part[place]), *part[place + 1 :])

    body = msgpack.packb(spoiled(operation[1:]))
    assert_refused_or_applied(packed(TXN, 1, 1, 0, body))


@settings(deadline=None, max_examples=400)
@given(correct_requests(), st.data())
def test_a_changed_byte_is_refused_or_applied(command: bytes, data: st.DataObject) -> None:
    """H1: of a command that was correct."""
    damaged = bytearray(command)
    damaged[data.draw(st.integers(0, len(command) - 1))] ^= data.draw(st.integers(1, 255))
    assert_refused_or_applied(bytes(damaged))


def of_body(op: int, body: bytes) -> bytes:
    session = 1 if op == TXN else 0
    return packed(op, session, session, 0, body)


@pytest.mark.parametrize(
    ("op", "body"),
    [
        (TXN, b""),
        (TXN, b"\x91" * 100_000),
        (TXN, b"\x93\x90\x91\x94\x06\x90" * 10_000),
        (TXN, b"\x93" + b"\x90\x91\x94\x06" * 100 + b"\x90\x90\x90"),
        (TXN, b"\xdd\xff\xff\xff\xff" * 1000),
        (TXN, b"\xdc\x04\x00" * 2000),
        (KEEP_ALIVE, b"\xdf\xff\xff\xff\xff"),
        (KEEP_ALIVE, msgpack.packb({1: 2})),
        (KEEP_ALIVE, msgpack.packb([msgpack.ExtType(5, b"")])),
        (KEEP_ALIVE, msgpack.packb([])),
    ],
    ids=lambda part: f"{part[:6].hex()}x{len(part)}" if isinstance(part, bytes) else str(part),
)
def test_a_hostile_body_is_refused(op: int, body: bytes) -> None:
    """H3: nesting bombs, headers that promise gigabytes, maps, extension types."""
    with pytest.raises(BadCommand):
        check(of_body(op, body), KvLimits())


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([TXN, KEEP_ALIVE]), st.binary(max_size=64))
def test_a_garbage_body_is_refused_or_applied(op: int, body: bytes) -> None:
    """H1: some of it happens to be correct."""
    assert_refused_or_applied(of_body(op, body))


GOOD = (VALUE, 0, b"k", None, b"v")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ([[], []], "compares, then, otherwise"),
        ([[], [], [], []], "compares, then, otherwise"),
        ([[], [], None], "compares, then, otherwise"),
        ([[], b"", []], "compares, then, otherwise"),
        ([[GOOD[:4]], [], []], "a compare is target"),
        ([[(6, *GOOD[1:])], [], []], "unknown target"),
        ([[(True, *GOOD[1:])], [], []], "unknown target"),
        ([[(VALUE, 4, *GOOD[2:])], [], []], "unknown relation"),
        ([[(ABSENT, 2, b"k", None, None)], [], []], "unknown relation"),
        ([[(ABSENT, 0, b"k", None, b"")], [], []], "operand nil"),
        ([[(VALUE, 0, b"", None, b"")], [], []], "key is empty"),
        ([[(VALUE, 0, "k", None, b"")], [], []], "key is bytes"),
        ([[(VALUE, 0, b"k", 1, b"")], [], []], "end of an interval is bytes"),
        ([[(VALUE, 0, None, b"", b"")], [], []], "start of an interval is bytes"),
        ([[(VALUE, 0, b"k", None, 5)], [], []], "compared value is bytes"),
        ([[(VERSION, 0, b"k", None, b"5")], [], []], "compared number is a number"),
        ([[(VERSION, 0, b"k", None, -1)], [], []], "compared number is a number"),
        ([[(VERSION, 0, b"k", None, 2**63)], [], []], "compared number is a number"),
        ([[], [5], []], "begins with its number"),
        ([[], [[]], []], "begins with its number"),
        ([[], [[True, b"k"]], []], "begins with its number"),
        ([[], [[3, b"k", b"v", 0, b"v"]], []], "no operation 3"),
        ([[], [[99]], []], "no operation 99: a newer version"),
        ([[], [[GET]], []], "has the arguments key, not 0"),
        ([[], [[GET, b"k", b"k"]], []], "has the arguments key, not 2"),
        ([[], [], [[GET, b""]]], "key is empty"),
        ([[], [[1, b"k", b"v"]], []], "has the arguments key, value, lease, not 2"),
        ([[], [[1, b"k", "v", 0]], []], "value is bytes"),
        ([[], [[1, b"k", b"v", -1]], []], "lease is a number"),
        ([[], [[INCR, b"k", 2**63]], []], "delta is a signed number"),
        ([[], [[INCR, b"k", 1.0]], []], "delta is a signed number"),
        ([[], [[RANGE, b"", b"", 0, 8]], []], "unknown options 8 of operation 17: a newer"),
        ([[], [[RANGE, b"", None, 0, 0]], []], "the end is bytes"),
        ([[], [[RANGE, b"", b"", -1, 0]], []], "limit is a number"),
        ([[], [[DELETE_RANGE, b"", b"", 0, 2]], []], "unknown options 2"),
        ([[], [[PUT_WITH, b"k", b"v", 0, 16]], []], "unknown options 16"),
        ([[], [[PUT_WITH, b"k", b"v", 7, 2]], []], "lease 7 cannot be set"),
        ([[], [[PUT_WITH, b"k", b"v", 0, 12]], []], "both absent and present"),
        ([[], [[TXN, [], []]], []], "compares, then, otherwise"),
        ([[], [[TXN, [], [[GET, b""]], []]], []], "key is empty"),
    ],
)
def test_a_wrong_part_of_a_transaction_is_named(body: list[Any], complaint: str) -> None:
    """The message says what is wrong, so that its reader can mend it."""
    with pytest.raises(BadCommand, match=complaint):
        check(packed(TXN, 1, 1, 0, msgpack.packb(body)), KvLimits())


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ((TXN, 1, 1, 0, [[], [], []]), "body of a command is bytes, not tuple"),
        ((TXN, 0, 0, 0, b""), "session 0"),
        ((INCR, 1, 1, 0, b"k"), "operation 8 has 6 fields, not 5"),
        ((INCR, 1, 1, 0, b"", 1), "key is empty"),
        ((GRANT, 1, 1, 0, 0), "time to live in ms is a number from 1"),
        ((GRANT, 1, 1, 0, b"5"), "time to live in ms is a number from 1"),
        ((REVOKE, 1, 1, 0, 0), "lease is a number from 1"),
        ((COMPACT, 1, 1, 0, -1), "revision is a number from 0"),
        ((KEEP_ALIVE, 1, 1, 0, msgpack.packb([1])), "operation 12 has no session"),
        ((KEEP_ALIVE, 0, 1, 0, msgpack.packb([1])), "seq and acked of operation 12 are 0"),
        ((KEEP_ALIVE, 0, 0, 0, msgpack.packb([0])), "lease is a number from 1"),
        ((KEEP_ALIVE, 0, 0, 0, msgpack.packb([True])), "lease is a number from 1"),
        ((KEEP_ALIVE, 0, 0, 0, msgpack.packb([])), "no lease to keep alive"),
        ((KEEP_ALIVE, 0, 0, 0, msgpack.packb(7)), "a body is an array"),
        ((EXTEND, 0, 0, 1), "seq and acked of operation 14 are 0"),
        ((EXTEND, 1, 1, 0), "operation 14 has no session"),
        ((GET, 1, 1, 0, b"k"), "unknown operation 16"),
        ((RANGE, 1, 1, 0, b"", b"", 0, 0), "unknown operation 17"),
    ],
)
def test_a_wrong_field_is_named(fields: tuple[Any, ...], complaint: str) -> None:
    """The same for commands."""
    with pytest.raises(BadCommand, match=complaint):
        check(packed(*fields), KvLimits())


def test_more_items_than_a_decoder_accepts_are_refused() -> None:
    """H3: whatever the limits at the door; a wide transaction costs no more than its bytes."""
    wide = requests.write(1, 1, 0, ops.txn([], [ops.get(b"k")] * 1025))
    with pytest.raises(BadCommand, match="at most 1024 items"):
        decode_command(wide)
