"""Simulated programs that use the cluster through the production client, and tell the judge what they were told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from paxoskv.client.client import Client
from paxoskv.client.results import CasResult, Entry
from paxoskv.errors import OutcomeUnknown, Overloaded, PaxoskvError, Unavailable
from paxoskv.kv import replies
from paxoskv.simulator.cluster import CLIENT_PORT
from paxoskv.simulator.judge import Judge, Open
from paxoskv.simulator.model import Record
from paxoskv.simulator.network import Network
from paxoskv.simulator.process import Process
from paxoskv.simulator.world import World

_READS = ("get", "range", "stale"), (75, 15, 10)
_WRITES = ("put", "cas", "delete"), (65, 20, 15)
_SHARES_OF_READS = (0.1, 0.4, 0.9, 1.0)
"""Some programs mostly read, and so notice what is old; some mostly write, and make it old."""

KEYS = [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a program uses the store.

    workers: tasks that share one client. think_s: mean pause between two operations of a worker. keys: how many.
    timeout_s: of every operation. cancel: probability that an operation is cancelled while it runs.
    operations_max: of all workers together, then the program only waits.
    """

    workers: int = 2
    think_s: float = 0.05
    keys: int = 4
    timeout_s: float = 2.0
    cancel: float = 0.0
    operations_max: int = 10_000


