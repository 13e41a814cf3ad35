"""One end of a simulated connection, with the face that asyncio's protocols know."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from paxoskv.simulator.links import Link, Mood, flip_bit, frames_in, tag_of

if TYPE_CHECKING:
    import asyncio

    from paxoskv.simulator.network import Network
    from paxoskv.simulator.process import Process

USER_TIMEOUT_S = 5.0
"""Bytes that meet a cut link wait so long for it; then the sender's kernel gives the connection up (R22)."""

_LATE_S_MAX = 2.0
"""A repeated or overtaken frame arrives within this time, perhaps over a later connection's head."""


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
        self._read()

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
            for _ in range(mood.copies if tag in mood.copied_tags else 0):
                self.inject(frame, mood.copied_s * rng.uniform(0.5, 1.5))
            if tag in mood.held_tags:
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
            self._network.on_timeout()
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
        """Hand over what has arrived, as long as somebody reads; before anybody has the connection, it waits."""
        while self._protocol is not None and self._reads and self._unread:
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
