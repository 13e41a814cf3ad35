"""What garbage on the ports costs sound clients, measured side by side: python -m scripts.fuzz.latency --help

Three phases take turns, several times: `quiet`; `sink`, in which the generator of garbage works, but against a port
of its own, so that its own need of a processor shows; and `garbage`, in which it sends the same to the client ports
and peer ports of all nodes. Closed loops of sound clients put and get throughout.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Protocol

import click

import paxoskv.client
from paxoskv.net.frames import frame
from scripts.fuzz import samples
from scripts.fuzz.noise import Noise, packed

HOST = "127.0.0.1"
PHASES = ("quiet", "sink", "garbage")
FRAMES_PER_CONNECTION = 50
CONNECTIONS = 4
"""Hostile connections at a time, each to a port drawn anew."""
SETTLE_S = 0.5
PEER_OFFSET = 100


class Flag(Protocol):
    """An event of any sort, shared with another thread or process."""

    def is_set(self) -> bool:
        """Whether it has happened."""

    def wait(self) -> bool:
        """Return when it has happened."""


@dataclass(frozen=True, slots=True)
class Assault:
    """ports: where to. frames_per_s: of all connections together."""

    ports: tuple[int, ...]
    frames_per_s: float
    seed: int


@dataclass(slots=True)
class Latencies:
    """Of one phase, in seconds, and the median of every round."""

    puts: list[float] = field(default_factory=list)
    gets: list[float] = field(default_factory=list)


# The generator, in a process of its own


def assail(assault: Assault, ended: Flag) -> None:
    """Send noise until `ended` is set."""
    asyncio.run(_assail(assault, ended))


async def _assail(assault: Assault, ended: Flag) -> None:
    noise = Noise(Random(assault.seed))
    pause_s = CONNECTIONS / assault.frames_per_s
    await asyncio.gather(*[_keep_sending(assault.ports, noise, pause_s, ended) for _ in range(CONNECTIONS)])


async def _keep_sending(ports: tuple[int, ...], noise: Noise, pause_s: float, ended: Flag) -> None:
    while not ended.is_set():
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, noise.rng.choice(ports))
            try:
                await _send(reader, writer, noise, pause_s, ended)
            finally:
                writer.transport.abort()
        await asyncio.sleep(pause_s)


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, noise: Noise, pause_s: float, ended: Flag
) -> None:
    """Greet mostly as a client does, then send frames near valid ones until the other side has had enough."""
    if noise.rng.random() < 0.8:
        writer.write(frame(packed(samples.HELLO)))
    due_s = time.monotonic()
    for _ in range(FRAMES_PER_CONNECTION):
        valid = samples.requests(noise.rng) if noise.rng.random() < 0.8 else samples.cards()
        writer.write(noise.frame(noise.payload(noise.rng.choice(valid))))
        await writer.drain()
        due_s += pause_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        if ended.is_set() or reader.at_eof():
            return


def swallow(port: int, ended: Flag) -> None:
    """Serve `port` by reading and closing, until `ended` is set."""
    asyncio.run(_swallow(port, ended))


async def _swallow(port: int, ended: Flag) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while await reader.read(1 << 16):
                pass
        writer.transport.abort()

    async with await asyncio.start_server(take, HOST, port):
        await asyncio.to_thread(ended.wait)


@contextmanager
def running(target: Any, *arguments: Any) -> Iterator[None]:
    """Have `target(*arguments, ended)` run in a process of its own for the length of the block."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    process = context.Process(target=target, args=(*arguments, ended), daemon=True)
    process.start()
    try:
        yield
    finally:
        ended.set()
        process.join(10)
        process.kill()


# Sound clients