class Program:
    """One process with one client and several workers.

    completed: operations that ended in success, in all its lives. quiet: no new operations are begun.
    reads: share of its operations that change nothing.
    """

    def __init__(
        self, world: World, network: Network, host: int, nodes: list[int], habits: Habits, judge: Judge
    ) -> None:
        self.host = host
        self.completed = 0
        self.quiet = False
        self.process: Process | None = None
        self._world = world
        self._network = network
        self._nodes = nodes
        self._habits = habits
        self._judge = judge
        self._rng = world.rng(f"client {host}")
        self.reads = self._rng.choice(_SHARES_OF_READS)
        self._life = 0
        self._begun = 0
        self._open: dict[Open, None] = {}

    @property
    def is_busy(self) -> bool:
        """Whether any operation is open."""
        return bool(self._open)

    def start(self) -> None:
        """Begin a life."""
        self._life += 1
        name = f"client {self.host} life {self._life}"
        self.process = process = Process(self._world, self._network, self.host, name)
        process.on_exit = self._on_exit
        process.start(self._main())

    def kill(self) -> None:
        """End the process at once; whatever is open has an unknown outcome."""
        process, self.process = self.process, None
        if process is None:
            return
        process.die()
        for op in list(self._open):
            self._lose(op, "the client was killed")

    def start_again(self) -> None:
        """Begin another life, if the last one is over."""
        if self.process is None:
            self.start()

    def _on_exit(self, error: BaseException | None) -> None:
        self._world.fail("bug", f"client {self.host} ended: {error!r}")

    async def _main(self) -> None:
        endpoints = [f"127.0.0.1:{CLIENT_PORT + node}" for node in self._nodes]
        self._rng.shuffle(endpoints)
        while True:
            try:
                async with Client(endpoints, self._habits.timeout_s, max_in_flight=64) as client:
                    await self._work(client)
            except Unavailable:
                await asyncio.sleep(self._rng.uniform(0.01, 0.3))

    async def _work(self, client: Client) -> None:
        """Run the workers until one of them feels like connecting anew."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._habits.workers):
                group.create_task(self._worker(client))

    async def _worker(self, client: Client) -> None:
        process = self._judge.new_process()
        for _ in range(self._rng.randrange(20, 200)):
            await asyncio.sleep(self._rng.expovariate(1.0) * self._habits.think_s)
            if not self.quiet and self._begun < self._habits.operations_max:
                self._begun += 1
                process = await self._operate(client, process)

    async def _operate(self, client: Client, process: int) -> int:
        """Do one operation; return the number under which the worker goes on."""
        value = f"{self.host}.{self._begun}".encode()
        call = _Call(client, self._judge, process, self._rng, self._habits.keys, value, self.reads)
        op = call.op
        self._open[op] = None
        try:
            async with asyncio.timeout(self._patience_s()):
                await call.run()
            self.completed += 1
        except TimeoutError:
            return self._judge.new_process() if self._lose(op, "cancelled") else process
        except asyncio.CancelledError:
            self._lose(op, "cancelled with its client")
            raise
        except OutcomeUnknown as error:
            return self._judge.new_process() if self._lose(op, str(error)) else process
        except (Unavailable, Overloaded) as error:
            self._judge.fail(op, str(error))
        except PaxoskvError as error:
            self._world.fail("bug", f"client {self.host}, {op}: {error!r}")
        finally:
            self._open.pop(op, None)
        return process

    def _patience_s(self) -> float | None:
        """How long until this operation is cancelled, None if it is left to end by itself."""
        if self._rng.random() >= self._habits.cancel:
            return None
        return self._rng.expovariate(1.0) * 0.02

    def _lose(self, op: Open, error: str) -> bool:
        self._open.pop(op, None)
        return self._judge.lose(op, error)


class _Call:
    """One operation, drawn at random."""

    def __init__(
        self, client: Client, judge: Judge, process: int, rng: Random, keys: int, value: bytes, reads: float
    ) -> None:
        self._client = client
        self._judge = judge
        self._rng = rng
        key = KEYS[rng.randrange(keys)]
        kinds, weights = _READS if rng.random() < reads else _WRITES
        kind = rng.choices(kinds, weights)[0]
        self._expected: bytes | None = None
        match kind:
            case "put":
                self.op = judge.invoke(process, "put", key, value)
                self.run = self._put
            case "cas":
                self._expected = rng.choice([None, b"1.1", judge.last_value(key)])
                self.op = judge.invoke(process, "cas", key, value, self._expected)
                self.run = self._cas
            case "delete":
                self.op = judge.invoke(process, "delete", key)
                self.run = self._delete
            case "range":
                self.op = judge.invoke(process, "range", key, strict=rng.random() < 0.8)
                self.run = self._range
            case _:
                self.op = judge.invoke(process, "get", key, strict=kind == "get")
                self.run = self._get

    async def _put(self) -> None:
        result = await self._client.put(self.op.key, self.op.value)
        self._judge.wrote(self.op, (replies.APPLIED, result.revision, result.slot))

    async def _delete(self) -> None:
        result = await self._client.delete(self.op.key)
        self._judge.wrote(self.op, (replies.APPLIED, result.revision, result.slot, int(result.deleted)))

    async def _cas(self) -> None:
        if self._expected is None:
            result = await self._client.cas(self.op.key, self.op.value, absent=True)
        else:
            result = await self._client.cas(self.op.key, self.op.value, expect=self._expected)
        self._judge.wrote(self.op, _cas_reply(result))

    async def _get(self) -> None:
        consistency = "linearizable" if self.op.strict else "stale"
        result = await self._client.get(self.op.key, consistency=consistency)  # type: ignore[arg-type]
        record = None if result.entry is None else _record(result.entry)
        self._judge.read(self.op, result.revision, result.slot, record)

    async def _range(self) -> None:
        limit = self._rng.choice((1, 3, 100))
        consistency = "linearizable" if self.op.strict else "stale"
        result = await self._client.range(limit=limit, consistency=consistency)  # type: ignore[arg-type]
        entries = [(entry.key, _record(entry)) for entry in result.entries]
        self._judge.ranged(self.op, result.slot, entries, limit, result.more)


def _record(entry: Entry) -> Record:
    return (entry.value, entry.created, entry.modified, entry.version, entry.lease)


def _cas_reply(result: CasResult) -> replies.Reply:
    if result.succeeded:
        return (replies.APPLIED, result.revision, result.slot)
    current = None if result.current is None else _record(result.current)
    return (replies.COMPARE_FAILED, result.revision, result.slot, current)
