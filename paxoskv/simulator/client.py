"""Simulated programs that use the cluster through the production client, and tell the judge what they were told."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from paxoskv.client.calls.base import Consistency
from paxoskv.client.client import Client
from paxoskv.errors import OutcomeUnknown, Overloaded, PaxoskvError, Unavailable
from paxoskv.simulator.calls import Desk, draw
from paxoskv.simulator.cluster import CLIENT_PORT
from paxoskv.simulator.holder import Holder
from paxoskv.simulator.judge import Judge, Open
from paxoskv.simulator.network import Network
from paxoskv.simulator.onlooker import Onlooker
from paxoskv.simulator.process import Process
from paxoskv.simulator.world import World

_SHARES_OF_READS = (0.1, 0.4, 0.9, 1.0)
"""Some programs mostly read, and so notice what is old; some mostly write, and make it old."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a program uses the store.

    workers: tasks that share one client. think_s: mean pause between two operations of a worker. keys: how many.
    timeout_s: of every operation. cancel: probability that an operation is cancelled while it runs.
    operations_max: of all workers together, then the program only waits, until it is to go on.
    lease: share of the linearizable reads that ask for a lease.
    onlookers, holders: tasks beside the workers that watch keys, and that hold leases.
    """

    workers: int = 2
    think_s: float = 0.05
    keys: int = 4
    timeout_s: float = 2.0
    cancel: float = 0.0
    operations_max: int = 10_000
    lease: float = 0.0
    onlookers: int = 0
    holders: int = 0


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
        self._operations_max: float = habits.operations_max
        self._judge = judge
        self._rng = world.rng(f"client {host}")
        self.reads = self._rng.choice(_SHARES_OF_READS)
        self._life = 0
        self._begun = 0
        self._open: dict[Desk, None] = {}
        self.onlookers = [Onlooker(world, judge, world.rng(f"onlooker {host}.{n}")) for n in range(habits.onlookers)]
        self._holders = [Holder(judge, world.rng(f"holder {host}.{n}")) for n in range(habits.holders)]

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
        opened = list(self._open)  # whatever dies may forget what it has open
        process.die()
        for desk in opened:
            self._lose(desk, "the client was killed")

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
        """Run the workers until all of them feel like connecting anew."""
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(one.run(client)) for one in self.onlookers]
            beside += [group.create_task(one.run(client, self._is_quiet)) for one in self._holders]
            await asyncio.wait([group.create_task(self._worker(client)) for _ in range(self._habits.workers)])
            for task in beside:
                task.cancel()

    def go_on(self) -> None:
        """Operate from now on however much was done before: progress is demanded."""
        self._operations_max = math.inf

    def _is_quiet(self) -> bool:
        return self.quiet

    async def _worker(self, client: Client) -> None:
        process = self._judge.new_process()
        for _ in range(self._rng.randrange(20, 200)):
            await asyncio.sleep(self._rng.expovariate(1.0) * self._habits.think_s)
            if not self.quiet and self._begun < self._operations_max:
                self._begun += 1
                process = await self._operate(client, process)

    async def _operate(self, client: Client, process: int) -> int:
        """Do one operation; return the number under which the worker goes on."""
        mark = f"{self.host}.{self._begun}".encode()
        desk = Desk(client, self._judge, process, self._rng, self._habits.keys, mark, self._strict())
        self._open[desk] = None
        try:
            async with asyncio.timeout(self._patience_s()):
                await draw(desk, self.reads)(desk)
            self.completed += 1
        except TimeoutError:
            return self._lose(desk, "cancelled")
        except asyncio.CancelledError:
            self._lose(desk, "cancelled with its client")
            raise
        except OutcomeUnknown as error:
            return self._lose(desk, str(error))
        except (Unavailable, Overloaded) as error:
            self._judge.fail(_opened(desk), str(error))
        except PaxoskvError as error:
            self._world.fail("bug", f"client {self.host}, {desk.op}: {error!r}")
        finally:
            self._open.pop(desk, None)
        return process

    def _strict(self) -> Consistency:
        """How the next call reads what must not be old."""
        share = self._habits.lease
        return "lease" if share and self._rng.random() < share else "linearizable"

    def _patience_s(self) -> float | None:
        """How long until this operation is cancelled, None if it is left to end by itself."""
        if self._rng.random() >= self._habits.cancel:
            return None
        return self._rng.expovariate(1.0) * 0.02

    def _lose(self, desk: Desk, error: str) -> int:
        """The outcome of what a desk has open is unknown; return the number under which its worker goes on."""
        self._open.pop(desk, None)
        return self._judge.new_process() if self._judge.lose(_opened(desk), error) else desk.process


def _opened(desk: Desk) -> Open:
    assert desk.op is not None, "a call begins with the invocation of an operation"
    return desk.op
