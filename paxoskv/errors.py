"""What can go wrong for a caller, typed by what the caller must do about it.

    BadRequest       the request is wrong: correct it; trying again will not help
    TooLarge         the same, because a limit is exceeded
    Unavailable      surely not applied: try again later
    DiskFull         the same, because a node that should lead has no space left: make room there
    Overloaded       surely not applied: try again after `retry_after_s`
    OutcomeUnknown   perhaps applied: find out by reading before the next step
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


class ProtocolMismatch(PaxoskvError):
    """Something listens at the endpoint, but not the client port of a node of this cluster."""


class InternalError(PaxoskvError):
    """A node answered what a correct client and a correct node never make together: a bug, please report it."""
