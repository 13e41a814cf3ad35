"""One node of the simulated cluster: the production server on a simulated process and disk, life after life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, cast

from paxoskv.node.config import NodeConfig
from paxoskv.node.exits import BUG, OK, NodeFailure, as_failure
from paxoskv.node.server import Node, replay, replica_arguments
from paxoskv.node.supervisor import Supervisor
from paxoskv.simulator.disk import Disk, SimulatedBallast
from paxoskv.simulator.network import Network
from paxoskv.simulator.process import Process
from paxoskv.simulator.watched import WatchedMachine, WatchedReplica, Watcher
from paxoskv.simulator.world import World
from paxoskv.storage.connection import Connection
from paxoskv.storage.errors import StorageError
from paxoskv.storage.journal import Journal

if TYPE_CHECKING:
    import socket

    import aiosqlite

DIRECTORY = Path("/simulated")
KILLED = -9


class SimulatedNode:
    """A node number, its disk, and the process that runs it now, if one does.

    life: how many processes it has had. exit_code: of the last one that ended, KILLED if it did not end by itself.
    retired: why it is never started again, "" if it may be.
    replica, machine, server: of the present life, None while it starts.
    """

    def __init__(
        self, world: World, network: Network, config: NodeConfig, disk: Disk, watcher: Watcher, turn_s: float
    ) -> None:
        self.config = config
        self.node = config.node
        self.disk = disk
        self.life = 0
        self.exit_code = OK
        self.exit_reason = ""
        self.retired = ""
        self.process: Process | None = None
        self.replica: WatchedReplica | None = None
        self.machine: WatchedMachine | None = None
        self.server: Node | None = None
        self.on_exit: Callable[[SimulatedNode], None] | None = None
        self.on_recovered: Callable[[SimulatedNode, Journal], None] | None = None
        self.clock_rate = 1.0
        self._world = world
        self._network = network
        self._watcher = watcher
        self._turn_s = turn_s
        self._stop: asyncio.Event | None = None

    @property
    def is_up(self) -> bool:
        """Whether a process runs, serving or still starting."""
        return self.process is not None

    @property
    def serves(self) -> bool:
        """Whether the node has come so far that it takes messages."""
        return self.process is not None and self.server is not None

    def start(self) -> None:
        """Begin the next life."""
        assert self.process is None, f"node {self.node} runs already"
        self.life += 1
        self._network.off.discard(self.node)
        name = f"node {self.node} life {self.life}"
        self._world.tell(f"{name} begins")
        self.process = process = Process(self._world, self._network, self.node, name, turn_s=self._turn_s)
        process.clock.set(rate=self.clock_rate)
        process.on_exit = self._on_exit
        process.start(self._main(process))

    def kill(self, reset: bool = True) -> None:
        """End the process at once (SIGKILL); without `reset` the whole machine is off, and no kernel says so."""
        process = self.process
        if process is None:
            return
        self._world.tell(f"{process.name} is killed{'' if reset else ' with its machine'}")
        self.exit_code, self.exit_reason = KILLED, "killed"
        if not reset:
            self._network.off.add(self.node)
        self._forget(process, reset)

    def terminate(self) -> None:
        """Ask the process to end in order (SIGTERM)."""
        if self.process is not None and self._stop is not None:
            self.process.report(self._stop.set)

    def _forget(self, process: Process, reset: bool) -> None:
        process.die(reset)
        self.process = self.replica = self.machine = self.server = self._stop = None
        self.disk.lose_power()

    async def _main(self, process: Process) -> None:
        """What `paxoskv.node.server.serve` does, on parts of this world. Raises: NodeFailure, StorageError."""
        loop = asyncio.get_running_loop()
        supervisor = Supervisor()
        loop.set_exception_handler(supervisor.on_loop_error)
        config = self.config
        connection = Connection(DIRECTORY, cast("aiosqlite.Connection", self.disk.connect(process)))
        journal = await Journal.attach(DIRECTORY, connection, config.cluster_id, config.node)
        if self.on_recovered is not None:
            self.on_recovered(self, journal)
        journal.ballast = SimulatedBallast(self.disk)
        await journal._begin()
        machine = WatchedMachine(config.kv_limits, config.node, self._watcher)
        await replay(journal, machine)
        rng = Random(f"{self._world.seed}/node {self.node}/{self.life}")
        replica = WatchedReplica(*replica_arguments(config, journal), rng, loop.time(), self._watcher)
        stop = asyncio.Event()
        server = Node(config, journal, replica, machine, supervisor, loop.time, loop.time)
        await server.start(_socket(config.listen_client), _socket(config.listen_peer))
        self.replica, self.machine, self.server, self._stop = replica, machine, server, stop
        await supervisor.wait(stop)
        await server.retire()
        await server.close()
        await journal.close()

    def _on_exit(self, error: BaseException | None) -> None:
        """The process has ended by itself."""
        process = self.process
        assert process is not None, f"node {self.node} ended without a process"
        self.exit_code, self.exit_reason = exit_code(error), str(error or "")
        self._world.tell(f"{process.name} ends with code {self.exit_code} {self.exit_reason}")
        if self.exit_code == BUG:
            self._world.fail("bug", f"{process.name} ended: {describe(error)}")
        self._forget(process, reset=True)
        if self.on_exit is not None:
            self.on_exit(self)


def exit_code(error: BaseException | None) -> int:
    """Return the exit code that a node's process ends with."""
    if isinstance(error, StorageError):
        error = as_failure(error)
    if isinstance(error, NodeFailure):
        return error.code
    return OK if error is None else BUG


def describe(error: BaseException | None) -> str:
    """Return an error with its origin, and where in the code it was raised."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    traceback, places = error.__traceback__ if error else None, []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{Path(code.co_filename).name}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return f"{type(error).__name__}: {error} [{' < '.join(reversed(places[-6:]))}]"


def _socket(address: str) -> socket.socket:
    """Stand in for a bound socket: the simulated loop wants the port alone."""
    return cast("socket.socket", int(address.rpartition(":")[2]))
