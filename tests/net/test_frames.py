"""Frames: whole payloads out of any cut of the bytes, and nothing out of bad ones (P32, H1, H2, R21)."""

from __future__ import annotations

import contextlib
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.net.frames import HEADER_BYTES, FrameError, FrameReader, frame


@given(
    st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    st.lists(st.integers(min_value=1, max_value=400), max_size=30),
)
def test_any_cut_of_the_stream_gives_the_same_payloads(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    reader, got = FrameReader(), []
    for size in [*cuts, len(stream) or 1]:
        chunk, stream = stream[:size], stream[size:]
        if chunk:
            got += reader.feed(chunk)
    got += reader.feed(stream) if stream else []
    assert got == payloads


def test_byte_by_byte() -> None:
    """A slow-loris costs patience, not data (H5)."""
    reader, got = FrameReader(), []
    for byte in frame(b"one") + frame(b"two"):
        got += reader.feed(bytes([byte]))
    assert got == [b"one", b"two"]


@pytest.mark.parametrize("length", [0, 4097, 1 << 31, (1 << 32) - 1])
def test_a_length_outside_the_limits_is_refused_from_its_header_alone(length: int) -> None:
    """A frame of 2 GiB is refused before a byte of it is kept (P32, H2)."""
    header = struct.pack(">II", length, 0)
    with pytest.raises(FrameError, match=f"frame length {length} is outside 1..4096"):
        FrameReader().feed(header)
    reader = FrameReader()
    assert reader.feed(header[:4]) == []
    with pytest.raises(FrameError):
        reader.feed(header[4:])


def test_the_limit_can_be_raised_for_a_known_peer() -> None:
    reader = FrameReader()
    reader.frame_bytes_max = 1 << 20
    assert reader.feed(frame(b"x" * 100_000)) == [b"x" * 100_000]


@given(st.binary(min_size=1, max_size=64), st.data())
def test_a_flipped_bit_never_becomes_data(payload: bytes, data: st.DataObject) -> None:
    """Whatever bit flips on the wire: an error, or silence for more bytes, never another payload (R21)."""
    whole = bytearray(frame(payload))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << (bit % 8)
    with contextlib.suppress(FrameError):
        assert FrameReader().feed(bytes(whole)) == []


@given(st.binary(max_size=200))
def test_garbage_raises_frame_errors_only(garbage: bytes) -> None:
    try:
        for payload in FrameReader().feed(garbage):
            assert crc32(payload) == int.from_bytes(garbage[4:8], "big")
    except FrameError:
        pass


def test_the_header_is_what_the_protocol_says() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03" + crc32(b"abc").to_bytes(4, "big") + b"abc"
    assert HEADER_BYTES == 8
