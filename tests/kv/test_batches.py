"""The value of a slot: what is encoded comes back, and nothing unreadable is ever skipped (P35)."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paxoskv.kv.commands import BATCH_FORMAT, NUMBER_MAX, BadBatch, Batch, decode_batch, encode_batch


@settings(deadline=None)
@given(st.integers(0, NUMBER_MAX), st.lists(st.binary(max_size=40), max_size=20))
@example(0, [])
@example(5, [])
@example(1, [b"c"] * 4096)
def test_a_batch_comes_back(elapsed_ms: int, encoded: list[bytes]) -> None:
    """Its commands are opaque: any bytes, none included."""
    assert decode_batch(encode_batch(elapsed_ms, encoded)) == Batch(elapsed_ms, tuple(encoded))


def test_the_no_op_is_an_empty_batch() -> None:
    """The value a new leader puts in a gap (P13)."""
    assert decode_batch(b"") == Batch(0, ())


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ((), "newer version"),
        ((BATCH_FORMAT + 1, 0, []), "newer version"),
        ((BATCH_FORMAT + 1, 0, [], "more"), "newer version"),
        ((True, 0, []), "newer version"),
        ((None, 0, []), "newer version"),
        ((BATCH_FORMAT,), "3 fields, not 1"),
        ((BATCH_FORMAT, 0, [], 0), "3 fields, not 4"),
        ((BATCH_FORMAT, -1, []), "elapsed time"),
        ((BATCH_FORMAT, NUMBER_MAX + 1, []), "elapsed time"),
        ((BATCH_FORMAT, True, []), "elapsed time"),
        ((BATCH_FORMAT, 0.5, []), "elapsed time"),
        ((BATCH_FORMAT, 0, b"c"), "array of bytes"),
        ((BATCH_FORMAT, 0, None), "array of bytes"),
        ((BATCH_FORMAT, 0, [b"c", "c"]), "array of bytes"),
        ((BATCH_FORMAT, 0, [b"c", [b"c"]]), "array of bytes"),
    ],
)
def test_a_batch_of_another_shape_is_refused(fields: tuple[Any, ...], complaint: str) -> None:
    """P35: the message tells a newer version from damage where it can."""
    with pytest.raises(BadBatch, match=complaint):
        decode_batch(msgpack.packb(fields))


@settings(deadline=None, max_examples=300)
@given(st.binary(min_size=1, max_size=40))
@example(b"\x93\x01\x00")
@example(b"\x93\x01\x00\x90\x00")
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\x91" * 10_000)
@example(msgpack.packb({1: 0}))
@example(msgpack.packb("text"))
def test_garbage_raises_nothing_but_bad_batch(garbage: bytes) -> None:
    """Random bytes that do make a batch encode to the same one again."""
    try:
        batch = decode_batch(garbage)
    except BadBatch:
        return
    assert decode_batch(encode_batch(*batch)) == batch


def test_log_time_never_goes_back() -> None:
    """An invariant of the leader, held where the batch is made."""
    with pytest.raises(AssertionError, match="-1 ms"):
        encode_batch(-1, [])
