"""The first words between nodes: a card says all, a refusal says why, and nothing else gets through (P34, H1, H10)."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.net import protocol
from paxoskv.net.codec import NUMBER_MAX
from paxoskv.net.frames import HELLO_FRAME_BYTES_MAX
from paxoskv.net.peering import PEER_MAGIC, Card, Life, Refused, decode_card, encode_refusal
from paxoskv.net.protocol import ProtocolError

CARD = Card("c1", 1, "life-1", "127.0.0.1:7301", to_node=2, known={1: Life("life-1", 8), 3: Life("life-3", 5)}, seq=9)
FIELDS = protocol.decode(CARD.encode())
NUMBERS = st.integers(0, NUMBER_MAX)


@given(
    st.builds(
        Card,
        st.text(max_size=40),
        NUMBERS,
        st.text(max_size=40),
        st.text(max_size=40),
        NUMBERS,
        st.dictionaries(NUMBERS, st.builds(Life, st.text(max_size=40), NUMBERS), max_size=8),
        NUMBERS,
    )
)
def test_a_card_survives_the_way(card: Card) -> None:
    assert decode_card(card.encode()) == card


def test_the_order_in_which_lives_were_met_means_nothing() -> None:
    assert replace(CARD, known=dict(reversed([*CARD.known.items()]))).encode() == CARD.encode()


def test_a_card_of_the_largest_cluster_fits_in_a_hello() -> None:
    """Nine nodes, incarnations and cluster ids of 32 characters, the longest numbers."""
    known = {node: Life("f" * 32, NUMBER_MAX) for node in range(1, 10)}
    card = Card("c" * 32, 9, "f" * 32, "a-host-with-a-long-name.example.org:65535", 8, known, NUMBER_MAX)
    assert len(card.encode()) < HELLO_FRAME_BYTES_MAX / 2


@pytest.mark.parametrize("forgotten", [None, Life("a life", 7)])
def test_a_refusal_says_why_and_which_life_has_lost_its_memory(forgotten: Life | None) -> None:
    with pytest.raises(Refused, match=r"^the wrong cluster$") as caught:
        decode_card(encode_refusal("the wrong cluster", forgotten))
    assert caught.value.forgotten == forgotten


def test_a_client_on_the_peer_port_is_told_of_the_other_port() -> None:
    with pytest.raises(ProtocolError, match=r"this is the port for peers.*clients have another port"):
        decode_card(protocol.encode(protocol.MAGIC, protocol.PROTOCOL))


@pytest.mark.parametrize("version", [2, -1, "1", None, 1 << 62])
def test_another_version_is_told_to_run_the_same_one(version: object) -> None:
    with pytest.raises(ProtocolError, match=r"peer speaks protocol .*, this node 1: run the same version"):
        decode_card(protocol.encode(PEER_MAGIC, version, *FIELDS[2:]))


WRONG: list[Any] = [None, True, -1, 1.5, 1 << 63, (1 << 64) - 1, b"bytes", "text", [], {}, [[1]], [["x", "life", 1]]]


@pytest.mark.parametrize("position", range(2, len(FIELDS)))
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_a_field_of_another_type_is_an_error_and_never_a_card(position: int, wrong: Any) -> None:
    """Except where it is of the right type after all: then the card says exactly that."""
    fields = [*FIELDS]
    fields[position] = wrong
    with contextlib.suppress(ProtocolError):
        again = protocol.decode(decode_card(protocol.encode(*fields)).encode())
        assert again[position] == (tuple(wrong) if isinstance(wrong, list) else wrong)


@pytest.mark.parametrize("count", [1, 2, 3, 5, len(FIELDS) - 1, len(FIELDS) + 1])
def test_a_card_has_all_its_fields_and_no_more(count: int) -> None:
    with pytest.raises(ProtocolError):
        decode_card(protocol.encode(*[*FIELDS, 0][:count]))


@given(st.binary(max_size=200))
def test_noise_is_an_error_or_a_refusal_and_nothing_worse(noise: bytes) -> None:
    with pytest.raises((ProtocolError, Refused)):
        decode_card(noise)


@given(st.integers(0, len(CARD.encode()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_an_error_or_another_card_but_never_a_crash(position: int, byte: int) -> None:
    damaged = bytearray(CARD.encode())
    damaged[position] = byte
    with contextlib.suppress(ProtocolError, Refused):
        decode_card(bytes(damaged))


def test_lives_beyond_any_cluster_are_refused_before_they_take_memory() -> None:
    known = [[node, "life", 1] for node in range(300)]
    with pytest.raises(ProtocolError, match="at most 256 items"):
        decode_card(protocol.encode(*FIELDS[:7], known, *FIELDS[8:]))
