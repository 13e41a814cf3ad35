"""The tables of the journal. A change here is a new format (`identity.FORMAT`)."""

from __future__ import annotations

META = "CREATE TABLE meta(name TEXT PRIMARY KEY, payload BLOB, checksum INTEGER) WITHOUT ROWID"
"""Rows `identity`, `promise` and `compaction`, all there from birth."""

PEERS = "CREATE TABLE peers(node INTEGER PRIMARY KEY, incarnation BLOB, seq INTEGER, checksum INTEGER)"
"""`seq`: the highest sequence number of that incarnation that was seen; written at a low rate (P4)."""

VOTES = (
    "CREATE TABLE votes(slot INTEGER PRIMARY KEY, slot_copy INTEGER, round INTEGER, node INTEGER, "
    "commit_slot INTEGER, seq INTEGER, checksum INTEGER, value BLOB)"
)
"""`commit_slot` and `seq` ride in every row, so that one statement is one transaction and one hop to the thread."""

TABLES = (META, PEERS, VOTES)

PEER_COLUMNS = "node, incarnation, seq, checksum"
DROP_PEER = "DELETE FROM peers WHERE node = ? AND checksum IS ?"

SAVE_META = "INSERT OR REPLACE INTO meta(name, payload, checksum) VALUES (?, ?, ?)"
