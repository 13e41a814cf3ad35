"""Measure what paxoskv promises, on this machine: python -m scripts.measure --help

    compare    put and get beside etcd, round by round, so that a noisy machine disturbs both alike
    failover   the longest gap in writes after kill -9 of the leader, try by try
    size       resident memory, throughput and elections as the keys grow
    burden     transactions, watchers and leases beside plain puts, round by round

Each starts throwaway clusters below --dir, prints one JSON document with medians and spreads, and removes everything.
"""

from __future__ import annotations

import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

LOADS = (("put", 64), ("put", 1), ("get", 64))
BURDENS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "txn": ("txn", 64, ()),
    "put_beside_1000_watchers": ("put", 64, ("--watchers", "1000")),
    "put_beside_10000_leases": ("put", 64, ("--leases", "10000")),
    "events_to_100_watchers": ("watch", 8, ("--watchers", "100")),
}
KILL_AFTER_S = 1.5
GAP_RUN_S = 5.0


class Cluster:
    """A local cluster, driven through the command line as a user would."""

    def __init__(self, directory: Path, base_port: int, nodes: int) -> None:
        self.directory = directory
        self.endpoints = ",".join(f"127.0.0.1:{base_port + node}" for node in range(1, nodes + 1))

    def verb(self, *arguments: str) -> dict[str, Any]:
        """Run a verb of `paxoskv cluster`."""
        return paxoskv("cluster", *arguments, "--dir", str(self.directory))

    def bench(self, op: str, clients: int, seconds: float, *more: str) -> dict[str, Any]:
        """Load the cluster."""
        return paxoskv(*self.bench_arguments(op, clients, seconds), *more)

    def bench_arguments(self, op: str, clients: int, seconds: float) -> list[str]:
        """Return the command line of a load, without the program."""
        given = ["--clients", str(clients), "--seconds", str(seconds), "--endpoints", self.endpoints]
        return ["bench", "--op", op, *given]

    def resident_mb(self) -> dict[int, float]:
        """Return node -> resident memory in MB."""
        pids = {row["node"]: row["pid"] for row in self.verb("status")["nodes"]}
        return {node: resident_mb(pid) for node, pid in pids.items()}


def paxoskv(*arguments: str) -> dict[str, Any]:
    """Run a command with -o json and return its document. Raises: ClickException if it fails."""
    command = [sys.executable, "-m", "paxoskv", *arguments, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return round(kilobytes / 1024, 1)


def free_base(nodes: int) -> int:
    """Return a base port whose client and peer ports were free a moment ago, below those that the kernel hands out."""
    for _ in range(100):
        base = random.randrange(10_000, 30_000)
        try:
            with ExitStack() as stack:
                for offset in (*range(1, nodes + 1), *range(101, nodes + 101)):
                    stack.enter_context(socket.create_server(("127.0.0.1", base + offset)))
        except OSError:
            continue
        return base
    raise click.ClickException("no free block of ports was found")


@contextmanager
def cluster(parent: Path, nodes: int = 3) -> Iterator[Cluster]:
    """Run a cluster in a temporary directory below `parent`."""
    base_port = free_base(nodes)
    with tempfile.TemporaryDirectory(prefix=".measure-", dir=parent) as temporary:
        made = Cluster(Path(temporary) / "cluster", base_port, nodes)
        made.verb("up", "--detach", "--nodes", str(nodes), "--base-port", str(base_port))
        try:
            yield made
        finally:
            made.verb("down")


def etcd(parent: Path, op: str, clients: int, seconds: float) -> dict[str, Any]:
    """Load etcd in the same way."""
    command = [sys.executable, "-m", "scripts.bench_etcd", "--dir", str(parent), "--op", op]
    command += ["--clients", str(clients), "--seconds", str(seconds)]
    document: dict[str, Any] = json.loads(subprocess.check_output(command))
    return document


def spread(numbers: list[float]) -> dict[str, float]:
    """Return the median of several runs, and how far they lie apart."""
    return {
        "median": round(statistics.median(numbers), 3),
        "least": round(min(numbers), 3),
        "most": round(max(numbers), 3),
    }


@click.group()
@click.option("--dir", "parent", type=click.Path(file_okay=False, exists=True, path_type=Path), default=Path("."))
@click.pass_context
def main(context: click.Context, parent: Path) -> None:
    """Measure paxoskv on this machine."""
    context.obj = parent


@main.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=5)
@click.option("--seconds", type=click.FloatRange(0.5, 600), default=4.0)
@click.pass_obj
def compare(parent: Path, rounds: int, seconds: float) -> None:
    """Load etcd and paxoskv in turn; `ratio` is of operations per second, paxoskv's over etcd's."""
    document = {}
    for op, clients in LOADS:
        theirs, ours = [], []
        for number in range(rounds):
            click.echo(f"{op}, {clients} clients: round {number + 1} of {rounds}", err=True)
            os.sync()  # what ran before is not to burden what comes
            theirs.append(etcd(parent, op, clients, seconds))
            os.sync()
            with cluster(parent) as made:
                ours.append(made.bench(op, clients, seconds))
        document[f"{op}_{clients}"] = {
            "ratio": spread([our["ops_per_s"] / their["ops_per_s"] for our, their in zip(ours, theirs, strict=True)]),
            **{f"etcd_{name}": spread([run[name] for run in theirs]) for name in ("ops_per_s", "p50_ms", "p99_ms")},
            **{f"paxoskv_{name}": spread([run[name] for run in ours]) for name in ("ops_per_s", "p50_ms", "p99_ms")},
        }
    click.echo(json.dumps(document))


