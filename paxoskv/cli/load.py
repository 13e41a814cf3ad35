"""One load process of `paxoskv bench`: many clients in closed loops, several of them on one connection.

It reads a job as one line of JSON on stdin and answers `"ready"` when all clients are connected; the next line holds
the time at which to start, of the machine's monotonic clock. The results are one more line. End of input ends it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from paxoskv.cli import watchers, workloads
from paxoskv.cli.histogram import Tally
from paxoskv.cli.workloads import Keys
from paxoskv.client import Client, connect
from paxoskv.errors import PaxoskvError

CONNECTING_MAX = 50
"""Connections being made at a time."""

PAUSE_AFTER_ERROR_S = 0.01

GC_THRESHOLDS = (50_000, 20, 50)
"""Rarer collections: they would take from the nodes on the same machine half of what it costs to be told an event."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one load process does. seconds follow warmup_s, in which nothing is counted.

    op: one of `workloads.OPERATIONS`, or of `watchers.KINDS`. connections: at most as many as clients; each is one
    client object, shared by tasks.
    """

    endpoints: str
    op: str
    clients: int
    connections: int
    seconds: float
    warmup_s: float
    value_bytes: int
    keys: int
    timeout_s: float
    seed: int


async def run_client(job: Job, number: int, kv: Client, start_s: float, tally: Tally) -> None:
    """Wait for the start, then do one operation after the other until the time is over."""
    make = workloads.OPERATIONS[job.op]
    operation = make(kv, Keys(job.keys), Random(f"{job.seed}/{number}"), job.value_bytes)
    start_ns = round(start_s * 1e9)
    await asyncio.sleep((start_ns - time.monotonic_ns()) / 1e9 - job.warmup_s)
    await _loop(operation, start_ns, start_ns + round(job.seconds * 1e9), tally)


async def _loop(operation: Callable[[], Awaitable[Any]], start_ns: int, end_ns: int, tally: Tally) -> None:
    """Repeat `operation` until `end_ns`. The latency of a failed one counts in the maximum alone."""
    began_ns = time.monotonic_ns()
    while began_ns < end_ns:
        error = None
        try:
            await operation()
        except PaxoskvError as caught:
            error = type(caught).__name__
        now_ns = time.monotonic_ns()
        if began_ns >= start_ns:
            if error is None:
                tally.histogram.record(now_ns - began_ns)
            else:
                tally.errors[error] += 1
                tally.histogram.merge({}, now_ns - began_ns)
            tally.ended_s = now_ns / 1e9
        if error is not None:
            await asyncio.sleep(PAUSE_AFTER_ERROR_S)
            now_ns = time.monotonic_ns()
        began_ns = now_ns


async def run_job(job: Job) -> Tally:
    """Run all clients of `job`, in step with the parent. Raises: PaxoskvError if a client cannot connect."""
    tally = Tally()
    async with AsyncExitStack() as stack:
        connections = await _connect(job, stack)
        if job.op in watchers.KINDS:
            watches = [connections[number % job.connections] for number in range(job.clients)]
            await watchers.run(job.op, watches, Keys(job.keys), _keep_step, job.seconds, tally)
            return tally
        start_s = await _keep_step()
        async with asyncio.TaskGroup() as group:
            for number in range(job.clients):
                kv = connections[number % job.connections]
                group.create_task(run_client(job, number, kv, start_s, tally))
    return tally


async def _connect(job: Job, stack: AsyncExitStack) -> list[Client]:
    """Make all connections, some at a time, so that no listen queue overflows. Raises: PaxoskvError."""
    connections: list[Client] = []
    while len(connections) < job.connections:
        some = [connect(job.endpoints, timeout_s=job.timeout_s) for _ in range(CONNECTING_MAX)]
        some = some[: job.connections - len(connections)]
        connections += await asyncio.gather(*(stack.enter_async_context(kv) for kv in some))
    return connections


async def _keep_step() -> float:
    """Tell the parent that all are connected, and return its answer: when to start."""
    _say("ready")
    line = await asyncio.to_thread(sys.stdin.readline)
    if not line:
        raise EOFError("the parent of this load process is gone")
    return float(json.loads(line))


def _say(document: Any) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do the job on stdin; an error of the cluster is a document like the results."""
    gc.set_threshold(*GC_THRESHOLDS)
    job = Job(**json.loads(sys.stdin.readline()))
    try:
        _say(_runner()(run_job(job)).document())
    except PaxoskvError as error:
        _say({"error": str(error)})


def _runner() -> Callable[..., Tally]:
    """Return uvloop's runner where it is installed, asyncio's elsewhere."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    runner: Callable[..., Tally] = uvloop.run
    return runner


def job_line(job: Job) -> bytes:
    """Return the line that gives `job` to a process."""
    return json.dumps(asdict(job)).encode() + b"\n"


if __name__ == "__main__":
    main()
