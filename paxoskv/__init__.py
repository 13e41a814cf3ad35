"""paxoskv: a strongly consistent, replicated key-value store.

    async with paxoskv.connect("127.0.0.1:7301,127.0.0.1:7302,127.0.0.1:7303") as kv:
        await kv.put("greeting", "hello")

Without an event loop, `paxoskv.sync` is the same:

    with paxoskv.sync.connect("127.0.0.1:7301,127.0.0.1:7302,127.0.0.1:7303") as kv:
        kv.put("greeting", "hello")

This page exports what a program that uses a cluster needs: the client (`paxoskv.client`) and its errors
(`paxoskv.errors`). The server is `paxoskv.node`, started by the command `paxoskv`.
"""

from __future__ import annotations

from paxoskv import sync
from paxoskv.client import (
    CasResult,
    Client,
    Consistency,
    DeleteResult,
    Entry,
    GetResult,
    PutResult,
    RangeResult,
    connect,
    node_status,
)
from paxoskv.errors import (
    BadRequest,
    DiskFull,
    InternalError,
    OutcomeUnknown,
    Overloaded,
    PaxoskvError,
    ProtocolMismatch,
    TooLarge,
    Unavailable,
)

__version__ = "0.1.0"

__all__ = [
    "BadRequest",
    "CasResult",
    "Client",
    "Consistency",
    "DeleteResult",
    "DiskFull",
    "Entry",
    "GetResult",
    "InternalError",
    "OutcomeUnknown",
    "Overloaded",
    "PaxoskvError",
    "ProtocolMismatch",
    "PutResult",
    "RangeResult",
    "TooLarge",
    "Unavailable",
    "__version__",
    "connect",
    "node_status",
    "sync",
]
