"""One run: a cluster, clients and faults; then peace, agreement, and a last look at everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from paxoskv import Client, PaxoskvError, connect
from paxoskv.checker import HistoryWriter
from paxoskv.testbed.cluster import Cluster
from paxoskv.testbed.shim.compiled import prepare
from paxoskv.verifier.evidence import Counter, Evidence, Final
from paxoskv.verifier.faults import Fault
from paxoskv.verifier.gazette import Gazette
from paxoskv.verifier.observer import Observer
from paxoskv.verifier.stage import Stage
from paxoskv.verifier.torment import Torment, mend, unavailable
from paxoskv.verifier.workload import CONNECT_TIMEOUT_S, Workload

START_TIMEOUT_S = 120.0
AGREE_TIMEOUT_S = 120.0
PEACE_S = 0.5
"""Clients go on for so long before the first fault and after the last one."""

READERS = 8
_POLL_S = 0.1


class CannotRun(Exception):
    """The cluster did not even start, or nobody could use it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to do. root: an empty directory for everything. settings: of every node, besides its addresses."""

    root: Path
    nodes: int
    seconds: float
    clients: int
    seed: int
    faults: Sequence[Fault]
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. faults: what is injected just now, in words."""

    elapsed_s: float
    operations: int
    unknown: int
    leader: int | None
    faults: str


class Run:
    """One run. make_client: `paxoskv.connect`, unless a test lies to the judge."""

    def __init__(self, options: Options, history: TextIO, make_client: Callable[..., Client] = connect) -> None:
        self._options = options
        self._history = HistoryWriter(history)
        self._workload = Workload(self._history, options.seed, make_client)
        self._make_client = make_client
        self._gazette = Gazette(make_client, CONNECT_TIMEOUT_S)
        self._began_s = 0.0
        self._torment: Torment | None = None
        self._observer: Observer | None = None

    async def evidence(self) -> Evidence:
        """Do everything and return what was seen. Raises: CannotRun."""
        options = self._options
        shim = await asyncio.to_thread(prepare, options.root)
        cluster = await Cluster.found(options.root, options.nodes, shim, options.seed, options.settings)
        not_run = {fault.name: unavailable(fault, options.nodes, shim.trouble) for fault in options.faults}
        try:
            faults = [fault for fault in options.faults if not_run[fault.name] is None]
            reasons = {name: reason for name, reason in not_run.items() if reason is not None}
            return await self._run_on(cluster, faults, reasons)
        finally:
            await cluster.close()

    def progress(self) -> Progress:
        """Return where the run stands now."""
        tallies = self._workload.recorder
        leader = self._observer.leader if self._observer else None
        faults = ", ".join(self._torment.current.values()) if self._torment else ""
        elapsed_s = time.monotonic() - self._began_s if self._began_s else 0.0
        return Progress(elapsed_s, tallies.operations, tallies.unknown, leader, faults)

    async def _run_on(self, cluster: Cluster, faults: list[Fault], reasons: dict[str, str]) -> Evidence:
        await _start(cluster)
        self._observer = observer = Observer(cluster)
        stage = Stage(cluster, observer)
        self._torment = torment = Torment(stage, faults, self._options.seed)
        watching = [
            asyncio.create_task(observer.run(), name="observer"),
            asyncio.create_task(self._gazette.run(cluster.endpoints, lambda: self._workload.every_key), name="gazette"),
        ]
        try:
            began_ns, ended_ns = await self._load(cluster, stage, torment)
            finals = await self._read_back(cluster, stage)
            await self._gazette.settled({key: final.modified for key, final in finals.items()})
            states = await agree(cluster)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)
        for task in watching:
            if not task.cancelled():
                task.result()
        operations = self._history.operations()
        if not operations:
            raise CannotRun("no client could begin a single operation")
        short = dict.fromkeys((fault.name for fault in faults if fault.name not in torment.counts), "not enough time")
        counters = self._workload.counters.all
        return Evidence(
            nodes=self._options.nodes,
            clients=self._options.clients,
            seed=self._options.seed,
            settings=self._options.settings,
            began_ns=began_ns,
            ended_ns=ended_ns,
            operations=operations,
            injections=torment.injections,
            samples=observer.samples,
            states=states,
            disagreements=observer.disagreements,
            surprises=[*stage.surprises, *self._gazette.troubles],
            finals=finals,
            counters={key: self._counter(key) for key in counters},
            not_run={**reasons, **short},
            links=await cluster.network.counts(),
            news=self._gazette.told,
            unbalanced=self._workload.unbalanced,
        )

    async def _load(self, cluster: Cluster, stage: Stage, torment: Torment) -> tuple[int, int]:
        """Run clients, and torment the cluster meanwhile; return when the torment began and ended."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(self._options.clients):
                group.create_task(self._workload.run_client(number, cluster.endpoints, stop))
            await asyncio.sleep(PEACE_S)
            began_ns = time.monotonic_ns()
            self._began_s = time.monotonic()
            await torment.run(asyncio.get_running_loop().time() + self._options.seconds)
            await mend(stage)
            ended_ns = time.monotonic_ns()
            await asyncio.sleep(PEACE_S)
            stop.set()
        return began_ns, ended_ns

    async def _read_back(self, cluster: Cluster, stage: Stage) -> dict[bytes, Final]:
        """Read every key that was ever used, as part of the history."""
        finals: dict[bytes, Final] = {}
        keys = iter(self._workload.every_key)

        async def read_some() -> None:
            process = self._history.new_process()
            async with self._make_client(cluster.endpoints, timeout_s=CONNECT_TIMEOUT_S) as kv:
                for key in keys:
                    result = await self._workload.recorder.get(process, kv, key)
                    finals[key] = Final(result.value, 0 if result.entry is None else result.entry.modified)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(READERS):
                    group.create_task(read_some())
        except* PaxoskvError as errors:
            stage.surprise(f"the healed cluster cannot be read: {errors.exceptions[0]}")
        return finals

    def _counter(self, key: bytes) -> Counter:
        return Counter(self._workload.added.get(key, 0), self._workload.perhaps_added.get(key, 0))


async def _start(cluster: Cluster) -> None:
    """Start all nodes. Raises: CannotRun if one of them does not answer."""
    for node in cluster.nodes:
        await cluster.start(node)
    for node in cluster.nodes:
        if not await cluster.wait_until_it_answers(node, START_TIMEOUT_S):
            process = cluster.member(node).process
            raise CannotRun(f"node {node} does not start: {process.last_words() if process else 'no process'}")


async def agree(cluster: Cluster, within_s: float = AGREE_TIMEOUT_S) -> dict[int, tuple[int, str]] | None:
    """Wait until all nodes are healthy and stand at the same slot; return node -> (slot, digest), None if too late."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while loop.time() < deadline_s:
        told = {node: status for node, status in (await cluster.statuses()).items() if status and status["healthy"]}
        slots = {status[pointer] for status in told.values() for pointer in ("applied_slot", "commit_slot")}
        if len(told) == len(cluster.nodes) and len(slots) == 1:
            return {node: (status["applied_slot"], status["digest"]) for node, status in told.items()}
        await asyncio.sleep(_POLL_S)
    return None
