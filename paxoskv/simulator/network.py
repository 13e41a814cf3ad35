"""The simulated network: hosts, directed links with a mood, and connections whose bytes travel on them.

A connection behaves like TCP: bytes arrive in order or not at all, a dead process resets it, and what meets a cut link
waits until the sender's patience ends. A link may also be meddled with by a frame-aware proxy (`Mood`), which loses,
repeats, overtakes and damages single frames: worse than TCP, and within what the protocol has to bear (P31).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from paxoskv.net.frames import HEADER_BYTES
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.world import World

if TYPE_CHECKING:
    import asyncio

    from paxoskv.simulator.process import Process

USER_TIMEOUT_S = 5.0
"""Bytes that meet a cut link wait so long for it; then the sender's kernel gives the connection up (R22)."""

_LATE_S_MAX = 2.0
"""A repeated or overtaken frame arrives within this time, perhaps over a later connection's head."""


@dataclass(slots=True)
class Mood:
    """How a link treats what travels on it.

    delay_s: mean of an exponential distribution, beside `base_s`. bytes_per_s: 0 is without limit.
    loss, duplicate, reorder, corrupt: probability of a frame. fragment: probability that a chunk arrives in two.
    held_tag, held_s: frames that begin with this tag take so much longer. copied_tag, copied_s: such frames arrive
    once more, that much later. Tags are those of `net.codec`, 0 is none.
    """

    base_s: float = 0.0001
    delay_s: float = 0.0003
    bytes_per_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    fragment: float = 0.0
    held_tag: int = 0
    held_s: float = 0.0
    copied_tag: int = 0
    copied_s: float = 0.0

    @property
    def meddles(self) -> bool:
        """Whether single frames are treated badly."""
        return bool(self.loss or self.duplicate or self.reorder or self.corrupt or self.held_tag or self.copied_tag)


class Link:
    """One direction between two hosts.

    cut: "" while it works; "hold" if bytes wait for it, "drop" if whole frames vanish in silence.
    mood: as it is now; `calm` puts the one back that it began with.
    record: what dialled connections send, while somebody wants to have it.
    """

    __slots__ = ("calm_mood", "cut", "frm", "mood", "record", "to")

    def __init__(self, frm: int, to: int, mood: Mood) -> None:
        self.frm = frm
        self.to = to
        self.cut = ""
        self.mood = self.calm_mood = mood
        self.record: list[bytes] | None = None

    def calm(self) -> None:
        """Be as at the beginning."""
        self.mood = self.calm_mood


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


