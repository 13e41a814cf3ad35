"""What the door lets into the log, and what it does not (H1, H3, H4)."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paxoskv.kv import commands
from paxoskv.kv.commands import (
    ABSENT,
    CAS,
    CLOSE_SESSION,
    DELETE,
    EXPECT_VALUE,
    NUMBER_MAX,
    OPEN_SESSION,
    PUT,
    REVISION,
    BadCommand,
    CommandTooLarge,
    check,
    decode_command,
)
from paxoskv.kv.limits import KvLimits
from tests.kv.driver import Driver

LIMITS = KvLimits(key_bytes_max=8, value_bytes_max=16)


def packed(*fields: Any) -> bytes:
    """Return a command with arbitrary fields, right or wrong."""
    encoded: bytes = msgpack.packb(fields)
    return encoded


keys = st.binary(min_size=1, max_size=8)
values = st.binary(max_size=16)
numbers = st.integers(0, NUMBER_MAX)


@st.composite
def headers(draw: st.DrawFn) -> tuple[int, int, int]:
    """Session, seq and acked of a correct client."""
    seq = draw(st.integers(1, NUMBER_MAX))
    return draw(st.integers(1, NUMBER_MAX)), seq, draw(st.integers(0, seq - 1))


conditions = st.tuples(st.just(EXPECT_VALUE), values) | st.just((ABSENT, None)) | st.tuples(st.just(REVISION), numbers)


@st.composite
def correct_commands(draw: st.DrawFn) -> bytes:
    """Any operation that `LIMITS` allow."""
    header, key, value, condition = draw(headers()), draw(keys), draw(values), draw(conditions)
    choices = [
        commands.put(*header, key, value),
        commands.delete(*header, key),
        commands.cas(*header, key, value, *condition),
        commands.close_session(*header),
        commands.open_session(),
    ]
    return draw(st.sampled_from(choices))


@settings(deadline=None)
@given(headers(), keys, values, conditions)
def test_what_is_encoded_is_decoded(
    header: tuple[int, int, int], key: bytes, value: bytes, condition: tuple[int, Any]
) -> None:
    """Every operation, at every number and byte string that is allowed."""
    assert decode_command(commands.put(*header, key, value)) == (PUT, *header, key, value, 0)
    assert decode_command(commands.delete(*header, key)) == (DELETE, *header, key)
    assert decode_command(commands.cas(*header, key, value, *condition)) == (CAS, *header, key, value, *condition)
    assert decode_command(commands.close_session(*header)) == (CLOSE_SESSION, *header)
    assert decode_command(commands.open_session()) == (OPEN_SESSION, 0, 0, 0)


@settings(deadline=None)
@given(correct_commands())
def test_a_correct_command_passes(command: bytes) -> None:
    """Up to the limits, included."""
    check(command, LIMITS)


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=64))
@example(b"")
@example(b"\xc1")
@example(b"\x91" * 100_000)
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xdf\xff\xff\xff\xff")
@example(b"\xc6\xff\xff\xff\xff")
@example(b"\xa1\xff")
@example(b"\x81\x90\x01")
def test_garbage_raises_nothing_but_bad_command(garbage: bytes) -> None:
    """H1, H3: random bytes, nesting bombs, headers that promise gigabytes, invalid UTF-8."""
    with pytest.raises(BadCommand):
        check(garbage, LIMITS)


atoms = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=20)
)
anything = st.recursive(
    atoms, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(atoms, inner, max_size=2), max_leaves=4
)


def assert_refused_or_applied(command: bytes) -> None:
    """What the door lets through never stops a node: the state machine answers it (P35 is for newer versions)."""
    try:
        check(command, LIMITS)
    except BadCommand:
        return
    assert len(Driver().one(command)) >= 3


@settings(deadline=None, max_examples=500)
@given(correct_commands(), st.integers(0, 7), anything)
def test_a_field_of_any_type_is_refused_or_applied(command: bytes, index: int, field: Any) -> None:
    """H1: nothing but BadCommand is raised."""
    fields = list(msgpack.unpackb(command))
    fields[index % len(fields)] = field
    assert_refused_or_applied(packed(*fields))


@settings(deadline=None, max_examples=500)
@given(correct_commands(), st.data())
def test_a_changed_byte_is_refused_or_applied(command: bytes, data: st.DataObject) -> None:
    """H1: of a command that was correct."""
    damaged = bytearray(command)
    damaged[data.draw(st.integers(0, len(command) - 1))] ^= data.draw(st.integers(1, 255))
    assert_refused_or_applied(bytes(damaged))


@settings(deadline=None)
@given(correct_commands(), st.binary(min_size=1, max_size=4))
def test_every_truncation_and_every_trailing_byte_is_refused(command: bytes, trailing: bytes) -> None:
    """A command is one array and nothing else."""
    for end in range(len(command)):
        with pytest.raises(BadCommand):
            check(command[:end], LIMITS)
    with pytest.raises(BadCommand, match="extra data"):
        check(command + trailing, LIMITS)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ((), "at least 4"),
        ((PUT, 1, 1), "at least 4"),
        ((0, 1, 1, 0, b"k", b"v", 0), "unknown operation 0"),
        ((16, 1, 1, 0), "unknown operation 16.*newer"),
        ((-1, 1, 1, 0), "unknown operation -1"),
        ((True, 1, 1, 0, b"k", b"v", 0), "are numbers, not bool"),
        ((PUT, 1.0, 1, 0, b"k", b"v", 0), "are numbers"),
        ((PUT, "1", 1, 0, b"k", b"v", 0), "are numbers"),
        ((PUT, 1, None, 0, b"k", b"v", 0), "are numbers"),
        ((PUT, 1, 1, [], b"k", b"v", 0), "are numbers"),
        ((PUT, 0, 1, 0, b"k", b"v", 0), "session 0"),
        ((PUT, -1, 1, 0, b"k", b"v", 0), "session -1"),
        ((PUT, NUMBER_MAX + 1, 1, 0, b"k", b"v", 0), "below 2"),
        ((PUT, 1, 0, 0, b"k", b"v", 0), "seq 0"),
        ((PUT, 1, -3, 0, b"k", b"v", 0), "seq -3"),
        ((PUT, 1, NUMBER_MAX + 1, 0, b"k", b"v", 0), "below 2"),
        ((PUT, 1, 5, -1, b"k", b"v", 0), "acked -1"),
        ((PUT, 1, 5, 5, b"k", b"v", 0), "acked 5"),
        ((PUT, 1, 1, 0, b"k", b"v"), "operation 1 has 7 fields, not 6"),
        ((PUT, 1, 1, 0, b"k", b"v", 0, 0), "operation 1 has 7 fields, not 8"),
        ((PUT, 1, 1, 0, b"k", b"v", 0, 0, 0), "at most 8 items"),
        ((PUT, 1, 1, 0, b"", b"v", 0), "key is empty"),
        ((PUT, 1, 1, 0, "k", b"v", 0), "key is bytes, not str"),
        ((PUT, 1, 1, 0, None, b"v", 0), "key is bytes, not NoneType"),
        ((PUT, 1, 1, 0, b"k", "v", 0), "value is bytes, not str"),
        ((PUT, 1, 1, 0, b"k", [b"v"], 0), "value is bytes, not tuple"),
        ((PUT, 1, 1, 0, b"k", b"v", -1), "lease is a number"),
        ((PUT, 1, 1, 0, b"k", b"v", False), "lease is a number"),
        ((DELETE, 1, 1, 0, b""), "key is empty"),
        ((DELETE, 1, 1, 0, b"k", b"v"), "operation 2 has 5 fields"),
        ((CAS, 1, 1, 0, b"k", b"v", 3, None), "unknown condition int 3"),
        ((CAS, 1, 1, 0, b"k", b"v", -1, None), "unknown condition"),
        ((CAS, 1, 1, 0, b"k", b"v", True, None), "unknown condition bool"),
        ((CAS, 1, 1, 0, b"k", 1, ABSENT, None), "value is bytes"),
        ((CAS, 1, 1, 0, b"k", b"v", EXPECT_VALUE, None), "expected value is bytes, not NoneType"),
        ((CAS, 1, 1, 0, b"k", b"v", ABSENT, b""), "operand nil"),
        ((CAS, 1, 1, 0, b"k", b"v", REVISION, -1), "expected revision"),
        ((CAS, 1, 1, 0, b"k", b"v", REVISION, NUMBER_MAX + 1), "expected revision"),
        ((CAS, 1, 1, 0, b"k", b"v", REVISION, True), "expected revision"),
        ((OPEN_SESSION, 1, 0, 0), "seq 0"),
        ((OPEN_SESSION, 1, 1, 0), "operation 4 has no session"),
        ((OPEN_SESSION, 0, 1, 0), "of operation 4 are 0"),
        ((OPEN_SESSION, 0, 0, 1), "of operation 4 are 0"),
        ((CLOSE_SESSION, 0, 1, 0), "session 0"),
        ((CLOSE_SESSION, 1, 0, 0), "seq 0"),
    ],
)
def test_a_wrong_field_is_named(fields: tuple[Any, ...], complaint: str) -> None:
    """The message says what is wrong, so that its reader can mend it."""
    with pytest.raises(BadCommand, match=complaint) as caught:
        check(packed(*fields), LIMITS)
    assert not isinstance(caught.value, CommandTooLarge)


@pytest.mark.parametrize(
    "foreign", [msgpack.ExtType(5, b""), msgpack.ExtType(5, b"x"), msgpack.Timestamp(1, 2), {}, {1: 2}]
)
def test_maps_and_extension_types_are_refused_in_every_field(foreign: Any) -> None:
    """H3: nothing but numbers, bytes and nil stands in a command."""
    for index in range(7):
        fields: list[Any] = [PUT, 1, 1, 0, b"k", b"v", 0]
        fields[index] = foreign
        with pytest.raises(BadCommand):
            check(packed(*fields), LIMITS)
    with pytest.raises(BadCommand):
        check(msgpack.packb(foreign), LIMITS)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (commands.put(1, 1, 0, b"k" * 9, b""), "key has 9 bytes: at most 8"),
        (commands.delete(1, 1, 0, b"k" * 9), "key has 9 bytes: at most 8"),
        (commands.cas(1, 1, 0, b"k" * 9, b"", ABSENT, None), "key has 9 bytes: at most 8"),
        (commands.put(1, 1, 0, b"k", b"v" * 17), "the value has 17 bytes: at most 16"),
        (commands.cas(1, 1, 0, b"k", b"v" * 17, REVISION, 1), "the value has 17 bytes: at most 16"),
        (commands.cas(1, 1, 0, b"k", b"v", EXPECT_VALUE, b"o" * 17), "expected value has 17 bytes: at most 16"),
    ],
)
def test_what_exceeds_a_limit_is_too_large(command: bytes, complaint: str) -> None:
    """H4: by one byte; the message says how large it was and how large it may be."""
    with pytest.raises(CommandTooLarge, match=complaint):
        check(command, LIMITS)
    check(command, KvLimits(key_bytes_max=9, value_bytes_max=17))


def test_a_message_about_a_large_field_stays_small() -> None:
    """A megabyte of wrong type must not come back as a megabyte of message."""
    for index in range(7):
        fields: list[Any] = [PUT, 1, 1, 0, b"k", b"v", 0]
        fields[index] = "x" * (1 << 20)
        with pytest.raises(BadCommand) as caught:
            check(packed(*fields), LIMITS)
        assert len(str(caught.value)) < 300
