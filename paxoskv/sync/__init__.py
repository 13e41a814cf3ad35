"""The blocking client of a paxoskv cluster, for programs without an event loop.

    with paxoskv.sync.connect("127.0.0.1:7301,127.0.0.1:7302,127.0.0.1:7303") as kv:
        kv.put("greeting", "hello")
        print(kv.get("greeting").value)

It is the asyncio client (`paxoskv.client`) with another face: the same names, arguments, results and errors. All
clients of a process share one event loop, on a thread that begins with the first client and ends with the last one.
Any number of threads may share a client; their requests are pipelined on its one connection.

Ctrl-C, or any other signal whose handler raises, ends a call that waits: a request that has not left by then never
leaves, a write that has left is applied once or not at all, and the client stays usable. A forked child makes clients
of its own; those of its parent refuse to work in it. Until the child ends or replaces its program, it holds the
parent's connections open.

What it never does: read ahead of an iteration, or call anything of the program's from its own thread.

Where to start reading: `store` and `recipes` (a line per call), `facade` (how a coroutine becomes a call), `thread`
(the loop).
"""

from __future__ import annotations

from paxoskv.sync.client import Client, connect, node_status
from paxoskv.sync.recipes import (
    Barrier,
    Cache,
    Claim,
    Counter,
    Election,
    Lock,
    Queue,
    Registration,
    RWLock,
    Semaphore,
)
from paxoskv.sync.store import Lease, Lost, Store, TypedStore, Watch

__all__ = [
    "Barrier",
    "Cache",
    "Claim",
    "Client",
    "Counter",
    "Election",
    "Lease",
    "Lock",
    "Lost",
    "Queue",
    "RWLock",
    "Registration",
    "Semaphore",
    "Store",
    "TypedStore",
    "Watch",
    "connect",
    "node_status",
]
