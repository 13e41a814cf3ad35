"""The simulated network: hosts, links between them, listening ports and handshakes.

A connection behaves like TCP: bytes arrive in order or not at all, a dead process resets it, and what meets a cut link
waits until the sender's patience ends. See `links` for what else may happen on the way, `transport` for its ends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from paxoskv.simulator.links import Link, Mood
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.transport import Transport
from paxoskv.simulator.world import World

if TYPE_CHECKING:
    import asyncio

    from paxoskv.simulator.process import Process


class Server:
    """A listening port."""

    def __init__(self, network: Network, process: Process, factory: Callable[[], Any], port: int) -> None:
        self.process = process
        self.factory = factory
        self._network = network
        self._port = port

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._network.servers.get(self._port) is self:
            del self._network.servers[self._port]


class Network:
    """All links and connections.

    servers: by port. hosts: port -> host that owns it. off: hosts without power, which do not even refuse.
    kernel_bytes: what a connection takes beyond which a write stays in the transport's own buffer.
    """

    def __init__(self, world: World, mood: Mood, kernel_bytes: int, marks: Marks) -> None:
        self.world = world
        self.rng = world.rng("network")
        self.kernel_bytes = kernel_bytes
        self.servers: dict[int, Server] = {}
        self.hosts: dict[int, int] = {}
        self.off: set[int] = set()
        self.transports: dict[Transport, None] = {}
        self.bytes = 0
        self._marks = marks
        self._mood = mood
        self._links: dict[tuple[int, int], Link] = {}

    def link(self, frm: int, to: int) -> Link:
        """Return one direction between two hosts."""
        link = self._links.get((frm, to))
        if link is None:
            link = self._links[frm, to] = Link(frm, to, self._mood)
        return link

    def links(self, hosts: list[int]) -> list[Link]:
        """Return every link among `hosts`, both directions."""
        return [self.link(a, b) for a in hosts for b in hosts if a != b]

    def between(self, frm: int, to: int) -> list[Transport]:
        """Return the ends at `frm` of the open connections between two hosts, whoever dialled."""
        return [t for t in self.transports if t.process.host == frm and t.peer.process.host == to and not t.is_closed]

    def restore(self, link: Link) -> None:
        """Let a cut link work again; what waited for it travels now."""
        if link.cut:
            link.cut = ""
            for transport in [t for t in self.transports if t.link is link]:
                transport.release()

    # For loops

    def listen(self, process: Process, factory: Callable[[], Any], port: int) -> Server:
        """Accept connections at `port`."""
        server = self.servers[port] = Server(self, process, factory, port)
        self.hosts[port] = process.host
        return server

    def connect(self, process: Process, factory: Callable[[], Any], port: int) -> asyncio.Future[Transport]:
        """Begin a handshake; the future gets the dialler's end, or ConnectionRefusedError, or nothing at all."""
        future = process.loop.create_future()
        to = self.hosts[port]
        out, back = self.link(process.host, to), self.link(to, process.host)
        self.world.after(self.delay(out), lambda: self._greet(process, factory, port, out, back, future))
        return future

    def on_abort(self, reason: str) -> None:
        """A stream has closed its connection at once, because of `reason`."""
        if "has connected anew" in reason:
            self._marks.hit("connection superseded")
        elif "wait to be read" in reason:
            self._marks.hit("slow reader cut off")

    def on_timeout(self) -> None:
        """A kernel has given up a connection."""
        self._marks.hit("connection timed out")

    def delay(self, link: Link) -> float:
        """Draw how long something travels on a link now."""
        mood = link.mood
        return mood.base_s + self.rng.expovariate(1.0) * mood.delay_s

    def _greet(
        self,
        process: Process,
        factory: Callable[[], Any],
        port: int,
        out: Link,
        back: Link,
        future: asyncio.Future[Transport],
    ) -> None:
        """The first packet of a handshake arrives."""
        if self.world.telling:
            self.world.tell(f"{process.name} connects to port {port}")
        if out.cut or back.cut or out.to in self.off:
            return
        server = self.servers.get(port)
        if server is None or not server.process.alive:
            refused = partial(process.report, _refuse, future)
            self.world.after(self.delay(back), refused)
            return
        near, far = Transport(self, process, out), Transport(self, server.process, back)
        near.peer, far.peer, near.is_dialled = far, near, True
        server.process.report(far.begin, server.factory)
        self.world.at(far.next_arrival(self.world.now), partial(process.report, near.welcome, factory, future))


def _refuse(future: asyncio.Future[Transport]) -> None:
    if not future.done():
        future.set_exception(ConnectionRefusedError("nobody listens there"))
