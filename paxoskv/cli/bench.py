"""`bench`: closed-loop load from several processes, and what the clients saw of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import click

from paxoskv.cli.burden import live_leases
from paxoskv.cli.failures import BUG, DONE, UNAVAILABLE, Failure
from paxoskv.cli.histogram import Histogram
from paxoskv.cli.load import Job, job_line
from paxoskv.cli.options import ClientOptions, Seconds, client_options
from paxoskv.cli.output import print_document
from paxoskv.cli.workloads import OPERATIONS, STAMP_BYTES, Keys
from paxoskv.client import connect
from paxoskv.client.endpoints import parse_endpoints

CLIENTS_PER_PROCESS = 64
CLIENTS_PER_CONNECTION = 8
"""As a program does that has many tasks and one client object."""

WATCHERS = 100
WATCHERS_PER_CONNECTION = 100

HEAD_START_S = 0.1
"""Time for the start signal to reach every process."""

PRELOADING_MAX = 256
_LINE_BYTES_MAX = 1 << 22


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run. loads: one job per load process. watching: the job of the process with the watchers, if any.

    leases: how many live meanwhile. is_told: what is measured is what watchers are told, not the load itself.
    """

    loads: Sequence[Job]
    watching: Job | None
    leases: int
    is_told: bool


@click.command("bench")
@click.option("--op", type=click.Choice([*OPERATIONS, "watch"]), required=True, help="What every client does.")
@click.option("--clients", type=click.IntRange(1, 10_000), default=64, help="Clients, each in a closed loop (64).")
@click.option(
    "--connections", type=click.IntRange(1, 10_000), default=None, help="Shared by the clients (one per 8 clients)."
)
@click.option("--seconds", type=Seconds(0.1, 86_400), default=10.0, metavar="S", help="How long (10).")
@click.option("--value-size", type=click.IntRange(0, 1 << 20), default=256, metavar="B", help="Bytes a value (256).")
@click.option("--processes", type=click.IntRange(1, 64), default=None, help="Load processes (one per 64 clients).")
@click.option("--keys", type=click.IntRange(1, 1_000_000), default=10_000, help="Different keys (10,000).")
@click.option("--warmup", type=Seconds(0, 3600), default=1.0, metavar="S", help="Uncounted seconds before (1).")
@click.option(
    "--watchers",
    type=click.IntRange(0, 10_000),
    default=None,
    help="Watchers meanwhile, of one key each; with --op watch (100), of all keys.",
)
@click.option("--leases", type=click.IntRange(0, 50_000), default=0, help="Leases that live meanwhile (0).")
@client_options(timeout_s=30.0)
def bench_command(
    client: ClientOptions,
    op: str,
    clients: int,
    connections: int | None,
    seconds: float,
    value_size: int,
    processes: int | None,
    keys: int,
    warmup: float,
    watchers: int | None,
    leases: int,
) -> int:
    """Measure operations per second and latencies; clients retry through failures, and latencies include that.

    The keys are named bench/...; max_ms shows the longest gap that any client saw. A txn compares three keys and sets
    them; lease grants one and revokes it. With watch, clients put, and an operation is a change that a watcher is told:
    its latency counts from before the put, so choose few clients to measure delays, many to measure what goes through.

    \b
      paxoskv bench --op put --clients 64
      paxoskv bench --op put --watchers 1000       with so many watchers
      paxoskv bench --op put --leases 10000        with so many live leases
      paxoskv bench --op txn
      paxoskv bench --op watch --watchers 100 --clients 8
    """
    is_told = op == "watch"
    if is_told and value_size < STAMP_BYTES:
        raise click.UsageError(f"--op watch needs values of at least {STAMP_BYTES} bytes: they tell their time.")
    endpoints = parse_endpoints(client.endpoints)
    sharing = min(clients, connections or max(processes or 1, -(-clients // CLIENTS_PER_CONNECTION)))
    count = min(sharing, processes or _processes(clients))
    load = "put" if is_told else op
    job = Job(client.endpoints, load, clients, sharing, seconds, warmup, value_size, keys, client.timeout_s, seed=0)
    watching = _watching(job, is_told, WATCHERS if watchers is None and is_told else watchers or 0)
    results = asyncio.run(_run(Plan(_shares(job, count), watching, leases, is_told)))
    document = {"op": op, "clients": clients, **results, "value_size": value_size, "nodes": len(endpoints)}
    document |= {"processes": count, "connections": sharing, "keys": keys, "leases": leases}
    if client.as_json:
        print_document(document)
    else:
        click.echo(_text(document))
    if not document["ops"]:
        raise Failure(UNAVAILABLE, "unavailable", f"no operation succeeded, {document['errors']} failed")
    return DONE


def _watching(job: Job, is_told: bool, watchers: int) -> Job | None:
    """Return the job of the process with the watchers, None if there are none."""
    if not watchers:
        return None
    sharing = -(-watchers // WATCHERS_PER_CONNECTION)
    return replace(job, op="watch" if is_told else "watch one", clients=watchers, connections=sharing)


def _processes(clients: int) -> int:
    return max(1, min(os.cpu_count() or 1, -(-clients // CLIENTS_PER_PROCESS)))


def _shares(job: Job, count: int) -> list[Job]:
    """Return the jobs of `count` processes, clients and connections spread evenly."""
    return [
        replace(
            job,
            clients=_share(job.clients, count, number),
            connections=_share(job.connections, count, number),
            seed=number,
        )
        for number in range(count)
    ]


def _share(total: int, count: int, number: int) -> int:
    """Return what the process `number` of `count` gets of `total`."""
    return total // count + (number < total % count)


async def _run(plan: Plan) -> dict[str, Any]:
    """Run all processes in step; return the merged results."""
    first = plan.loads[0]
    if first.op == "get":
        await _preload(first)
    jobs = [*plan.loads, *([plan.watching] if plan.watching else [])]
    async with live_leases(first.endpoints, first.timeout_s, plan.leases), _load_processes(jobs) as processes:
        for process in processes:
            await _hear(process)
        start_s = time.monotonic() + HEAD_START_S + first.warmup_s
        for process in processes:
            _tell(process, json.dumps(start_s).encode() + b"\n")
        progress = asyncio.create_task(_show_progress(start_s, first.seconds))
        try:
            tallies = [await _hear(process) for process in processes]
        finally:
            progress.cancel()
    return _figures(plan, tallies, start_s)


def _figures(plan: Plan, tallies: Sequence[dict[str, Any]], start_s: float) -> dict[str, Any]:
    """Return what was measured, and beside it what the other side did."""
    seconds = plan.loads[0].seconds
    loaded = _merge(tallies[: len(plan.loads)], start_s, seconds)
    if plan.watching is None:
        return {**loaded, "watchers": 0}
    told = _merge(tallies[len(plan.loads) :], start_s, seconds)
    watchers = {"watchers": plan.watching.clients}
    if plan.is_told:
        return {**told, **watchers, "puts_per_s": loaded["ops_per_s"]}
    return {**loaded, **watchers, "events_per_s": told["ops_per_s"]}


def _merge(tallies: Sequence[dict[str, Any]], start_s: float, seconds: float) -> dict[str, Any]:
    """Return the figures over all processes. `seconds` ends with the last operation, so a long gap lowers the rate."""
    histogram, errors = Histogram(), Counter[str]()
    for tally in tallies:
        histogram.merge({int(bucket): count for bucket, count in tally["counts"].items()}, tally["max_ns"])
        errors.update(tally["errors"])
    elapsed_s = max(seconds, *(tally["ended_s"] - start_s for tally in tallies))
    return {
        "ops": histogram.count,
        "errors": errors.total(),
        "error_kinds": dict(errors),
        "seconds": round(elapsed_s, 3),
        "ops_per_s": round(histogram.count / elapsed_s, 1),
        "p50_ms": round(histogram.percentile_ms(50), 3),
        "p99_ms": round(histogram.percentile_ms(99), 3),
        "p999_ms": round(histogram.percentile_ms(99.9), 3),
        "max_ms": round(histogram.max_ns / 1e6, 3),
    }


async def _preload(job: Job) -> None:
    """Give every key a value, so that gets have something to read."""
    keys, numbers = Keys(job.keys), iter(range(job.keys))
    value = os.urandom(job.value_bytes)
    async with connect(job.endpoints, timeout_s=job.timeout_s) as kv:

        async def put_some() -> None:
            for number in numbers:
                await kv.put(keys.key(number), value)

        async with asyncio.TaskGroup() as group:
            for _ in range(PRELOADING_MAX):
                group.create_task(put_some())


@asynccontextmanager
async def _load_processes(jobs: Sequence[Job]) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Start one process per job; none of them outlives the block."""
    processes: list[asyncio.subprocess.Process] = []
    try:
        for job in jobs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "paxoskv.cli.load",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES_MAX,
            )
            processes.append(process)
            _tell(process, job_line(job))
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _tell(process: asyncio.subprocess.Process, line: bytes) -> None:
    assert process.stdin is not None, "load processes are started with a pipe"
    process.stdin.write(line)


async def _hear(process: asyncio.subprocess.Process) -> Any:
    """Return the next document of a load process. Raises: Failure if it reports one, or ended."""
    assert process.stdout is not None, "load processes are started with a pipe"
    line = await process.stdout.readline()
    if not line:
        raise Failure(BUG, "internal", f"a load process ended with exit code {await process.wait()}")
    document = json.loads(line)
    if isinstance(document, dict) and "error" in document:
        raise Failure(UNAVAILABLE, "unavailable", f"a client cannot connect: {document['error']}")
    return document


async def _show_progress(start_s: float, seconds: float) -> None:
    """Count the seconds on a terminal."""
    while sys.stderr.isatty():
        elapsed_s = time.monotonic() - start_s
        state = f"{elapsed_s:.0f} of {seconds:g} s" if elapsed_s >= 0 else "warming up"
        click.echo(f"\r\033[Kbench: {state}", nl=False, err=True)
        try:
            await asyncio.sleep(1)
        finally:
            click.echo("\r\033[K", nl=False, err=True)


def _text(document: dict[str, Any]) -> str:
    d = document
    beside = f", {d['watchers']:,} watchers" * bool(d["watchers"]) + f", {d['leases']:,} leases" * bool(d["leases"])
    return (
        f"{d['op']}: {d['ops_per_s']:,.0f}/s with {d['clients']} clients{beside}, values of {d['value_size']} bytes\n"
        f"{d['ops']:,} operations in {d['seconds']:g} s, {d['errors']} errors\n"
        f"p50 {d['p50_ms']:g} ms, p99 {d['p99_ms']:g} ms, p99.9 {d['p999_ms']:g} ms, max {d['max_ms']:g} ms"
    )