@main.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=3)
@click.option("--seconds", type=click.FloatRange(0.5, 3600), default=5.0)
@click.pass_obj
def burden(parent: Path, rounds: int, seconds: float) -> None:
    """Run what is more than a put, or is beside it; `ratio` is of operations per second to plain puts right before."""
    alone: list[float] = []
    beside: dict[str, list[tuple[float, float]]] = {name: [] for name in BURDENS}
    for number in range(rounds):
        for name, (op, clients, more) in BURDENS.items():
            click.echo(f"{name}: round {number + 1} of {rounds}", err=True)
            with cluster(parent) as made:
                os.sync()  # what ran before is not to burden what comes
                alone.append(made.bench("put", 64, seconds)["ops_per_s"])
                beside[name].append((made.bench(op, clients, seconds, *more)["ops_per_s"], alone[-1]))
    document: dict[str, Any] = {"put_per_s": spread(alone)}
    for name, runs in beside.items():
        ratios = [ops / put for ops, put in runs]
        document[name] = {"ops_per_s": spread([ops for ops, _ in runs]), "ratio": spread(ratios)}
    click.echo(json.dumps(document))


@main.command()
@click.option("--tries", type=click.IntRange(1, 1000), default=10)
@click.option("--clients", type=click.IntRange(1, 1000), default=8)
@click.pass_obj
def failover(parent: Path, tries: int, clients: int) -> None:
    """Kill the leader under writers, again and again; a gap is the longest latency that any writer saw."""
    gaps_ms = []
    with cluster(parent) as made:
        for number in range(tries):
            command = [sys.executable, "-m", "paxoskv", *made.bench_arguments("put", clients, GAP_RUN_S), "-o", "json"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
                time.sleep(1.0 + KILL_AFTER_S)
                leader = made.verb("status")["leader"]
                made.verb("kill", str(leader))
                assert load.stdout is not None, "the load was started with a pipe"
                gaps_ms.append(json.loads(load.stdout.read())["max_ms"])
            made.verb("start", str(leader))
            click.echo(f"try {number + 1} of {tries}: node {leader} killed, gap {gaps_ms[-1]:.0f} ms", err=True)
    under_1_s = sum(gap < 1000 for gap in gaps_ms)
    click.echo(json.dumps({"tries": tries, "gap_ms": spread(gaps_ms), "under_1_s": under_1_s, "gaps_ms": gaps_ms}))


@main.command()
@click.option("--keys", type=click.IntRange(1, 1_000_000), multiple=True, default=(1_000, 100_000, 1_000_000))
@click.option("--seconds", type=click.FloatRange(0.5, 3600), default=5.0)
@click.option("--clients", type=click.IntRange(1, 1000), default=64)
@click.pass_obj
def size(parent: Path, keys: tuple[int, ...], seconds: float, clients: int) -> None:
    """Fill a cluster with more and more keys of 256 bytes, and load it each time; tell memory and elections too."""
    rows = []
    with cluster(parent) as made:
        born = made.verb("status")["nodes"][0]["ballot"]
        for count in keys:
            click.echo(f"{count} keys", err=True)
            made.bench("get", clients, 0.5, "--keys", str(count))  # fills them
            resident = made.resident_mb()
            os.sync()  # or the load waits for the disk to take the filling
            load = made.bench("put", clients, seconds, "--keys", str(count))
            row = {"keys": count, "put_per_s": load["ops_per_s"], "p99_ms": load["p99_ms"], "errors": load["errors"]}
            rows.append({**row, "resident_mb": resident, "resident_after_load_mb": made.resident_mb()})
        last = made.verb("status")["nodes"][0]["ballot"]
    click.echo(json.dumps({"first_ballot": born, "last_ballot": last, "rows": rows}))


if __name__ == "__main__":
    main()
