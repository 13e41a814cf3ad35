"""One TCP connection that carries frames, whichever side it is."""

from __future__ import annotations

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from typing import cast

from paxoskv.net.frames import FrameError, FrameReader, frame
from paxoskv.net.protocol import ProtocolError

log = logging.getLogger(__name__)

HELLO_TIMEOUT_S = 5.0
_USER_TIMEOUT_MS = 5000
FLUSH_BYTES = 64 << 10
"""Frames of one turn of the loop leave in one write, or in several of about this size."""


class FrameStream(asyncio.Protocol, ABC):
    """Cuts what arrives into payloads, writes frames, and closes with a reason.

    A subclass handles `on_payload` and `on_closed`. Anything wrong with the bytes closes this connection and
    nothing else (H1): raise ProtocolError, or a subclass of ValueError named in `faults`.
    """

    faults: tuple[type[ValueError], ...] = (FrameError, ProtocolError)

    def __init__(self, write_bytes_max: int) -> None:
        self.reader = FrameReader()
        self.peername = "nobody"
        self.closed_because: str | None = None
        self._write_bytes_max = write_bytes_max
        self._loop = asyncio.get_running_loop()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._turn_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._hello_timer: asyncio.TimerHandle | None = None

    # For subclasses

    @abstractmethod
    def on_payload(self, payload: bytes) -> None:
        """A frame arrived."""

    @abstractmethod
    def on_closed(self, reason: str) -> None:
        """The connection is gone; called once, only after it was made."""

    def refusal(self, reason: str) -> bytes | None:
        """Return the last payload for the other side before a close by our fault-finding, None for silence."""
        return None

    def on_turn(self) -> None:
        """A turn in which something was sent is over."""

    # For the owner

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent."""
        return self._transport is not None and self.closed_because is None

    def send(self, payload: bytes) -> None:
        """Send one frame at the end of this turn of the loop, together with what else the turn brings.

        Nothing is sent on a closed connection. A reader too slow for its queue is cut off (P33).
        """
        if self._transport is not None and self.closed_because is None:
            self.send_frame(frame(payload))

    def send_frame(self, framed: bytes) -> None:
        """Send what is a whole frame already, on an open connection."""
        if not self._turn_bytes:
            self._loop.call_soon(self._end_turn)
        self._outgoing.append(framed)
        self._outgoing_bytes += len(framed)
        self._turn_bytes += len(framed)
        if self._outgoing_bytes > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what the turn has brought so far; for frames that somebody waits for."""
        outgoing, self._outgoing, self._outgoing_bytes = self._outgoing, [], 0
        if not outgoing or self._transport is None or self.closed_because is not None:
            return
        self._transport.write(b"".join(outgoing) if len(outgoing) > 1 else outgoing[0])
        if self._transport.get_write_buffer_size() > self._write_bytes_max:
            self.abort(f"more than {self._write_bytes_max} bytes wait to be read by {self.peername}")

    def hello_done(self, frame_bytes_max: int) -> None:
        """The other side is known: lift the limits that held until now."""
        self.reader.frame_bytes_max = frame_bytes_max
        if self._hello_timer:
            self._hello_timer.cancel()
            self._hello_timer = None

    def close(self, reason: str) -> None:
        """Close after what is written has left."""
        if self._transport and self.closed_because is None:
            self.flush()
        if self._transport and self.closed_because is None:
            self.closed_because = reason
            self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once; unsent frames are lost."""
        if self._transport and self.closed_because is None:
            self.closed_because = reason
            self._transport.abort()

    def refuse(self, reason: str) -> None:
        """Tell the other side why, and close."""
        if self.is_open:
            log.warning("connection refused", extra={"remote": self.peername, "reason": reason})
            last = self.refusal(reason)
            if last is not None:
                self.send(last)
            self.close(reason)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        host_port = transport.get_extra_info("peername")
        self.peername = f"{host_port[0]}:{host_port[1]}" if host_port else "unknown"
        _detect_dead_peer(transport)
        self._hello_timer = self._loop.call_later(HELLO_TIMEOUT_S, self._no_hello)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self.reader.feed(data):
                if self.closed_because is not None:
                    return
                self.on_payload(payload)
        except self.faults as error:
            self.refuse(str(error))

    def connection_lost(self, error: Exception | None) -> None:
        reason = self.closed_because or (str(error) if error else "closed by the other side")
        self.closed_because = reason
        if self._hello_timer:
            self._hello_timer.cancel()
        self.on_closed(reason)

    def _end_turn(self) -> None:
        self._turn_bytes = 0
        self.flush()
        self.on_turn()

    def _no_hello(self) -> None:
        self.refuse(f"no hello within {HELLO_TIMEOUT_S:g} s")


def _detect_dead_peer(transport: asyncio.Transport) -> None:
    """Let the kernel end a connection whose other end vanished without a word (R22)."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
