"""The little of HTTP/2 and gRPC that a load generator needs: unary calls, one after the other or many at once.

Written by hand because a generator shares the machine with the servers it measures: the general libraries for Python
spend more on a call than the server does. It speaks to servers that answer as Go's gRPC library does (no padding, no
compression) and says so when one does not. RFC 9113 (HTTP/2), RFC 7541 (HPACK), "gRPC over HTTP2".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import cast

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW_BYTES_MAX = (1 << 31) - 1
WINDOW_BYTES_DEFAULT = 65_535
MESSAGE_BYTES_MAX = 32_768
"""Half a window: a server that returns what it consumed of its window never makes a single call wait."""
INITIAL_WINDOW_SIZE, HEADER_TABLE_SIZE = 4, 1

Reply = bytes | None
"""The answer's protobuf message; None if the call failed."""


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return an HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def headers(authority: str, method: str) -> bytes:
    """Return the header block (HPACK, all literals) of calls of `method`, such as `/etcdserverpb.KV/Put`."""

    def text(value: str) -> bytes:
        assert len(value) < 127, f"one length byte is enough for {value!r}"
        return bytes((len(value),)) + value.encode()

    return b"".join(
        (
            b"\x83\x86",  # :method POST, :scheme http, from the static table
            b"\x04" + text(method),  # :path
            b"\x01" + text(authority),  # :authority
            b"\x0f\x10" + text("application/grpc"),  # content-type
            b"\x00" + text("te") + text("trailers"),
        )
    )


class Connection(asyncio.Protocol):
    """One HTTP/2 connection with any number of open calls; the calls' replies arrive as callbacks.

    lost: why the connection ended; None while it lives.
    """

    def __init__(self) -> None:
        self.lost: str | None = None
        self._received = bytearray()
        self._calls: dict[int, tuple[Callable[[Reply], None], bytearray]] = {}
        self._next_stream = 1
        self._send_window_bytes = WINDOW_BYTES_DEFAULT
        self._unreturned_bytes = 0
        self._waiting: list[tuple[int, bytes, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        settings = b"".join(
            identifier.to_bytes(2, "big") + value.to_bytes(4, "big")
            for identifier, value in ((INITIAL_WINDOW_SIZE, WINDOW_BYTES_MAX), (HEADER_TABLE_SIZE, 0))
        )
        wider = (WINDOW_BYTES_MAX - WINDOW_BYTES_DEFAULT).to_bytes(4, "big")
        self._transport.write(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, wider))

    def call(self, header_block: bytes, message: bytes, on_reply: Callable[[Reply], None]) -> None:
        """Start a unary call; `on_reply` gets the answer later.

        header_block: from `headers`. message: protobuf, at most `MESSAGE_BYTES_MAX` bytes.
        """
        assert len(message) <= MESSAGE_BYTES_MAX, f"{len(message)} bytes do not fit the window of a call"
        if self.lost is not None:
            on_reply(None)
            return
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._calls[stream] = (on_reply, bytearray())
        body = b"\x00" + len(message).to_bytes(4, "big") + message
        if self._waiting or len(body) > self._send_window_bytes:
            self._waiting.append((stream, header_block, body))
        else:
            self._send(stream, header_block, body)

    async def unary(self, header_block: bytes, message: bytes) -> bytes:
        """Make one call and return its answer. Raises: ConnectionError if it failed."""
        done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.call(header_block, message, done.set_result)
        if (reply := await done) is None:
            raise ConnectionError(self.lost or "the server refused the call")
        return reply

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        for kind, flags, stream, payload in self._frames():
            self._on_frame(kind, flags, stream, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(str(exc or "the server closed the connection"))

    def _send(self, stream: int, header_block: bytes, body: bytes) -> None:
        self._send_window_bytes -= len(body)
        self._transport.write(frame(HEADERS, END_HEADERS, stream, header_block) + frame(DATA, END_STREAM, stream, body))

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield (type, flags, stream, payload) of every complete frame received."""
        buffer, start = bytes(self._received), 0
        while len(buffer) - start >= 9:
            end = start + 9 + int.from_bytes(buffer[start : start + 3], "big")
            if end > len(buffer):
                break
            stream = int.from_bytes(buffer[start + 5 : start + 9], "big")
            yield buffer[start + 3], buffer[start + 4], stream, buffer[start + 9 : end]
            start = end
        del self._received[:start]

    def _on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            if flags & PADDED:
                self._fail("the server pads its frames, which is not understood here")
                return
            self._count(len(payload))
            if stream in self._calls:  # not after it failed
                self._calls[stream][1].extend(payload)
        if kind in (DATA, HEADERS) and flags & END_STREAM and stream in self._calls:
            self._finish(stream)
        elif kind == RST_STREAM and stream in self._calls:
            on_reply, _ = self._calls.pop(stream)
            on_reply(None)
        elif kind == GOAWAY:
            self._fail(f"the server says goodbye: {payload[8:]!r}")
        elif kind == WINDOW_UPDATE and stream == 0:
            self._widen(int.from_bytes(payload, "big"))
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self._transport.write(frame(kind, ACK, 0, payload if kind == PING else b""))

    def _finish(self, stream: int) -> None:
        """Hand over a finished answer. A call that failed has trailers and no message."""
        on_reply, body = self._calls.pop(stream)
        complete = len(body) >= 5 and body[0] == 0 and int.from_bytes(body[1:5], "big") == len(body) - 5
        on_reply(bytes(body[5:]) if complete else None)

    def _widen(self, more_bytes: int) -> None:
        self._send_window_bytes += more_bytes
        while self._waiting and len(self._waiting[0][2]) <= self._send_window_bytes:
            self._send(*self._waiting.pop(0))

    def _count(self, payload_bytes: int) -> None:
        """Give the server its window back now and then; it is large."""
        self._unreturned_bytes += payload_bytes
        if self._unreturned_bytes >= WINDOW_BYTES_MAX // 4:
            self._transport.write(frame(WINDOW_UPDATE, 0, 0, self._unreturned_bytes.to_bytes(4, "big")))
            self._unreturned_bytes = 0

    def _fail(self, reason: str) -> None:
        """End the connection and all open calls, unless it has ended."""
        self.lost = self.lost or reason
        self._transport.close()
        calls, self._calls = self._calls, {}
        for on_reply, _ in calls.values():
            on_reply(None)


def field_bytes(number: int, value: bytes) -> bytes:
    """Return a protobuf field of type bytes, string or message, with a number below 16."""
    return bytes((number << 3 | 2,)) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """Return the protobuf form of a number that is not negative."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Return the number at `start` and where it ends. Raises: ValueError if it is cut off or too long."""
    value = 0
    for position in range(start, min(start + 10, len(data))):
        value |= (data[position] & 0x7F) << 7 * (position - start)
        if data[position] < 0x80:
            return value, position + 1
    raise ValueError(f"no number at byte {start} of {len(data)}")


def fields_of(message: bytes) -> dict[int, int | bytes]:
    """Return field number -> value of a protobuf message of numbers, texts and messages; the last of each counts.

    Raises: ValueError if it holds anything else or is cut off.
    """
    found: dict[int, int | bytes] = {}
    position = 0
    while position < len(message):
        tag, position = read_varint(message, position)
        value, position = read_varint(message, position)
        if tag & 7 == 0:
            found[tag >> 3] = value
        elif tag & 7 == 2 and position + value <= len(message):
            found[tag >> 3] = message[position : position + value]
            position += value
        else:
            raise ValueError(f"field {tag >> 3} of type {tag & 7} at byte {position} of {len(message)}")
    return found
