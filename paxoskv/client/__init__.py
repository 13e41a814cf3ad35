"""The asyncio client of a paxoskv cluster.

    async with paxoskv.connect("127.0.0.1:7301,127.0.0.1:7302,127.0.0.1:7303") as kv:
        await kv.put("greeting", "hello")
        print((await kv.get("greeting")).value)

What it does: any number of tasks share one connection, their requests pipelined and written together. It finds the
leader by itself, moves when another one leads, and asks another node when one closes, refuses, or falls silent for a
second (less under a short timeout). Every call ends within the client's timeout, with its result or an error that
says what is known: `paxoskv.errors`.

Exactly once: writes run under a session in the replicated log and carry a number that stays the same on every retry,
so a retried write is applied at most once, whatever fails in between (P25). Reads are simply repeated.

What it never does: repeat a write under a new number while an earlier copy of it may have been applied; report
Unavailable for a write that may have been; send a write again after its caller was cancelled or told its outcome;
keep anything outside the `async with` block, in particular no global state.
A cancelled write is applied once or not at all. An idle client holds one idle connection and no running timer.

Watches go on, each change told once and in order, on whatever node the client is connected to (P29). Leases are
renewed in the background while a block of code runs, and lost by the client's own clock if that fails (P24).

Where to start reading: `client` (connecting), `calls` (a module for each family), `session` (exactly once), `channel`
(sending, retrying, deadlines), `navigator` (which node), `connection` (the bytes): an operation passes through them
in this order. Beside them: `ops` (transactions), `watch` and `streams`, `lease` and `keeper`; on top, `recipes`.
"""

from __future__ import annotations

from paxoskv.client import ops
from paxoskv.client.calls.base import Consistency
from paxoskv.client.calls.transactions import TxnResult
from paxoskv.client.client import Client, connect
from paxoskv.client.codecs import JSON, Codec
from paxoskv.client.events import Batch, Event
from paxoskv.client.lease import Lease
from paxoskv.client.probe import node_status
from paxoskv.client.recipes import (
    Barrier,
    Cache,
    Claim,
    Counter,
    Election,
    Item,
    Lock,
    Queue,
    Registration,
    RWLock,
    Semaphore,
)
from paxoskv.client.results import (
    AppendResult,
    CasResult,
    Continuation,
    CountOfKeys,
    CountResult,
    DeleteRangeResult,
    DeleteResult,
    Entry,
    GetManyResult,
    GetResult,
    GrantResult,
    LeaseInfo,
    PutResult,
    RangeResult,
    RevokeResult,
    WriteResult,
)
from paxoskv.client.store import Store
from paxoskv.client.typed import TypedStore
from paxoskv.client.watch import Watch

__all__ = [
    "JSON",
    "AppendResult",
    "Barrier",
    "Batch",
    "Cache",
    "CasResult",
    "Claim",
    "Client",
    "Codec",
    "Consistency",
    "Continuation",
    "CountOfKeys",
    "CountResult",
    "Counter",
    "DeleteRangeResult",
    "DeleteResult",
    "Election",
    "Entry",
    "Event",
    "GetManyResult",
    "GetResult",
    "GrantResult",
    "Item",
    "Lease",
    "LeaseInfo",
    "Lock",
    "PutResult",
    "Queue",
    "RWLock",
    "RangeResult",
    "Registration",
    "RevokeResult",
    "Semaphore",
    "Store",
    "TxnResult",
    "TypedStore",
    "Watch",
    "WriteResult",
    "connect",
    "node_status",
    "ops",
]
