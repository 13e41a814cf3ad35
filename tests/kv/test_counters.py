"""Increment and append: exact, 64 bits, and nothing but the shortest decimal text is a number (P26)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paxoskv.kv import operations as ops
from paxoskv.kv.counters import COUNTER_MAX, COUNTER_MIN, appended, incremented
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.replies import APPLIED, NOT_A_NUMBER, NUMBER_OVERFLOW, VALUE_TOO_LARGE, Refused
from tests.kv.driver import Driver

numbers = st.integers(COUNTER_MIN, COUNTER_MAX)


@settings(deadline=None)
@given(numbers, numbers)
def test_the_sum_is_exact_or_an_overflow(number: int, delta: int) -> None:
    """Never wrapped, never rounded."""
    if COUNTER_MIN <= number + delta <= COUNTER_MAX:
        assert incremented(b"%d" % number, delta) == number + delta
        return
    with pytest.raises(Refused) as caught:
        incremented(b"%d" % number, delta)
    assert caught.value.code == NUMBER_OVERFLOW


@pytest.mark.parametrize("value", [b"0", b"-1", b"9223372036854775807", b"-9223372036854775808"])
def test_numbers(value: bytes) -> None:
    """Up to both ends."""
    assert b"%d" % incremented(value, 0) == value


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"+1",
        b"01",
        b"-0",
        b" 1",
        b"1\n",
        b"1_0",
        b"1.0",
        b"1e3",
        b"0x1",
        b"-",
        b"text",
        b"\xff",
        "١".encode(),
        b"9223372036854775808",
        b"-9223372036854775809",
        b"1" * 21,
        b"1" * 1_000_000,
    ],
)
def test_what_is_no_number(value: bytes) -> None:
    """What Python's int would take, but no other program writes the same way, is refused; so is what is too long."""
    with pytest.raises(Refused) as caught:
        incremented(value, 1)
    assert caught.value.code == NOT_A_NUMBER


def test_a_counter_begins_at_zero_and_refuses_to_overflow() -> None:
    """Refused is not executed: the counter stays."""
    d = Driver()
    assert d.do(ops.incr(b"n", COUNTER_MAX)) == (APPLIED, 1, 2, COUNTER_MAX)
    assert d.do(ops.incr(b"n", 1)) == (NUMBER_OVERFLOW, 1, 3)
    assert d.do(ops.incr(b"n", -1)) == (APPLIED, 2, 4, COUNTER_MAX - 1)
    assert d.machine.get(b"n") == (b"%d" % (COUNTER_MAX - 1), 1, 2, 2, 0)
    assert d.do(ops.incr(b"low", COUNTER_MIN)) == (APPLIED, 3, 5, COUNTER_MIN)
    assert d.do(ops.incr(b"low", -1)) == (NUMBER_OVERFLOW, 3, 6)


def test_text_grows_up_to_its_limit() -> None:
    """The limit is a rule of the cluster: what one replica refuses, all do."""
    d = Driver(KvLimits(grown_value_bytes_max=4))
    assert d.do(ops.append(b"t", b"ab")) == (APPLIED, 1, 2, 2)
    assert d.do(ops.append(b"t", b"")) == (APPLIED, 2, 3, 2)
    assert d.do(ops.append(b"t", b"cde")) == (VALUE_TOO_LARGE, 2, 4)
    assert d.do(ops.append(b"t", b"cd")) == (APPLIED, 3, 5, 4)
    assert d.machine.get(b"t") == (b"abcd", 1, 3, 3, 0)
    assert d.do(ops.append(b"other", b"12345")) == (VALUE_TOO_LARGE, 3, 6)


def test_append_to_nothing_is_the_suffix() -> None:
    """An absent key and an empty one are the same to it."""
    assert appended(None, b"x", 9) == appended(b"", b"x", 9) == b"x"


def test_a_counter_and_a_text_keep_their_lease() -> None:
    """They change a value, they do not write a new one; a put and a cas do."""
    d = Driver()
    lease = d.grant(1000)
    d.do(ops.put(b"n", b"1", lease))
    d.do(ops.put(b"t", b"1", lease))
    d.do(ops.incr(b"n", 1))
    d.do(ops.append(b"t", b"1"))
    assert d.machine.lease_keys(lease) == [b"n", b"t"]
    d.do(ops.put_with(b"n", b"7", options=ops.KEEP_LEASE))
    assert d.machine.get(b"n") == (b"7", 1, 5, 3, lease)
    d.put(b"n", b"8")
    d.cas(b"t", b"8", 0, b"11")
    assert d.machine.lease_keys(lease) == []
