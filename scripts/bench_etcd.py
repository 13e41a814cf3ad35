"""Load a 3-node etcd on this machine, to compare with `paxoskv bench`: python -m scripts.bench_etcd --help

etcd runs as it does by default (every node fsyncs every write), on loopback, with its data below --dir, which should
be on the disk that paxoskv's data is on. All clients talk to the leader, as ours do. The document printed has
the fields of `paxoskv bench -o json` and the CPU time that etcd and the generator used: as long as the generator's is
well below one core per process, it is etcd that was measured. Eight clients share a connection, which etcd answered
faster than one connection each.

Needs etcd in the PATH (Debian: apt install etcd-server; tried with 3.4.23) and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvloop

from scripts.grpc_wire import MESSAGE_BYTES_MAX, Connection, Reply, field_bytes, fields_of, headers

HOST = "127.0.0.1"
PUT, RANGE, STATUS = "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range", "/etcdserverpb.Maintenance/Status"
START_S = 30.0
FILL_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process of the generator does. Times in seconds."""

    op: str
    port: int
    clients: int
    connections: int
    seconds: float
    value_size: int
    keys: int
    start_at: float
    """On the clock `time.monotonic`, which all processes of a machine share."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one process of the generator saw."""

    latencies_ns: array[int]
    errors: int
    seconds: float
    cpu_s: float


class Load:
    """Closed loops: every client asks again as soon as its answer is there. Callbacks only; tasks would cost more."""

    def __init__(self, plan: Plan, connections: list[Connection]) -> None:
        self._plan = plan
        self._connections = connections
        self._random = random.Random()
        self._value = self._random.randbytes(plan.value_size)
        self._header_block = headers(f"{HOST}:{plan.port}", PUT if plan.op == "put" else RANGE)
        self._latencies_ns: array[int] = array("q")
        self._errors = 0
        self._running = 0
        self._stop_at_ns = 0
        self._finished = asyncio.Event()

    async def run(self) -> Outcome:
        """Wait for the common start, load for the planned time, and wait for the last answers."""
        await asyncio.sleep(max(0.0, self._plan.start_at - time.monotonic()))
        began, cpu_began_s = time.monotonic(), time.process_time()
        self._stop_at_ns = time.perf_counter_ns() + int(self._plan.seconds * 1e9)
        self._running = self._plan.clients
        for client in range(self._plan.clients):
            self._ask(self._connections[client % len(self._connections)])
        await self._finished.wait()
        cpu_s = time.process_time() - cpu_began_s
        return Outcome(self._latencies_ns, self._errors, time.monotonic() - began, cpu_s)

    def _ask(self, connection: Connection) -> None:
        message = field_bytes(1, key(self._random.randrange(self._plan.keys)))
        if self._plan.op == "put":
            message += field_bytes(2, self._value)
        began_ns = time.perf_counter_ns()
        connection.call(self._header_block, message, partial(self._answered, connection, began_ns))

    def _answered(self, connection: Connection, began_ns: int, reply: Reply) -> None:
        now_ns = time.perf_counter_ns()
        expected_bytes = self._plan.value_size if self._plan.op == "get" else 1
        if reply is None or len(reply) < expected_bytes:  # a refusal, or a key that was filled and is not there
            self._errors += 1
        else:
            self._latencies_ns.append(now_ns - began_ns)
        if now_ns < self._stop_at_ns and reply is not None:
            self._ask(connection)
            return
        self._running -= 1
        if self._running == 0:
            self._finished.set()


def key(number: int) -> bytes:
    """Return the key with this number; all have the same length."""
    return b"bench/%08d" % number


async def connect(port: int) -> Connection:
    """Open a connection to the etcd that serves clients at `port`."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, HOST, port)
    return connection


def run_plan(plan: Plan) -> Outcome:
    """Body of a process of the generator."""

    async def main() -> Outcome:
        connections = [await connect(plan.port) for _ in range(plan.connections)]
        outcome = await Load(plan, connections).run()
        for connection in connections:
            connection.close()
        return outcome

    return uvloop.run(main())


@contextmanager
def etcd_cluster(nodes: int, directory: Path) -> Iterator[tuple[list[subprocess.Popen[bytes]], list[int]]]:
    """Run `nodes` etcds with their data and logs below `directory`; give the processes and their client ports."""
    ports = free_ports(2 * nodes)
    clients, peers = ports[:nodes], ports[nodes:]
    members = ",".join(f"n{index}=http://{HOST}:{port}" for index, port in enumerate(peers))
    with ExitStack() as stack:
        processes = []
        for index in range(nodes):
            client_url, peer_url = f"http://{HOST}:{clients[index]}", f"http://{HOST}:{peers[index]}"
            command = ["etcd", "--name", f"n{index}", "--data-dir", str(directory / f"n{index}")]
            command += ["--listen-client-urls", client_url, "--advertise-client-urls", client_url]
            command += ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url]
            command += ["--initial-cluster", members, "--initial-cluster-state", "new", "--log-level", "warn"]
            log = stack.enter_context((directory / f"n{index}.log").open("wb"))
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(stop, process)
            processes.append(process)
        yield processes, clients


def stop(process: subprocess.Popen[bytes]) -> None:
    """End an etcd, by force if it does not follow."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]


async def find_leader(ports: list[int], directory: Path) -> int:
    """Return the client port of the leader. Raises: ClickException if none is elected in `START_S`."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for port in ports:
            try:
                connection = await connect(port)
                leads = says_it_leads(await connection.unary(headers(f"{HOST}:{port}", STATUS), b""))
                connection.close()
            except ConnectionError:
                continue
            if leads:
                return port
        await asyncio.sleep(0.1)
    raise click.ClickException(f"etcd has no leader after {START_S:g} s; its nodes logged:\n{last_logs(directory)}")


def last_logs(directory: Path) -> str:
    """Return the end of each node's log."""
    return "\n".join(path.read_text(errors="replace")[-1_000:] for path in sorted(directory.glob("n*.log")))


