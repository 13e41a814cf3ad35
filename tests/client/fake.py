"""A scripted node: speaks the client protocol over real TCP, and does to chosen requests what a test says."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgpack

from paxoskv.kv import replies
from paxoskv.kv.commands import CLOSE_SESSION, OPEN_SESSION, check, decode_command, encode_batch
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.net import protocol
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX, FrameReader, frame
from tests.client import serving
from tests.support import eventually

Request = tuple[Any, ...]
Action = Callable[["FakeConnection", Request], None]

COMMANDS = {
    1: "put",
    2: "delete",
    3: "cas",
    4: "open",
    5: "close",
    6: "txn",
    7: "delete_range",
    8: "incr",
    9: "append",
    10: "put_with",
    11: "grant",
    12: "keep_alive",
    13: "revoke",
    15: "compact",
}
KINDS = {
    protocol.GET: "get",
    protocol.RANGE: "range",
    protocol.STATUS: "status",
    protocol.SYNC: "sync",
    protocol.LEASE: "lease",
    protocol.LEASES: "leases",
    protocol.WATCH: "watch",
    protocol.CANCEL: "cancel",
}
BALLOT = (7, 1)
EXECUTED = (replies.APPLIED, replies.COMPARE_FAILED)
LIMITS = KvLimits()


class FakeStore:
    """The real state machine behind a log of one; several nodes may share it.

    applied: every write of a key executed, in order, as (op, session, seq, acked, ...).
    on_applied: called after every slot.
    """

    def __init__(self, limits: KvLimits = LIMITS) -> None:
        self.limits = limits
        self.machine = Machine(limits)
        self.on_applied: list[Callable[[], None]] = []
        self.applied: list[tuple[Any, ...]] = []
        self.session_count = 0

    def apply(self, command: bytes) -> tuple[Any, ...]:
        """Put one command into the log; return its reply."""
        check(command, self.limits)
        reply = self._choose(encode_batch(0, [command]))[0]
        fields = decode_command(command)
        if fields[0] == OPEN_SESSION:
            self.session_count += 1
        elif fields[0] != CLOSE_SESSION and reply[0] in EXECUTED and reply[2] == self.machine.applied_slot:
            self.applied.append(fields)
        return reply

    def pass_time(self, elapsed_s: float) -> None:
        """Let log time pass."""
        self._choose(encode_batch(round(elapsed_s * 1000), []))

    def expire_sessions(self) -> None:
        """Let so much log time pass that no session survives."""
        self.pass_time(LIMITS.session_idle_ms / 1000 + 0.001)
        assert not self.machine.sessions

    def _choose(self, value: bytes) -> list[replies.Reply]:
        chosen = self.machine.apply(self.machine.applied_slot + 1, value)
        for told in self.on_applied:
            told()
        return chosen


class FakeConnection(asyncio.Protocol):
    """One connection of a client to a fake node."""

    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.transport: asyncio.Transport
        self.welcomed = False
        self.watches: dict[int, serving.FakeWatch] = {}
        self._reader = FrameReader(CLIENT_FRAME_BYTES_MAX)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.node.connections.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.node.connections.remove(self)

    def data_received(self, data: bytes) -> None:
        for payload in self._reader.feed(data):
            if self.welcomed:
                self.node.on_request(self, payload)
            else:
                self.node.on_hello(self, payload)

    def send(self, *items: Any) -> None:
        """Send one array."""
        self.transport.write(frame(protocol.encode(*items)))


class FakeNode:
    """A node on a random port. Requests are named as in COMMANDS and KINDS.

    plan[name]: actions for the next requests of that name, one each. always[name]: for all after them; `serve` if
    nothing is said. greeting: raw bytes instead of the welcome; b"" for silence. payloads: all requests received.
    told_revision: up to which it tells watches, None for all; a change shows with the next slot, or `feed`.
    """

    def __init__(self, number: int = 1, store: FakeStore | None = None) -> None:
        self.number = number
        self.store = store or FakeStore()
        self.cluster = "c1"
        self.leader = number
        self.leader_endpoint = ""
        self.greeting: bytes | None = None
        self.plan: dict[str, deque[Action]] = defaultdict(deque)
        self.always: dict[str, Action] = {}
        self.payloads: list[tuple[str, bytes]] = []
        self.held: list[tuple[FakeConnection, Request]] = []
        self.connections: list[FakeConnection] = []
        self.accepted = 0
        self.told_revision: int | None = None
        self.port = 0
        self._server: asyncio.Server | None = None
        self.store.on_applied.append(self.feed)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: FakeConnection(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        await eventually(lambda: not self.connections)

    def cut(self) -> None:
        """Cut every connection, and go on listening."""
        for connection in list(self.connections):
            connection.transport.abort()

    def feed(self) -> None:
        """Tell every watch what it was not told yet."""
        for connection in self.connections:
            for number in list(connection.watches):
                serving.feed(connection, number)

    def received(self, name: str) -> list[bytes]:
        """Return the payloads of all requests called `name`."""
        return [payload for called, payload in self.payloads if called == name]

    def commands(self, name: str) -> list[tuple[Any, ...]]:
        """Return the commands of all writes called `name`, decoded: (op, session, seq, acked, ...)."""
        return [tuple(msgpack.unpackb(msgpack.unpackb(payload)[2])) for payload in self.received(name)]

    def tell(self, *items: Any) -> None:
        """Send news to everybody."""
        for connection in self.connections:
            connection.send(0, *items)

    def point_to(self, other: FakeNode) -> None:
        """Name another node as the leader from now on, and tell everybody."""
        self.leader, self.leader_endpoint = other.number, other.endpoint
        self.tell(protocol.LEADER, self.leader, self.leader_endpoint)

    def release(self, *, newest_first: bool = False) -> None:
        """Serve what `hold` kept."""
        held, self.held = self.held, []
        for connection, request in reversed(held) if newest_first else held:
            serve(connection, request)

    def on_hello(self, connection: FakeConnection, payload: bytes) -> None:
        self.accepted += 1
        if self.greeting is not None:
            connection.transport.write(self.greeting)
            return
        assert protocol.decode(payload) == (protocol.MAGIC, protocol.PROTOCOL), payload
        connection.welcomed = True
        where = self.leader_endpoint or self.endpoint
        connection.send(protocol.MAGIC, protocol.PROTOCOL, self.cluster, self.number, self.leader, where)

    def on_request(self, connection: FakeConnection, payload: bytes) -> None:
        request = protocol.decode(payload)
        name = COMMANDS[msgpack.unpackb(request[2])[0]] if request[0] == protocol.WRITE else KINDS[request[0]]
        self.payloads.append((name, payload))
        planned = self.plan[name]
        action = planned.popleft() if planned else self.always.get(name, serve)
        action(connection, request)


def serve(connection: FakeConnection, request: Request) -> None:
    """Do and answer as a healthy leader."""
    serving.serve(connection, request)


def hold(connection: FakeConnection, request: Request) -> None:
    """Keep the request until `FakeNode.release`; without it, stay silent."""
    connection.node.held.append((connection, request))


def drop(connection: FakeConnection, request: Request) -> None:
    """Cut the connection; the request is lost."""
    connection.transport.abort()


def apply_and_drop(connection: FakeConnection, request: Request) -> None:
    """Execute the write, then cut the connection: the answer is lost."""
    connection.node.store.apply(request[2])
    connection.transport.abort()


def refuse(status: int, retry_after_ms: int = 0) -> Action:
    """Answer with an error status."""
    return lambda connection, request: connection.send(request[1], status, "scripted refusal", retry_after_ms)


def reply(code: int, *extra: Any) -> Action:
    """Answer a write with a reply of the state machine's making."""
    return lambda connection, request: connection.send(request[1], protocol.OK, BALLOT, (code, 1, 1, *extra))


def raw(*items: Any) -> Action:
    """Answer with these items after the request's number."""
    return lambda connection, request: connection.send(request[1], *items)


@asynccontextmanager
async def fake_cluster(count: int = 1) -> AsyncIterator[list[FakeNode]]:
    """`count` running nodes with one store; node 1 leads as far as all of them say."""
    store = FakeStore()
    nodes = [FakeNode(number + 1, store) for number in range(count)]
    for node in nodes:
        await node.start()
    for node in nodes[1:]:
        node.point_to(nodes[0])
    try:
        yield nodes
    finally:
        for node in nodes:
            await node.stop()
