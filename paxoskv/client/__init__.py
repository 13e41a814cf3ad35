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

Where to start reading: `client` (the calls), `session` (exactly once), `channel` (sending, retrying, deadlines),
`navigator` (which node), `connection` (the bytes). An operation passes through them in this order.
"""

from __future__ import annotations

from paxoskv.client.client import Client, Consistency, connect
from paxoskv.client.probe import node_status
from paxoskv.client.results import CasResult, DeleteResult, Entry, GetResult, PutResult, RangeResult

__all__ = [
    "CasResult",
    "Client",
    "Consistency",
    "DeleteResult",
    "Entry",
    "GetResult",
    "PutResult",
    "RangeResult",
    "connect",
    "node_status",
]