def says_it_leads(status: bytes) -> bool:
    """Say whether an etcd's StatusResponse names as leader (field 4) the member that sent it (header, its field 2)."""
    fields = fields_of(status)
    header = fields.get(1)
    return isinstance(header, bytes) and 4 in fields and fields_of(header).get(2) == fields[4]


async def fill(port: int, keys: int, value_size: int) -> None:
    """Write every key once."""
    connection = await connect(port)
    header_block = headers(f"{HOST}:{port}", PUT)
    for first in range(0, keys, FILL_CLIENTS):
        numbers = range(first, min(first + FILL_CLIENTS, keys))
        messages = [field_bytes(1, key(number)) + field_bytes(2, bytes(value_size)) for number in numbers]
        await asyncio.gather(*(connection.unary(header_block, message) for message in messages))
    connection.close()


def cpu_s_of(process: subprocess.Popen[bytes]) -> float:
    """Return the CPU time that a process used so far, in user and kernel mode."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantile_ms(latencies_ns: list[int], share: float) -> float | None:
    """Return a quantile of sorted latencies; None if there are none."""
    if not latencies_ns:
        return None
    return round(latencies_ns[min(int(share * len(latencies_ns)), len(latencies_ns) - 1)] / 1e6, 3)


def spread(total: int, parts: int) -> list[int]:
    """Return `parts` numbers as equal as possible that add up to `total`."""
    return [total // parts + (part < total % parts) for part in range(parts)]


def generate(plan: Plan, processes: int) -> list[Outcome]:
    """Carry out `plan`, its clients and connections divided among `processes`."""
    shares = zip(spread(plan.clients, processes), spread(plan.connections, processes), strict=True)
    plans = [replace(plan, clients=clients, connections=connections) for clients, connections in shares]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pool.map(run_plan, plans, chunksize=1)


def report(plan: Plan, nodes: int, outcomes: list[Outcome], etcd_cpu_s: float) -> dict[str, object]:
    """Return the document to print."""
    latencies_ns = sorted(latency for outcome in outcomes for latency in outcome.latencies_ns)
    seconds = max(outcome.seconds for outcome in outcomes)
    return {
        "server": subprocess.check_output(["etcd", "--version"], text=True).splitlines()[0],
        "op": plan.op,
        "clients": plan.clients,
        "ops": len(latencies_ns),
        "errors": sum(outcome.errors for outcome in outcomes),
        "seconds": round(seconds, 3),
        "ops_per_s": round(len(latencies_ns) / seconds, 1),
        "p50_ms": quantile_ms(latencies_ns, 0.5),
        "p99_ms": quantile_ms(latencies_ns, 0.99),
        "p999_ms": quantile_ms(latencies_ns, 0.999),
        "max_ms": quantile_ms(latencies_ns, 1.0),
        "value_size": plan.value_size,
        "nodes": nodes,
        "connections": plan.connections,
        "processes": len(outcomes),
        "etcd_cpu_s": round(etcd_cpu_s, 2),
        "generator_cpu_s": round(sum(outcome.cpu_s for outcome in outcomes), 2),
    }


@click.command()
@click.option("--op", type=click.Choice(["put", "get"]), default="put", help="put, or linearizable get.")
@click.option("--clients", type=click.IntRange(1, 10_000), default=64, help="Closed loops.")
@click.option("--connections", type=click.IntRange(1, 1_000), default=None, help="Default: one per 8 clients.")
@click.option("--processes", type=click.IntRange(1, 16), default=1, help="Processes of the generator.")
@click.option("--seconds", type=click.FloatRange(0.1, 3_600), default=10.0)
@click.option("--value-size", type=click.IntRange(1, MESSAGE_BYTES_MAX - 64), default=256, help="Bytes.")
@click.option("--keys", type=click.IntRange(1, 1_000_000), default=10_000, help="Keys, drawn at random.")
@click.option("--nodes", type=click.IntRange(1, 7), default=3)
@click.option("--dir", "parent", type=click.Path(file_okay=False, exists=True, path_type=Path), default=Path("."))
def main(nodes: int, parent: Path, connections: int | None, processes: int, **plan_options: Any) -> None:
    """Start etcd in a temporary directory below --dir, load it, print one JSON document, and remove everything."""
    clients: int = plan_options["clients"]
    connections = connections or min(max(clients // 8, processes), 1_000)
    if not processes <= connections <= clients:
        raise click.UsageError(f"not {processes} processes <= {connections} connections <= {clients} clients")
    if shutil.which("etcd") is None:
        raise click.ClickException("etcd is not in the PATH; on Debian: apt install etcd-server")
    with (
        tempfile.TemporaryDirectory(prefix=".bench-etcd-", dir=parent) as directory,
        etcd_cluster(nodes, Path(directory)) as (etcds, ports),
    ):
        leader = asyncio.run(find_leader(ports, Path(directory)))
        plan = Plan(port=leader, connections=connections, start_at=0.0, **plan_options)
        if plan.op == "get":
            asyncio.run(fill(leader, plan.keys, plan.value_size))
        plan = replace(plan, start_at=time.monotonic() + 1.0 + 0.5 * processes)
        cpu_before_s = sum(map(cpu_s_of, etcds))
        outcomes = generate(plan, processes)
        document = report(plan, nodes, outcomes, sum(map(cpu_s_of, etcds)) - cpu_before_s)
    click.echo(json.dumps(document))
    sys.exit(1 if document["errors"] else 0)


if __name__ == "__main__":
    main()
