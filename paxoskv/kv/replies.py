"""What the state machine answers: plain tuples of atoms, which travel as they are.

A reply is `(code, revision, slot, ...)`; more fields may follow in later versions.

    put, cas         (APPLIED, revision, slot)
    delete           (APPLIED, revision, slot, deleted)          deleted: 1 if the key existed, else 0
    open_session     (APPLIED, revision, slot, session)          session: the id of the new session, from 1
    close_session    (APPLIED, revision, slot)
    cas, put_with    (COMPARE_FAILED, revision, slot, record)    record: the present one, None if the key is absent
    incr             (APPLIED, revision, slot, number)           number: the one that the key holds now
    append           (APPLIED, revision, slot, length)           length: of the value in bytes
    put_with         (APPLIED, revision, slot, record)           record: the previous one if it was asked for, or None
    delete_range     (APPLIED, revision, slot, deleted, more, records)   records: ((key, record), ...), if asked for
    txn              (APPLIED, revision, slot, succeeded, results)       see `paxoskv.kv.operations`
    grant            (APPLIED, revision, slot, lease, ttl_ms)    lease: the id of the new lease, from 1
    keep_alive       (APPLIED, revision, slot, ttls_ms)          one for each lease asked; 0: there is no such lease
    revoke           (APPLIED, revision, slot, deleted)          deleted: how many keys the lease held
    extend           (APPLIED, revision, slot, leases)           leases: how many there are
    compact          (APPLIED, revision, slot)
    any refusal      (code, revision, slot)                      nothing was changed
    refused txn      (code, revision, slot, index)               index: of the operation; -1: it was the compares

revision: of the store right after the command. slot: where the command was first applied; a retry is told the same.
"""

from __future__ import annotations

from typing import Any

Reply = tuple[Any, ...]

BARE_ITEMS = 3
"""A reply that has no more than code, revision and slot."""


class Refused(Exception):
    """The state does not allow what a command asks: it changes nothing. code: the reply's, from this module."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with reply code {code}")
        self.code = code


APPLIED = 0
COMPARE_FAILED = 1
"""The condition of a cas did not hold: nothing changed. An outcome like APPLIED: it is kept for retries."""
SESSION_EXPIRED = 2
"""The session does not exist: it expired, was closed, or never was. An earlier copy of the write may have run."""
SEQ_ACKNOWLEDGED = 3
"""The client has confirmed the reply of this number, so this is a late copy."""
TOO_MANY_REPLIES = 4
"""The session keeps as many replies as it may: the client has to confirm some. A later retry may run."""
TOO_MANY_SESSIONS = 5
"""No room for another session until one is closed or expires."""

LEASE_NOT_FOUND = 6
"""The lease does not exist: it expired, was revoked, or never was."""
TOO_MANY_LEASES = 7
"""No room for another lease until one is revoked or expires."""
TOO_MANY_LEASE_KEYS = 8
"""The lease holds as many keys as it may."""
NOT_A_NUMBER = 9
"""The value to be incremented is not the decimal text of a signed number of 64 bits."""
NUMBER_OVERFLOW = 10
"""The sum would not fit in a signed number of 64 bits."""
VALUE_TOO_LARGE = 11
"""The value would grow beyond its limit."""
TOO_MANY_KEYS = 12
"""The command would have to look at more keys than one may: ask for less, or in pieces."""
REPLY_TOO_LARGE = 13
"""The records asked for are more than the reply of a write may hold: read them without writing."""
FUTURE_REVISION = 14
"""The revision to compact up to does not exist yet."""


def held_bytes(reply: Reply) -> int:
    """Return how many bytes of keys and values a reply holds on to."""
    size_bytes = 0
    for part in reply:
        if type(part) is bytes:
            size_bytes += len(part)
        elif type(part) is tuple:
            size_bytes += held_bytes(part)
    return size_bytes
