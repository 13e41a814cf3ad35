"""Rows and checksums (P5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.storage.records import (
    CompactionRecord,
    PeerRecord,
    PromiseRecord,
    Seal,
    VoteRecord,
    claimed_seq,
    damaged_slot,
    decode_compaction,
    decode_peer,
    decode_promise,
    decode_vote,
    encode_compaction,
    encode_peer,
    encode_promise,
    encode_vote,
)

SEAL = Seal("a")
NUMBERS = st.integers(0, (1 << 63) - 1)
RECORD = VoteRecord(7, Vote(Ballot(3, 2), b"some value"), 5, 99)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.binary())
def test_a_vote_comes_back_as_it_was(slot: int, round_: int, node: int, commit: int, seq: int, value: bytes) -> None:
    record = VoteRecord(slot, Vote(Ballot(round_, node), value), commit, seq)
    assert decode_vote(SEAL, encode_vote(SEAL, record)) == record


@pytest.mark.parametrize("column", range(8))
@pytest.mark.parametrize("wrong", [None, 0, 8, -1, 1.5, b"", b"some valuf", "text", (1 << 62)])
def test_any_changed_column_makes_a_vote_damaged(column: int, wrong: object) -> None:
    row = list(encode_vote(SEAL, RECORD))
    row[column] = wrong
    assert decode_vote(SEAL, tuple(row)) is None


@pytest.mark.parametrize("bit", range(80))
def test_any_flipped_bit_of_the_value_makes_a_vote_damaged(bit: int) -> None:
    *numbers, value = encode_vote(SEAL, RECORD)
    flipped = (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")
    assert decode_vote(SEAL, (*numbers, flipped)) is None


def test_a_damaged_row_tells_its_slot_only_if_key_and_copy_agree() -> None:
    row = encode_vote(SEAL, RECORD)
    assert damaged_slot(row[:-1]) == 7
    assert damaged_slot((8, *row[1:])) is None
    assert damaged_slot((7, None, *row[2:])) is None
    assert damaged_slot((0, 0, *row[2:])) is None


def test_rows_of_another_cluster_or_kind_do_not_pass() -> None:
    assert decode_vote(Seal("b"), encode_vote(SEAL, RECORD)) is None
    promise = encode_promise(SEAL, PromiseRecord(Ballot(3, 2), 9))
    assert decode_promise(SEAL, promise) == PromiseRecord(Ballot(3, 2), 9)
    assert decode_promise(Seal("b"), promise) is None
    assert decode_compaction(SEAL, promise) is None
    compaction = encode_compaction(SEAL, CompactionRecord(4, 9))
    assert decode_compaction(SEAL, compaction) == CompactionRecord(4, 9)
    assert decode_promise(SEAL, compaction) is None


def test_a_peer_comes_back_unless_damaged() -> None:
    row = encode_peer(SEAL, 2, PeerRecord("abc", 9))
    assert decode_peer(SEAL, row) == (2, PeerRecord("abc", 9))
    for column, wrong in enumerate((3, b"abd", 8, row[3] + 1)):
        for value in (wrong, None, b"", 1.5):
            assert decode_peer(SEAL, (*row[:column], value, *row[column + 1 :])) is None


def test_a_damaged_row_claims_a_sequence_number_if_it_has_one() -> None:
    row = encode_vote(SEAL, RECORD)
    assert claimed_seq(row) == 99
    for wrong in (None, -1, 1.5, b"99"):
        assert claimed_seq((*row[:5], wrong, *row[6:])) == 0


def test_no_sort_of_row_passes_as_another_whatever_its_length() -> None:
    """P5: the row of a peer can hold the very bytes of a promise or of a compaction, and its checksum."""
    node, text, seq, checksum = encode_peer(SEAL, 2, PeerRecord("8 bytes.", 9))
    payload = node.to_bytes(8, "big") + seq.to_bytes(8, "big") + text
    assert decode_promise(SEAL, (payload, checksum)) is None
    assert decode_compaction(SEAL, (payload[:16], SEAL.checksum(b"peer", payload[:16]))) is None
