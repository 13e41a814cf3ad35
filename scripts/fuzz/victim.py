"""A node in this process without sockets or a disk: its ports are fed byte by byte, its messages go where we say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NoReturn

from paxoskv.kv.commands import BadBatch
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.net import protocol
from paxoskv.net.frames import ANSWER_FRAME_BYTES_MAX, FrameReader
from paxoskv.node.clients import Clients, ClientStream
from paxoskv.node.coordinator import Coordinator
from paxoskv.node.engine import Engine
from paxoskv.node.introductions import Introductions
from paxoskv.node.memory import PeerMemory
from paxoskv.node.mesh import Inbound, Mesh
from paxoskv.node.service import Bounds, Service
from paxoskv.node.status import Status
from paxoskv.node.supervisor import Supervisor
from paxoskv.paxos.ballot import NO_BALLOT, NodeId
from paxoskv.paxos.effects import Load, Write
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Message
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.replica import Replica, Settings
from paxoskv.paxos.timing import Timing
from paxoskv.storage.identity import Identity
from paxoskv.storage.records import PeerRecord
from scripts.fuzz.samples import CLUSTER, INCARNATIONS, SEQ

WATCHES_MAX, OWN_WATCHES_MAX = 64, 16
BYTES_IN_FLIGHT_MAX = 1 << 20
CONNECTIONS_MAX = 64
REQUESTS_MAX = 64


class Clock:
    """A clock that only its owner moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Pipe(asyncio.Transport):
    """The other end of one connection: keeps what the node writes, and tells it when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False
        self._protocol: asyncio.Protocol | None = None

    def connect(self, stream: asyncio.Protocol) -> None:
        """Let `stream` have this connection."""
        self._protocol = stream
        stream.connection_made(self)

    def hang_up(self) -> None:
        """End the connection from our side."""
        self.abort()

    def payloads(self) -> list[tuple[Any, ...]]:
        """Return what the node said so far, and forget it; every frame of its own has to be sound."""
        said, self.written = bytes(self.written), bytearray()
        return [protocol.decode(payload) for payload in FrameReader(ANSWER_FRAME_BYTES_MAX).feed(said)]

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 9) if name == "peername" else default

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.is_closed:
            self.written += data

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            assert self._protocol is not None, "closed before it was connected"
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


class Alarm(Supervisor):
    """A supervisor that keeps the first failure, which would end a node."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.failure = self.failure or error


class Memory:
    """A journal whose records are durable at the end of the turn."""

    def __init__(self, alarm: Alarm) -> None:
        self.backlog_bytes = 0
        self._alarm = alarm
        self.written: Callable[[int], None] | None = None
        self._loop = asyncio.get_running_loop()

    def submit(self, ticket: int, writes: list[Write]) -> None:
        """Report `ticket` soon."""
        assert self.written is not None, "nobody listens to the journal"
        self._loop.call_soon(self._report, self.written, ticket)

    def _report(self, written: Callable[[int], None], ticket: int) -> None:
        try:
            written(ticket)
        except (AssertionError, BadBatch) as error:
            self._alarm.fail(error)


class Ears(Mesh):
    """A mesh whose links are a function, and to whose listener anybody may speak."""

    def __init__(self, introductions: Introductions, supervisor: Supervisor, carry: Carry) -> None:
        super().__init__(introductions, supervisor)
        self._carry = carry

    def send(self, to: int, message: Message) -> None:
        self._carry(to, message)

    def forward(self, leader: int, number: int, command: bytes) -> bool:
        return False

    def on_payload(self, peer: int, payload: bytes) -> None:
        self._sinks.setdefault(peer, _Nowhere())
        super().on_payload(peer, payload)


class _Nowhere:
    """Where answers to forwarded writes go."""

    is_writable = True

    def hold(self, work: Callable[[], object]) -> None:
        work()

    def answer(self, number: int, *fields: Any) -> None:
        protocol.encode(number, *fields)


Carry = Callable[[NodeId, Message], None]


class Victim:
    """Node `node` of `members`, wired as `paxoskv.node.server` does, with everything at its edges replaced.

    carry: takes its messages to other nodes. failure: why a real node's process would have ended, if it would.
    """

    def __init__(self, node: NodeId, members: tuple[NodeId, ...], clock: Clock, seed: int, carry: Carry) -> None:
        self.alarm = Alarm()
        self.introductions = Introductions(
            Identity(CLUSTER, node, INCARNATIONS[node].incarnation),
            members,
            f"127.0.0.1:730{node}",
            PeerMemory({}, _save_peers),
            lambda: SEQ,
            self.alarm.fail,
        )
        self.mesh = Ears(self.introductions, self.alarm, carry)
        timing, log = Timing(), Log()
        settings = Settings(node, Quorums.of(members), timing)
        self.replica = Replica(settings, log, NO_BALLOT, Random(seed), clock())
        self.machine = Machine(KvLimits())
        self.engine = Engine(self.replica, self.machine, self.mesh.send, _no_load, clock)
        status = Status(CLUSTER, "127.0.0.1:7301", self.engine, {}, 0.0)
        bounds = Bounds(BYTES_IN_FLIGHT_MAX, WATCHES_MAX, OWN_WATCHES_MAX)
        self.service = Service(
            self.engine, KvLimits(), bounds, self.mesh.forward, status.report, clock, asyncio.get_running_loop()
        )
        self.clients = Clients(
            self.service.requests,
            self.service.watch_requests,
            (CLUSTER, node),
            self._leader,
            REQUESTS_MAX,
            CONNECTIONS_MAX,
        )
        coordinator = Coordinator(self.engine, self.service, self.clients.on_leader)
        journal = Memory(self.alarm)
        journal.written = self.engine.on_written
        self.engine.connect(journal, coordinator)
        self.mesh.connect(coordinator)

    @property
    def failure(self) -> BaseException | None:
        """The error that would have ended the process."""
        return self.alarm.failure

    def client(self) -> tuple[ClientStream, Pipe]:
        """Return a new connection to the client port."""
        stream, pipe = ClientStream(self.clients), Pipe()
        pipe.connect(stream)
        return stream, pipe

    def peer(self) -> tuple[Inbound, Pipe]:
        """Return a new connection to the peer port."""
        stream, pipe = Inbound(self.mesh), Pipe()
        pipe.connect(stream)
        return stream, pipe

    def tick(self) -> None:
        """Let the node's timers run."""
        try:
            self.engine.on_timer()
            self.service.on_timer()
        except (AssertionError, BadBatch) as error:
            self.alarm.fail(error)

    def _leader(self) -> tuple[int, str]:
        return self.replica.leader or 0, ""


async def _save_peers(peers: Mapping[int, PeerRecord]) -> None:
    """Nothing is durable here."""


def _no_load(load: Load) -> NoReturn:
    raise AssertionError(f"slots of this short life are all in memory, but {load} was asked for")
