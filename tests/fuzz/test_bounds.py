"""What hostile bytes may cost, and that every field of every message has its type (H2, H3, H5, H14, P43)."""

from __future__ import annotations

import tracemalloc
from random import Random
from typing import Any

import msgpack
import pytest

from paxoskv.net import codec, peering, protocol
from paxoskv.net.frames import PEER_FRAME_BYTES_MAX, FrameReader, frame
from paxoskv.net.protocol import ProtocolError
from paxoskv.node import config
from paxoskv.node.config import ConfigError
from scripts.fuzz import samples

MESSAGES = [protocol.decode(codec.encode(message)) for message in samples.messages(Random(1))]
WRONG: dict[type, tuple[Any, ...]] = {
    int: (True, -1, 1 << 63, (1 << 64) - 1, 1.0, None, "1", b"1", (1,)),
    bool: (0, 1, None, "true", ()),
    bytes: ("text", None, 1, (), ("a",)),
    tuple: (None, 0, b"", "", {}),
}


def peak_bytes(payload: bytes, items_max: int) -> int:
    """Return how much decoding `payload`, which must be refused, holds at its worst."""
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            protocol.decode(payload, items_max)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("header", [b"\xdd\x00\x00\xff\xff", b"\xdd\x00\x00\x10\x00", b"\xdc\x00\x10", b"\x9f"])
def test_headers_inside_headers_reserve_nothing_for_what_they_claim(header: bytes) -> None:
    """H3. Each of 65,535 claimed items reserves 8 bytes, at every level: 4 KiB of a stranger would cost 500 MB."""
    payload = header * (4096 // len(header))
    assert peak_bytes(payload, protocol.REQUEST_ITEMS_MAX) < 1 << 20


@pytest.mark.parametrize("header", [b"\xdd\x00\x00\xff\xff", b"\xdd\x00\x00\x10\x00", b"\xdc\x00\x10", b"\x9f"])
def test_a_payload_holds_no_more_items_than_bytes(header: bytes) -> None:
    """Whatever the reader allows: what is claimed beyond the payload's own length is refused at once."""
    payload = header * 800
    assert peak_bytes(payload, 1 << 30) < 800 * 8 * len(payload) + (1 << 20)
    with pytest.raises(ProtocolError, match="at most 13 items"):
        protocol.decode(b"\xdd\x00\x00\xff\xff" + b"\x01" * 8, 1 << 30)


def test_an_array_of_more_items_than_allowed_is_refused() -> None:
    """H3: also one that is all there."""
    whole = protocol.encode(*range(17))
    assert len(protocol.decode(whole, 17)) == 17
    for inner in (whole, protocol.encode(1, list(range(17))), protocol.encode(1, dict.fromkeys(map(str, range(17))))):
        with pytest.raises(ProtocolError, match="at most 16 items"):
            protocol.decode(inner, protocol.REQUEST_ITEMS_MAX)


def test_a_request_fits_its_bound() -> None:
    assert all(len(request) <= protocol.REQUEST_ITEMS_MAX for request in samples.requests(Random(1)))


def test_a_card_names_no_more_lives_than_there_can_be_nodes() -> None:
    """H3: the first words of a stranger on the peer port."""
    life = peering.Life("life", 1)
    card = peering.Card("c", 1, "life", "127.0.0.1:1", 2, dict.fromkeys(range(1, 256), life), 1)
    assert peering.decode_card(card.encode()) == card
    too_many = peering.Card("c", 1, "life", "127.0.0.1:1", 2, dict.fromkeys(range(1, 258), life), 1)
    with pytest.raises(ProtocolError, match="at most 256 items"):
        peering.decode_card(too_many.encode())


def test_a_frame_that_comes_byte_by_byte_is_kept_not_copied() -> None:
    """H5: parsing waits for the whole frame, or a slow sender would cost a copy of what is there for every byte."""
    framed = frame(b"x" * 1000)
    reader = FrameReader()
    reader.feed(framed[:9])
    kept = reader._rest
    for byte in framed[9:-1]:
        assert reader.feed(bytes([byte])) == []
        assert reader._rest is kept
    assert reader.feed(framed[-1:]) == [b"x" * 1000]


def test_a_frame_that_is_not_there_yet_holds_what_has_come() -> None:
    """H2: 4 MiB announced are not 4 MiB reserved."""
    tracemalloc.start()
    try:
        reader = FrameReader(PEER_FRAME_BYTES_MAX)
        reader.feed(frame(b"x" * PEER_FRAME_BYTES_MAX)[:1000])
        tracemalloc.reset_peak()
        reader.feed(b"x" * 1000)
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()


def places(tree: Any, path: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], Any]]:
    """Return every part of a tree with where it stands."""
    inner = [places(part, (*path, place)) for place, part in enumerate(tree)] if isinstance(tree, tuple) else []
    return [(path, tree), *(one for part in inner for one in part)]


def replaced(tree: Any, path: tuple[int, ...], part: Any) -> Any:
    """Return `tree` with `part` at `path`."""
    if not path:
        return part
    return tuple(replaced(one, path[1:], part) if at == path[0] else one for at, one in enumerate(tree))


@pytest.mark.parametrize("message", MESSAGES, ids=[type(one).__name__ for one in samples.messages(Random(1))])
def test_no_field_of_a_message_is_of_another_type(message: tuple[Any, ...]) -> None:
    """P43, H14: one part after the other is exchanged for what looks like it."""
    for path, part in places(message)[1:]:
        for wrong in WRONG[type(part)]:
            with pytest.raises(ProtocolError):
                codec.decode(replaced(message, path, wrong))
    for changed in (message[:-1], (*message, 0)):
        with pytest.raises(ProtocolError, match="fields, not"):
            codec.decode(changed)


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000, "0x" + "f" * 5000, "{a=" * 3000, "[0x" + "f" * 5000 + "]"])
def test_a_monstrous_number_or_nesting_in_a_file_is_a_fault_of_the_file(value: str, tmp_path: Any) -> None:
    """H18: found by the fuzzer, which got a ValueError of Python's and a RecursionError."""
    path = tmp_path / "node.toml"
    path.write_text(f"window = {value}\n")
    with pytest.raises(ConfigError, match=r"node\.toml"):
        config.load({}, {}, path)


def test_what_msgpack_calls_an_extension_is_no_data_of_ours() -> None:
    for extension in (msgpack.ExtType(5, b""), msgpack.ExtType(5, b"abc"), msgpack.Timestamp(1)):
        with pytest.raises(ProtocolError):
            protocol.decode(msgpack.packb([1, extension]))
