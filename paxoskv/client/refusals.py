"""What the state machine refuses, in the words of errors."""

from __future__ import annotations

from typing import Any

from paxoskv.errors import (
    FutureRevision,
    LeaseNotFound,
    NotANumber,
    NumberOverflow,
    PaxoskvError,
    Refused,
    TooLarge,
    TooManyLeaseKeys,
    TooManyLeases,
)
from paxoskv.kv import replies

REFUSALS: dict[int, tuple[type[Refused | TooLarge], str]] = {
    replies.LEASE_NOT_FOUND: (LeaseNotFound, "the lease does not exist: it expired, was revoked, or never was"),
    replies.TOO_MANY_LEASES: (TooManyLeases, "the store has no room for another lease: revoke some"),
    replies.TOO_MANY_LEASE_KEYS: (TooManyLeaseKeys, "the lease holds as many keys as it may: use another one"),
    replies.NOT_A_NUMBER: (NotANumber, "the value is not the decimal text of a signed number of 64 bits"),
    replies.NUMBER_OVERFLOW: (NumberOverflow, "the sum does not fit in a signed number of 64 bits"),
    replies.VALUE_TOO_LARGE: (TooLarge, "the value would grow beyond its limit"),
    replies.TOO_MANY_KEYS: (TooLarge, "the write would look at more keys than one may: do it in pieces"),
    replies.REPLY_TOO_LARGE: (TooLarge, "the records asked for are too large for one reply: read them without writing"),
    replies.FUTURE_REVISION: (FutureRevision, "the revision does not exist yet"),
}
"""Reply code -> error and message."""


def refused(reply: tuple[Any, ...]) -> PaxoskvError:
    """Return the error for `(code, revision, slot)`, or of a transaction `(code, revision, slot, operation)`."""
    kind, message = REFUSALS[reply[0]]
    operation = reply[3] if len(reply) > 3 else None
    if issubclass(kind, Refused):
        return kind(message, operation)
    return kind(message if operation is None else f"{message} (operation {operation} of the transaction)")
