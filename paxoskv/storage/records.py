"""Rows of the journal and their checksums. Pure.

Every row carries a 64-bit keyed hash of all that is in it; the key is the cluster's id, so that a row of another
cluster is as wrong as a damaged one. SQLite itself does not notice a flipped bit in a table page (P5).
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any, NamedTuple

from paxoskv.paxos.ballot import Ballot, Slot, Vote

CHECKSUM_BYTES = 8

_VOTE_HEADER = struct.Struct(">5q")
_PROMISE = struct.Struct(">3q")
_COMPACTION = struct.Struct(">2q")
_PEER = struct.Struct(">2q")

Row = tuple[Any, ...]
"""Columns as they come from SQLite: nothing about them is known before they are checked."""


class Seal:
    """Makes and compares the checksums of one cluster's rows.

    kind: separates the sorts of rows, so that none passes as another.
    """

    def __init__(self, cluster: str) -> None:
        self._base = blake2b(digest_size=CHECKSUM_BYTES, key=blake2b(cluster.encode(), digest_size=32).digest())

    def checksum(self, kind: bytes, header: bytes, body: bytes = b"") -> int:
        """Return the checksum as SQLite stores it: signed, 64 bit. `header` has a fixed length for its kind."""
        digest = self._base.copy()
        digest.update(kind)
        digest.update(header)
        digest.update(body)
        return int.from_bytes(digest.digest(), "big", signed=True)


class VoteRecord(NamedTuple):
    """A vote with what rides in its row.

    commit_slot: every slot up to it held its chosen value when this row was durable.
    seq: the journal's sequence number of the transaction (P4).
    """

    slot: Slot
    vote: Vote
    commit_slot: Slot
    seq: int


class PromiseRecord(NamedTuple):
    """The promise, and the sequence number of its transaction."""

    ballot: Ballot
    seq: int


class CompactionRecord(NamedTuple):
    """Slots up to `slot` were removed on purpose; `seq` as in a vote."""

    slot: Slot
    seq: int


class PeerRecord(NamedTuple):
    """What is known of a peer: its incarnation, and the highest sequence number that one was seen to announce (P4)."""

    incarnation: str
    seq: int


VOTE_COLUMNS = "slot, slot_copy, round, node, commit_slot, seq, checksum, value"
VOTE_COLUMN_COUNT = 8


def encode_vote(seal: Seal, record: VoteRecord) -> Row:
    """Return the columns VOTE_COLUMNS of a vote."""
    slot, (ballot, value), commit_slot, seq = record
    header = _VOTE_HEADER.pack(slot, ballot.round, ballot.node, commit_slot, seq)
    checksum = seal.checksum(b"vote", header, value)
    return slot, slot, ballot.round, ballot.node, commit_slot, seq, checksum, value


def decode_vote(seal: Seal, row: Row) -> VoteRecord | None:
    """Return the vote in a row of VOTE_COLUMNS, None if the row is damaged."""
    slot, slot_copy, round_, node, commit_slot, seq, checksum, value = row
    if slot != slot_copy or type(value) is not bytes or any(type(number) is not int for number in row[:-1]):
        return None
    if checksum != seal.checksum(b"vote", _VOTE_HEADER.pack(slot, round_, node, commit_slot, seq), value):
        return None
    return VoteRecord(slot, Vote(Ballot(round_, node), value), commit_slot, seq)


def damaged_slot(row: Row) -> Slot | None:
    """Return the slot a damaged row belongs to, None if that is unknown.

    The key of a row can be what is damaged; its copy tells. Unknown, the row could hide a vote of any slot.
    """
    slot, slot_copy = row[:2]
    return slot if type(slot) is int and slot > 0 and slot == slot_copy else None


def claimed_seq(row: Row) -> int:
    """Return the sequence number in a damaged row, unchecked; 0 if there is none."""
    seq = row[5]
    return seq if type(seq) is int and seq > 0 else 0


def encode_promise(seal: Seal, record: PromiseRecord) -> Row:
    """Return (payload, checksum)."""
    payload = _PROMISE.pack(record.ballot.round, record.ballot.node, record.seq)
    return payload, seal.checksum(b"promise", payload)


def decode_promise(seal: Seal, row: Row) -> PromiseRecord | None:
    """Return the promise in (payload, checksum), None if the row is damaged."""
    payload = checked_payload(seal, b"promise", row)
    if payload is None or len(payload) != _PROMISE.size:
        return None
    round_, node, seq = _PROMISE.unpack(payload)
    return PromiseRecord(Ballot(round_, node), seq)


def encode_compaction(seal: Seal, record: CompactionRecord) -> Row:
    """Return (payload, checksum)."""
    payload = _COMPACTION.pack(record.slot, record.seq)
    return payload, seal.checksum(b"compaction", payload)


def decode_compaction(seal: Seal, row: Row) -> CompactionRecord | None:
    """Return the record in (payload, checksum), None if the row is damaged."""
    payload = checked_payload(seal, b"compaction", row)
    if payload is None or len(payload) != _COMPACTION.size:
        return None
    return CompactionRecord(*_COMPACTION.unpack(payload))


def encode_peer(seal: Seal, node: int, peer: PeerRecord) -> Row:
    """Return (node, incarnation, seq, checksum)."""
    text = peer.incarnation.encode()
    return node, text, peer.seq, seal.checksum(b"peer", _PEER.pack(node, peer.seq), text)


def decode_peer(seal: Seal, row: Row) -> tuple[int, PeerRecord] | None:
    """Return the node and what is known of it, None if the row is damaged."""
    node, text, seq, checksum = row
    if type(node) is not int or type(text) is not bytes or type(seq) is not int:
        return None
    if checksum != seal.checksum(b"peer", _PEER.pack(node, seq), text):
        return None
    return node, PeerRecord(text.decode(), seq)


def checked_payload(seal: Seal, kind: bytes, row: Row) -> bytes | None:
    """Return the payload of (payload, checksum) if it is whole, else None."""
    payload, checksum = row
    if type(payload) is not bytes or checksum != seal.checksum(kind, payload):
        return None
    return payload