async def load(endpoints: str, clients: int, seconds: float, value: bytes) -> Latencies:
    """Put and get in closed loops; every answer has to come, and be right."""
    seen = Latencies()

    async def loop(kv: paxoskv.client.Client, number: int) -> None:
        key = f"sound/{number}"
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            await kv.put(key, value)
            written_s = time.monotonic()
            got = await kv.get(key)
            seen.puts.append(written_s - began_s)
            seen.gets.append(time.monotonic() - written_s)
            assert got.value == value, f"{key} holds {got.value!r}"

    async with paxoskv.client.connect(endpoints, timeout_s=30.0) as kv:
        until_s = time.monotonic() + seconds
        await asyncio.gather(*[loop(kv, number) for number in range(clients)])
    return seen


# The cluster


@contextmanager
def cluster(base_port: int) -> Iterator[Path]:
    """Three nodes of real processes in a temporary directory; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="paxoskv-latency-") as parent:
        directory = Path(parent) / "cluster"
        _cli("cluster", "up", "--dir", str(directory), "--base-port", str(base_port), "--detach")
        try:
            yield directory
        finally:
            _cli("cluster", "down", "--dir", str(directory), "--wipe")


def pids(directory: Path) -> list[int]:
    """Return the process of every node; one that died is not among them."""
    return [node["pid"] for node in json.loads(_cli("cluster", "status", "--dir", str(directory)))["nodes"]]


def _cli(*arguments: str) -> str:
    return subprocess.check_output([sys.executable, "-m", "paxoskv", *arguments, "-o", "json"], text=True, timeout=60)


@click.command()
@click.option("--seconds", type=click.FloatRange(0.5), default=5.0, show_default=True, help="Of one phase.")
@click.option("--rounds", type=click.IntRange(1), default=4, show_default=True, help="Of all three phases.")
@click.option("--clients", type=click.IntRange(1, 1000), default=4, show_default=True, help="Closed loops.")
@click.option("--frames-per-s", type=click.FloatRange(1), default=1000.0, show_default=True, help="Of garbage.")
@click.option("--base-port", type=click.IntRange(1024, 65_000), default=17_300, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(seconds: float, rounds: int, clients: int, frames_per_s: float, base_port: int, seed: int) -> None:
    """Measure, and print one JSON document; exit 1 if a node died."""
    sink_port = base_port + 99
    ports = tuple(base_port + offset + node for offset in (0, PEER_OFFSET) for node in (1, 2, 3))
    endpoints = ",".join(f"{HOST}:{base_port + node}" for node in (1, 2, 3))
    seen: dict[str, list[Latencies]] = {phase: [] for phase in PHASES}
    with cluster(base_port) as directory:
        before = pids(directory)
        for number in range(rounds):
            for phase in PHASES:
                with ExitStack() as stack:
                    if phase != "quiet":
                        stack.enter_context(running(swallow, sink_port))
                        to = ports if phase == "garbage" else (sink_port,)
                        stack.enter_context(running(assail, Assault(to, frames_per_s, seed + number)))
                    time.sleep(SETTLE_S)
                    seen[phase].append(asyncio.run(load(endpoints, clients, seconds, b"v" * 256)))
        survived = pids(directory) == before
    document: dict[str, Any] = {phase: summary(rounds_of) for phase, rounds_of in seen.items()}
    document["garbage_to_quiet"] = ratios(document["garbage"], document["quiet"])
    document["garbage_to_sink"] = ratios(document["garbage"], document["sink"])
    click.echo(json.dumps({**document, "frames_per_s": frames_per_s, "clients": clients, "survived": survived}))
    sys.exit(not survived)


def summary(rounds: list[Latencies]) -> dict[str, float]:
    """Return the medians, over the rounds, of the median and of the 99th percentile."""
    found: dict[str, float] = {}
    for op in ("put", "get"):
        of_rounds = [sorted(one.puts if op == "put" else one.gets) for one in rounds]
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            found[f"{op}_{name}_ms"] = round(median(one[int(share * (len(one) - 1))] for one in of_rounds) * 1000, 3)
    found["ops"] = sum(len(one.puts) + len(one.gets) for one in rounds)
    return found


def ratios(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """Return how many times as long everything took."""
    return {name: round(one[name] / other[name], 2) for name in one if name.endswith("_ms")}


if __name__ == "__main__":
    main()
