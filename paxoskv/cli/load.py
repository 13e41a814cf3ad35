"""One load process of `paxoskv bench`: many clients in closed loops, each on a connection of its own.

It reads a job as one line of JSON on stdin and answers `"ready"` when all clients are connected; the next line holds
the time at which to start, of the machine's monotonic clock. The results are one more line. End of input ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from paxoskv.cli.histogram import Histogram
from paxoskv.client import Client, connect
from paxoskv.errors import PaxoskvError

CONNECTING_MAX = 50
"""Connections being made at a time, so that no listen queue overflows."""

PAUSE_AFTER_ERROR_S = 0.01
_STAMP_BYTES = 8


@dataclass(frozen=True, slots=True)
class Job:
    """What one load process does. op: put or get. seconds follow warmup_s, in which nothing is counted."""

    endpoints: str
    op: str
    clients: int
    seconds: float
    warmup_s: float
    value_bytes: int
    keys: int
    timeout_s: float
    seed: int

    def key(self, number: int) -> bytes:
        """Return one of the keys."""
        return b"bench/%08d" % number


@dataclass(slots=True)
class Tally:
    """What the clients of one process did. errors: counts by kind. ended_s: when the last operation ended."""

    histogram: Histogram = field(default_factory=Histogram)
    errors: Counter[str] = field(default_factory=Counter)
    ended_s: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return the results for the parent."""
        return {
            "counts": self.histogram.counts,
            "max_ns": self.histogram.max_ns,
            "errors": self.errors,
            "ended_s": self.ended_s,
        }


class Gate:
    """Lets all clients start together."""

    def __init__(self, clients: int) -> None:
        self.connecting = asyncio.Semaphore(CONNECTING_MAX)
        self.all_connected = asyncio.Event()
        self.start_s: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._missing = clients

    async def pass_through(self) -> float:
        """Report one client ready, wait for the start, and return its time."""
        self._missing -= 1
        if not self._missing:
            self.all_connected.set()
        return await asyncio.shield(self.start_s)


async def run_client(job: Job, number: int, gate: Gate, tally: Tally) -> None:
    """Connect, wait for the others, then do one operation after the other until the time is over.

    Raises: PaxoskvError if it cannot connect.
    """
    random = Random(f"{job.seed}/{number}")
    async with AsyncExitStack() as stack:
        async with gate.connecting:
            kv = await stack.enter_async_context(connect(job.endpoints, timeout_s=job.timeout_s))
        operation = _operation(job, kv, random)
        start_ns = round(await gate.pass_through() * 1e9)
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


def _operation(job: Job, kv: Client, random: Random) -> Callable[[], Awaitable[Any]]:
    """Return what one client does over and over: random keys, and values that never come twice."""
    if job.op == "get":
        return lambda: kv.get(job.key(random.randrange(job.keys)))
    filler = os.urandom(job.value_bytes)

    def put() -> Awaitable[Any]:
        value = random.randbytes(min(_STAMP_BYTES, job.value_bytes)) + filler[_STAMP_BYTES:]
        return kv.put(job.key(random.randrange(job.keys)), value)

    return put


async def run_job(job: Job) -> Tally:
    """Run all clients of `job`, in step with the parent. Raises: PaxoskvError if a client cannot connect."""
    gate, tally = Gate(job.clients), Tally()
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(job.clients):
                group.create_task(run_client(job, number, gate, tally))
            group.create_task(_keep_step(gate))
    except ExceptionGroup as failures:
        known = failures.subgroup(PaxoskvError)
        if known is None:
            raise
        raise known.exceptions[0] from None
    return tally


async def _keep_step(gate: Gate) -> None:
    """Tell the parent that all are connected, and pass its answer on."""
    await gate.all_connected.wait()
    _say("ready")
    line = await asyncio.to_thread(sys.stdin.readline)
    if not line:
        raise EOFError("the parent of this load process is gone")
    gate.start_s.set_result(float(json.loads(line)))


def _say(document: Any) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do the job on stdin; an error of the cluster is a document like the results."""
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