class Transport:
    """One end of a connection; the face that asyncio's protocols know.

    link: on which what is written here travels. is_closed: nothing is written or received here any more.
    is_broken: what is still under way will not arrive. is_dialled: this is the end that asked for the connection.
    """

    __slots__ = (
        "_free_at",
        "_held",
        "_held_since",
        "_high",
        "_last_arrival",
        "_network",
        "_protocol",
        "_reads",
        "_stopped",
        "_unread",
        "is_broken",
        "is_closed",
        "is_dialled",
        "link",
        "outstanding",
        "peer",
        "process",
    )

    def __init__(self, network: Network, process: Process, link: Link) -> None:
        self.process = process
        self.link = link
        self.peer: Transport = self
        self.is_closed = False
        self.is_broken = False
        self.is_dialled = False
        self.outstanding = 0
        self._network = network
        self._protocol: Any = None
        self._last_arrival = 0.0
        self._free_at = 0.0
        self._held: list[bytes | None] = []
        self._held_since = 0.0
        self._high = 1 << 16
        self._stopped = False
        self._reads = True
        self._unread: list[bytes] = []
        network.transports[self] = None
        process.transports[self] = None

    # Beginning

    def begin(self, factory: Callable[[], Any]) -> None:
        """In a turn of the listener: the connection is there."""
        self._protocol = factory()
        self._protocol.connection_made(self)

    def welcome(self, factory: Callable[[], Any], future: asyncio.Future[Transport]) -> None:
        """In a turn of the dialler: the connection is there, if anybody still wants it."""
        if future.done():
            self.is_closed = True
            self._vanish(reset=True)
            return
        self.begin(factory)
        future.set_result(self)

    # asyncio.Transport

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.is_closed:
            return
        mood = self.link.mood
        if self.link.record is not None and self.is_dialled:
            self.link.record.append(data)
        if mood.meddles:
            self._write_meddled(data, mood)
        elif mood.fragment and len(data) > 1 and self._network.rng.random() < mood.fragment:
            at = self._network.rng.randrange(1, len(data))
            self._carry(data[:at])
            self._carry(data[at:])
        else:
            self._carry(data)
        if self.get_write_buffer_size() > self._high and not self._stopped:
            self._stopped = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """Close when everything written has arrived."""
        if not self.is_closed:
            self.is_closed = True
            self._send_end()
            self.process.loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """Close at once; what is under way is lost."""
        if not self.is_closed:
            self._network.on_abort(getattr(self._protocol, "closed_because", None) or "")
            self.is_closed = True
            self._vanish(reset=True)
            self.process.loop.call_soon(self._lose, None)

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self.is_closed

    def get_protocol(self) -> Any:
        """Return whom the bytes go to."""
        return self._protocol

    def get_write_buffer_size(self) -> int:
        """Return how much of what was written not even the kernel has taken."""
        return max(0, self.outstanding - self._network.kernel_bytes)

    def set_write_buffer_limits(self, high: int, low: int | None = None) -> None:
        """Ask for `pause_writing` beyond `high`."""
        self._high = high

    def pause_reading(self) -> None:
        """Leave what arrives to the kernel."""
        self._reads = False

    def resume_reading(self) -> None:
        """Take what has arrived meanwhile."""
        self._reads = True
        self.process.loop.call_soon(self._read)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell the other side's address; there is no socket."""
        return (f"host{self.link.to}", 0) if name == "peername" else default

    # What happens to it

    def die(self, reset: bool) -> None:
        """Its process is gone. reset: the kernel says so to the other side; without power nobody does."""
        if not self.is_closed:
            self.is_closed = True
            if reset and self._network.rng.random() < 0.5:
                self._send_end()
            else:
                self._vanish(reset)
        self._network.transports.pop(self, None)

    def cut(self) -> None:
        """The connection breaks, and both ends notice, each in its own time; what is under way is lost."""
        self.is_broken = self.peer.is_broken = True
        for end in (self, self.peer):
            delay_s = self._network.delay(end.link)
            self._network.world.after(delay_s, partial(end.process.report, end._lose, _reset()))

    def release(self) -> None:
        """The link works again: what waited travels now, in its order."""
        held, self._held = self._held, []
        for data in held:
            self._schedule(data, self._network.world.now)

    def inject(self, data: bytes, delay_s: float) -> None:
        """Let bytes appear on the way that were not written now: a copy, or a straggler."""
        self.outstanding += len(data)
        self._network.world.after(delay_s, partial(self._arrive, data))

    # On the way

    def _carry(self, data: bytes) -> None:
        link = self.link
        if link.cut == "drop":
            return
        self.outstanding += len(data)
        departs = self.process.writes_leave
        now = self._network.world.now
        departs = departs if departs > now else now
        if link.mood.bytes_per_s:
            departs = self._free_at = max(self._free_at, departs) + len(data) / link.mood.bytes_per_s
        self._schedule(data, departs)

    def next_arrival(self, departs: float) -> float:
        """Draw when what departs then arrives: after everything that departed before."""
        arrives = departs + self._network.delay(self.link)
        if arrives < self._last_arrival:
            arrives = self._last_arrival
        self._last_arrival = arrives
        return arrives

    def _schedule(self, data: bytes | None, departs: float) -> None:
        """Let bytes arrive in order, None as the end of them."""
        self._network.world.at(self.next_arrival(departs), partial(self._arrive, data))

    def _write_meddled(self, data: bytes, mood: Mood) -> None:
        """Treat every frame as the mood has it; those that pass unharmed stay in order."""
        rng = self._network.rng
        for frame in frames_in(data):
            if mood.corrupt and rng.random() < mood.corrupt:
                frame = flip_bit(frame, rng.randrange(8 * len(frame)))
            if mood.duplicate and rng.random() < mood.duplicate:
                self.inject(frame, rng.random() * rng.choice((0.01, 0.1, _LATE_S_MAX)))
            if mood.loss and rng.random() < mood.loss:
                continue
            tag = tag_of(frame)
            if tag and tag == mood.copied_tag:
                self.inject(frame, mood.copied_s * rng.uniform(0.5, 1.5))
            if tag and tag == mood.held_tag:
                self.inject(frame, mood.held_s * rng.uniform(0.5, 1.5))
            elif mood.reorder and rng.random() < mood.reorder:
                self.inject(frame, rng.random() * rng.choice((0.005, 0.05, _LATE_S_MAX)))
            else:
                self._carry(frame)

    def _arrive(self, data: bytes | None) -> None:
        """Bytes, or the end, reach the other host, unless something is in the way."""
        if self.is_broken:
            return
        link, network, peer = self.link, self._network, self.peer
        if link.cut == "drop":
            self.outstanding -= len(data or b"")
            return
        if self._held or link.cut or link.to in network.off:
            self._hold(data)
            return
        process = peer.process
        if not process.alive or peer.is_closed:
            if data is not None:
                self._answer_with_reset(data)
            return
        if data is None:
            process.report(peer._lose, None)
            return
        network.bytes += len(data)
        network.world.note(data)
        process.report(peer._receive, data)

    def _hold(self, data: bytes | None) -> None:
        if not self._held:
            since = self._held_since = self._network.world.now
            self._network.world.after(USER_TIMEOUT_S, partial(self._lose_patience, since))
        self._held.append(data)

    def _lose_patience(self, since: float) -> None:
        if self._held and self._held_since == since and not self.is_broken:
            if not self.link.cut and self.link.to not in self._network.off:
                self.release()
                return
            self.is_broken = True
            self.process.report(self._lose, TimeoutError("the other side has not answered for too long"))

    def _answer_with_reset(self, data: bytes) -> None:
        """Nobody owns the other end any more: its kernel says so, if that can be heard."""
        back = self.peer.link
        if back.cut:
            self._hold(data)
            return
        self.is_broken = True
        delay_s = self._network.delay(back)
        self._network.world.after(delay_s, partial(self.process.report, self._lose, _reset()))

    def _send_end(self) -> None:
        self._schedule(None, max(self._network.world.now, self.process.writes_leave))

    def _vanish(self, reset: bool) -> None:
        """Lose what is under way; with `reset`, the other side is told."""
        self.is_broken = True
        if reset and not self.link.cut:
            delay_s = self._network.delay(self.link)
            self._network.world.after(delay_s, partial(self.peer.process.report, self.peer._lose, _reset()))

    # In a turn of the process

    def _receive(self, data: bytes) -> None:
        self._unread.append(data)
        self._read()

    def _read(self) -> None:
        """Hand over what has arrived, as long as somebody reads."""
        while self._reads and self._unread:
            self._hand_over(self._unread.pop(0))

    def _hand_over(self, data: bytes) -> None:
        sender = self.peer
        sender.outstanding -= len(data)
        if sender._stopped and sender.get_write_buffer_size() <= sender._high // 4:
            sender._stopped = False
            sender.process.report(sender._resume)
        if not self.is_closed:
            self._protocol.data_received(data)

    def _resume(self) -> None:
        if not self.is_closed:
            self._protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        """Tell the protocol, once."""
        if self in self._network.transports:
            del self._network.transports[self]
            self.process.transports.pop(self, None)
            self.is_closed = True
            if self._protocol is not None:
                self._protocol.connection_lost(error)


def _reset() -> ConnectionResetError:
    return ConnectionResetError("connection reset by peer")


def frames_in(data: bytes) -> list[bytes]:
    """Cut what was written into its frames, headers included; a rest that is none stays one piece."""
    frames, at = [], 0
    while len(data) - at >= HEADER_BYTES:
        end = at + HEADER_BYTES + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        frames.append(data[at:end])
        at = end
    if at < len(data):
        frames.append(data[at:])
    return frames


def tag_of(frame: bytes) -> int:
    """Return the tag of a message between nodes, 0 if it begins with anything else: msgpack keeps both in a byte."""
    if len(frame) < HEADER_BYTES + 2 or frame[HEADER_BYTES] & 0xF0 != 0x90 or frame[HEADER_BYTES + 1] > 0x7F:
        return 0
    return frame[HEADER_BYTES + 1]


def flip_bit(data: bytes, bit: int) -> bytes:
    """Return `data` with one bit the other way round."""
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)
