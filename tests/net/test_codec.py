"""The messages of the core on the wire: every one round, none out of bad bytes (P43, H1, H3, H14)."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.net import codec, protocol
from paxoskv.net.protocol import ProtocolError
from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    CatchUp,
    Grant,
    Heartbeat,
    HeartbeatAck,
    Learn,
    Message,
    Prepare,
    Promise,
    ReadAnswer,
    ReadAsk,
    Rejected,
)

numbers = st.integers(min_value=0, max_value=codec.NUMBER_MAX)
slots = st.integers(min_value=1, max_value=codec.NUMBER_MAX)
ballots = st.builds(Ballot, numbers, numbers)
votes = st.lists(st.tuples(slots, st.builds(Vote, ballots, st.binary(max_size=20))), max_size=4).map(tuple)
messages = st.one_of(
    st.builds(Heartbeat, ballots, numbers, numbers, st.booleans()),
    st.builds(HeartbeatAck, ballots, numbers, ballots),
    st.builds(Ask, numbers),
    st.builds(Grant, numbers),
    st.builds(Prepare, ballots, slots),
    st.builds(
        Promise,
        ballots,
        numbers,
        slots,
        numbers,
        numbers,
        votes,
        st.lists(slots, max_size=3).map(tuple),
        numbers,
        numbers,
    ),
    st.builds(Accept, ballots, slots, st.binary(max_size=50), numbers),
    st.builds(Accepted, ballots, slots),
    st.builds(Rejected, ballots, ballots),
    st.builds(CatchUp, slots, slots),
    st.builds(Learn, numbers, numbers, votes),
    st.builds(ReadAsk, numbers),
    st.builds(ReadAnswer, numbers, ballots, numbers, numbers),
)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(messages)
def test_a_message_comes_back_equal_and_typed(message: Message) -> None:
    back = codec.decode(protocol.decode(codec.encode(message)))
    assert back == message
    assert type(back) is type(message)
    if isinstance(back, Accept):
        assert type(back.ballot) is Ballot


def test_every_message_of_the_core_has_a_tag() -> None:
    tags = {codec._CHECKS[cls][0] for cls in get_args(Message)}
    assert len(tags) == len(get_args(Message))
    assert max(tags) <= codec.TAG_MAX


@given(st.integers(0, 25), st.lists(trees, max_size=8))
def test_wrong_fields_raise_protocol_errors_only(tag: int, fields: list[Any]) -> None:
    with contextlib.suppress(ProtocolError):
        codec.decode(protocol.decode(protocol.encode(tag, *fields)))


@given(messages, st.data())
def test_mutated_and_truncated_bytes_raise_protocol_errors_only(message: Message, data: st.DataObject) -> None:
    payload = bytearray(codec.encode(message))
    for _ in range(data.draw(st.integers(0, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    with contextlib.suppress(ProtocolError):
        codec.decode(protocol.decode(bytes(payload[:cut])))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x01",
        b"\x90",
        b"\x80",
        b"\x91" * 3000 + b"\xc0",  # nesting bomb
        b"\xdd\xff\xff\xff\xff",  # an array of 2**32 - 1 items
        b"\xdd\x00\x00\xff\xff" * 1000,  # each header reserves memory, if it may
        b"\x92\x07",  # truncated
        b"\x91\x01\x01",  # trailing bytes
        b"\x91\xa1\xff",  # not UTF-8
        b"\x91\xc7\x01\x05a",  # an extension type
        b"\x91\x81\x01\x02",  # a map with a key that is no text
    ],
)
def test_hostile_payloads_are_refused_by_the_decoder(payload: bytes) -> None:
    """H3: nothing is reserved for what a header merely claims."""
    with pytest.raises(ProtocolError):
        protocol.decode(payload)


def test_numbers_have_63_bits() -> None:
    """A ballot or slot of 2**64 - 1 or -1 is no number of ours (H14)."""
    for hostile in (2**64 - 1, 2**63, -1, True, 1.0, None):
        with pytest.raises(ProtocolError, match="expected a number"):
            codec.decode((8, (hostile, 1), 1))
    with pytest.raises(ProtocolError, match="slots count from 1"):
        codec.decode((8, (1, 1), 0))
