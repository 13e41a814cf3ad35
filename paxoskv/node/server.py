"""One running server: wires core, state machine, journal and network to the event loop, and takes them down again."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from paxoskv.kv.machine import Machine
from paxoskv.net.stream import FrameStream
from paxoskv.node.clients import Clients, ClientStream
from paxoskv.node.clock import clock_for
from paxoskv.node.config import NodeConfig
from paxoskv.node.coordinator import Coordinator
from paxoskv.node.descriptors import room_for
from paxoskv.node.engine import Engine
from paxoskv.node.exits import USAGE, NodeFailure, Quarantined, as_failure
from paxoskv.node.health import SLOTS_SHOWN, Health
from paxoskv.node.introductions import Introductions
from paxoskv.node.lagging import Laggards
from paxoskv.node.memory import PeerMemory
from paxoskv.node.mesh import Inbound, Mesh
from paxoskv.node.redial import Redial
from paxoskv.node.scrubber import Scrubber
from paxoskv.node.service import Bounds, Service
from paxoskv.node.status import Status
from paxoskv.node.supervisor import Supervisor
from paxoskv.node.watchdog import Watchdog
from paxoskv.paxos.ballot import Ballot
from paxoskv.paxos.log import Log
from paxoskv.paxos.replica import Replica, Settings
from paxoskv.paxos.timing import Timing
from paxoskv.storage.errors import JournalCorrupt, StorageError
from paxoskv.storage.journal import Journal
from paxoskv.storage.lockfile import DirectoryLock
from paxoskv.storage.quarantine import quarantine
from paxoskv.storage.writer import JournalWriter

log = logging.getLogger(__name__)

TICK_S = 0.01
DRAIN_TIMEOUT_S = 1.0


async def serve(config: NodeConfig, stop: asyncio.Event, on_loaded: Callable[[], None] = lambda: None) -> None:
    """Run one node until `stop` is set, then finish what is in flight and take everything down in order (P37).

    It takes the running loop for its own, and reports what goes wrong in it as its failure.
    on_loaded: called when the state is in memory, before anything is served.
    Raises: NodeFailure, with the exit code and the reason.
    """
    config = replace(config, connections_max=room_for(config.connections_max))
    core_clock = clock_for(config.lease_reads)
    supervisor = Supervisor()
    asyncio.get_running_loop().set_exception_handler(supervisor.on_loop_error)
    try:
        async with AsyncExitStack() as stack:
            stack.enter_context(DirectoryLock(config.directory))
            client_socket = stack.enter_context(_bind(config.listen_client, "clients"))
            peer_socket = stack.enter_context(_bind(config.listen_peer, "peers"))
            journal = await _open_journal(config)
            stack.push_async_callback(journal.close)
            machine = Machine(config.kv_limits)
            await replay(journal, machine)
            on_loaded()
            replica = Replica(*replica_arguments(config, journal), random.Random(), core_clock())
            node = Node(config, journal, replica, machine, supervisor, time.monotonic, core_clock)
            stack.push_async_callback(node.close)
            await node.start(client_socket, peer_socket)
            supervisor.spawn(node.watchdog.run(), "watchdog")
            try:
                await supervisor.wait(stop)
            except Quarantined as failure:
                quarantine(config.directory, str(failure))
                raise
            await node.retire()
    except StorageError as error:
        raise as_failure(error) from error


class Node:
    """The parts of a running node, and the order in which they begin and end.

    replica, machine: as of the durable commit slot. clock: monotonic seconds. core_clock: the one the replica was made
    with; where leases are granted it counts the time in which the machine is suspended, the time of the log does not.
    watchdog: measures the loop once somebody runs it. service: what serves the clients.
    """

    def __init__(
        self,
        config: NodeConfig,
        journal: Journal,
        replica: Replica,
        machine: Machine,
        supervisor: Supervisor,
        clock: Callable[[], float],
        core_clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._supervisor = supervisor
        self._servers: list[asyncio.AbstractServer] = []
        self._memory = PeerMemory(journal.peers, journal.save_peers)
        introductions = Introductions(
            journal.identity,
            config.cluster,
            config.advertise_client,
            self._memory,
            lambda: journal.seq,
            supervisor.fail,
        )
        self._mesh = mesh = Mesh(introductions, supervisor)
        self._replica = replica
        laggards = Laggards(journal, replica, mesh.send, supervisor)
        self._engine = engine = Engine(replica, machine, mesh.send, laggards.load, core_clock)
        laggards.connect(engine)
        self._writer = JournalWriter(
            journal, engine.on_written, lambda error: supervisor.fail(as_failure(error)), engine.on_disk_full
        )
        self._scrubber = Scrubber(journal, engine.on_damaged, config.scrub_s, clock)
        self._health = Health(replica, self._writer, self._scrubber)
        self.watchdog = Watchdog()
        self.service = service = Service(
            engine,
            config.kv_limits,
            Bounds(config.bytes_in_flight_max, config.watches_max, config.watches_per_connection_max),
            mesh.forward,
            self._status(journal).report,
            clock,
            asyncio.get_running_loop(),
        )
        self._redial = Redial(mesh, [peer for peer in config.cluster if peer != config.node], replica.hears, core_clock)
        self._clients = Clients(
            service.requests,
            service.watch_requests,
            (journal.identity.cluster, config.node),
            self._leader,
            config.requests_in_flight_max,
            config.connections_max,
        )
        coordinator = Coordinator(engine, service, self._clients.on_leader)
        engine.connect(self._writer, coordinator)
        mesh.connect(coordinator)

    async def start(self, client_socket: socket.socket, peer_socket: socket.socket) -> None:
        """Begin to write, to listen, to dial and to let time pass."""
        self._supervisor.spawn(self._writer.run(), "journal writer")
        await self._listen(lambda: Inbound(self._mesh), peer_socket, self._config.listen_peer, "peers")
        await self._listen(lambda: ClientStream(self._clients), client_socket, self._config.listen_client, "clients")
        peers = {node: address for node, address in self._config.addresses.items() if node != self._config.node}
        self._mesh.start(peers, self._config.peer_queue_bytes_max)
        self._supervisor.spawn(self._tick(), "ticker")
        self._supervisor.spawn(self._redial.run(), "redial")
        self._supervisor.spawn(self._memory.run(), "memory of peers")
        self._supervisor.spawn(self._health.watch(), "health")
        if self._config.scrub_s:
            self._supervisor.spawn(self._scrubber.run(), "scrubber")
        log.info("serving", extra={"clients": self._config.listen_client, "peers": self._config.listen_peer})

    async def _listen(self, make: Callable[[], FrameStream], sock: socket.socket, address: str, whom: str) -> None:
        """Open a bound port. Raises: NodeFailure, if another process has opened it since."""
        try:
            self._servers.append(await asyncio.get_running_loop().create_server(make, sock=sock))
        except OSError as error:
            raise _cannot_listen(address, whom, error) from error

    async def retire(self) -> None:
        """Finish or fail what is in flight, and hand leadership over without a silence."""
        log.info("shutting down")
        self._stop_listening()
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self.service.proposals.drain()
        except TimeoutError:
            log.warning("shutting down with writes in flight: their outcome is unknown to their clients")
        self._engine.step_down()
        self._clients.close("this node is shutting down")
        self._mesh.close("this node is shutting down")
        try:
            async with asyncio.timeout(DRAIN_TIMEOUT_S):
                await self._memory.save()
        except TimeoutError:
            log.warning("shutting down without a record of what peers have announced last")

    async def close(self) -> None:
        """End every task, the writer last and only when it has written what it was given."""
        self._stop_listening()
        await self._writer.close()
        await self._supervisor.cancel()

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()

    async def _tick(self) -> None:
        """Let time pass in the core."""
        while True:
            self._engine.on_timer()
            self.service.on_timer()
            await asyncio.sleep(TICK_S)

    def _leader(self) -> tuple[int, str]:
        """The known leader and where its clients connect; 0 if there is none."""
        leader = self._replica.leader or 0
        return leader, self._mesh.introductions.client_endpoints.get(leader, "")

    def _status(self, journal: Journal) -> Status:
        gauges = {
            **self._health.gauges(),
            "keys": lambda: self._engine.machine.keys,
            "sessions": lambda: self._engine.machine.sessions,
            "leases": lambda: self._engine.machine.leases,
            "compacted_revision": lambda: self._engine.machine.compacted_revision,
            "watches": lambda: len(self.service.watches),
            "watches_behind": lambda: self.service.watches.behind,
            "clients": lambda: len(self._clients),
            "peers": lambda: self._mesh.connected,
            "journal_bytes": journal.file_bytes,
            "journal_backlog_bytes": lambda: self._writer.backlog_bytes,
            "loop_stalls": lambda: self.watchdog.stalls,
            "loop_stall_max_ms": lambda: self.watchdog.stall_max_ms,
        }
        return Status(journal.identity.cluster, self._config.advertise_client, self._engine, gauges, time.monotonic())


def replica_arguments(config: NodeConfig, journal: Journal) -> tuple[Settings, Log, Ballot]:
    """Return what a `Replica` begins with: its settings, and the log and the promise that the journal holds."""
    recovered = journal.recovered
    timing = Timing(config.heartbeat_s, config.election_timeout_s, config.election_jitter_s)
    settings = Settings(config.node, config.quorums, timing, config.window, config.lease)
    slots = Log(
        recovered.commit_slot, recovered.open_votes, recovered.faulty, recovered.compacted_slot, recovered.known_slot
    )
    return settings, slots, recovered.promised


async def replay(journal: Journal, machine: Machine) -> None:
    """Bring an empty machine to the durable commit slot; nothing is served before it is there (P37)."""
    async for votes in journal.replay(1, journal.recovered.commit_slot):
        for slot, vote in votes:
            machine.apply(slot, vote.value)
    log.info("replayed", extra={"slots": machine.applied_slot, "keys": machine.keys})
    if journal.recovered.faulty:
        log.error("records of the journal are damaged", extra={"slots": journal.recovered.faulty[:SLOTS_SHOWN]})


async def _open_journal(config: NodeConfig) -> Journal:
    opener = Journal.create if config.bootstrap else Journal.open
    journal = await opener(config.directory, config.cluster_id, config.node, config.ballast_bytes)
    found = journal.recovered
    if len(config.cluster) == 1 and found.commit_slot < found.known_slot:
        await journal.close()
        raise JournalCorrupt(
            f"the chosen value in slot {found.faulty[0]} is damaged or lost, and this node has no peer that could tell "
            f"it. Put a backup of {config.directory} in its place"
        )
    return journal


def _bind(address: str, whom: str) -> socket.socket:
    """Return a bound socket that does not listen yet, so that a port in use is found before anything is opened."""
    host, _, port = address.rpartition(":")
    try:
        family, kind, proto, _, target = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, proto)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(target)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise _cannot_listen(address, whom, error) from error
    return sock


def _cannot_listen(address: str, whom: str, error: OSError) -> NodeFailure:
    reason = error.strerror or str(error)
    return NodeFailure(USAGE, f"cannot listen on {address} for {whom}: {reason}. Choose another port")
