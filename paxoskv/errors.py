"""What can go wrong for a caller, typed by what the caller must do about it.

    BadRequest       the request is wrong: correct it; trying again will not help
    TooLarge         the same, because a limit is exceeded
    Unavailable      surely not applied: try again later
    DiskFull         the same, because a node that should lead has no space left: make room there
    Overloaded       surely not applied: try again after `retry_after_s`
    OutcomeUnknown   perhaps applied: find out by reading before the next step
    Refused          what the store holds does not allow it, and nothing was applied: look at the kind
    Compacted        the history does not reach back so far: begin anew from the present
    LeaseLost        what was held under a lease is held no more: stop what relied on it
    GuardFailed      the same, found by the store when it refused a guarded write
    ProtocolMismatch what listens at the endpoint is no node of ours: correct the endpoint
    InternalError    a bug in paxoskv: report it

A wrong Python type for a key or a value is a TypeError, use of a closed client a RuntimeError: bugs of the caller.
"""

from __future__ import annotations


class PaxoskvError(Exception):
    """Base of all errors below."""


class BadRequest(PaxoskvError):
    """The request can never succeed as it is; nothing was applied."""


class TooLarge(BadRequest):
    """A key, a value or a range exceeds a limit; nothing was applied."""


class Unavailable(PaxoskvError):
    """No node could serve the request in time: no leader, no quorum, or no node reachable. Surely not applied."""


class DiskFull(Unavailable):
    """No leader was to be found, and the node that was asked has a full disk; the message names it."""


class Overloaded(PaxoskvError):
    """The cluster had too much to do for as long as the caller was ready to wait. Surely not applied.

    retry_after_s: the node's advice, in seconds.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(PaxoskvError):
    """The write left for a node and no final answer came: it was applied once, or never was, or it still will be.

    The client has retried under the same session and sequence number until the deadline, so it is applied at most
    once (P25). Calling the method again would be a new write.
    """


class SessionExpired(OutcomeUnknown):
    """The same, because the client was silent for so long that the store forgot its session meanwhile (P25)."""


class Refused(PaxoskvError):
    """The request is well-formed, but what the store holds does not allow it; nothing was applied.

    operation: in a transaction the one that was refused, counted from 0 in the order of execution, nested ones and
    what contains them included; -1 if it was the compares. None outside a transaction.
    """

    def __init__(self, message: str, operation: int | None = None) -> None:
        super().__init__(message if operation is None else f"{message} (operation {operation} of the transaction)")
        self.operation = operation


class LeaseNotFound(Refused):
    """There is no such lease: it expired, was revoked, or never was. Grant another one."""


class TooManyLeases(Refused):
    """The store has no room for another lease until one expires or is revoked."""


class TooManyLeaseKeys(Refused):
    """The lease holds as many keys as one may: attach further ones to another lease."""


class NotANumber(Refused):
    """The value to be incremented is not the decimal text of a signed number of 64 bits."""


class NumberOverflow(Refused):
    """The sum does not fit in a signed number of 64 bits."""


class FutureRevision(Refused):
    """The revision does not exist yet."""


class Compacted(PaxoskvError):
    """The history of the store does not reach back so far.

    revision: the oldest one that can still be read; a watch may begin after it.
    """

    def __init__(self, message: str, revision: int) -> None:
        super().__init__(message)
        self.revision = revision


class LeaseLost(PaxoskvError):
    """A lease ran out, or may have: what was held under it, a lock for instance, may be somebody else's by now."""


class GuardFailed(LeaseLost):
    """The store refused a write because its guard does not hold any more; nothing was applied (P27)."""


class ProtocolMismatch(PaxoskvError):
    """Something listens at the endpoint, but not the client port of a node of this cluster."""


class InternalError(PaxoskvError):
    """A node answered what a correct client and a correct node never make together: a bug, please report it."""
