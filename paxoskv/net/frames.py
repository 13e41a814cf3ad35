"""Frames on a byte stream: 4 bytes length, 4 bytes CRC-32 of the payload, the payload.

Both numbers are big-endian; the length counts the payload alone. The length is checked before a byte of
the payload is kept, so a frame of 2 GiB costs nothing (P32, H2); a flipped bit on the wire never becomes data (R21).
"""

from __future__ import annotations

import struct
from zlib import crc32

HEADER = struct.Struct(">II")
HEADER_BYTES = HEADER.size

HELLO_FRAME_BYTES_MAX = 4096
"""Cap of every frame before the hello was accepted."""

CLIENT_FRAME_BYTES_MAX = 2 << 20
"""Of what a client sends."""
ANSWER_FRAME_BYTES_MAX = 5 << 20
"""Of what a client is sent: one event may hold a value and the one before it."""
PEER_FRAME_BYTES_MAX = 4 << 20


class FrameError(ValueError):
    """The bytes are not a frame of ours: too long, empty, or damaged. The connection is of no more use."""


def frame(payload: bytes) -> bytes:
    """Return `payload` with its header, ready for the wire."""
    return HEADER.pack(len(payload), crc32(payload)) + payload


class FrameReader:
    """Cuts a byte stream into payloads. `frame_bytes_max` may be raised once the other side is known."""

    __slots__ = ("_rest", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int = HELLO_FRAME_BYTES_MAX) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads completed by `data`, in order.

        Raises: FrameError, naming what is wrong; payloads before the bad one are lost with the connection.
        """
        if self._rest:
            self._rest += data
            if not self._complete():
                return []
            data = bytes(self._rest)
            self._rest = bytearray()
        payloads, at, end = [], 0, len(data)
        while end - at >= HEADER_BYTES:
            length, checksum = HEADER.unpack_from(data, at)
            self._check_length(length)
            stop = at + HEADER_BYTES + length
            if stop > end:
                break
            payload = data[at + HEADER_BYTES : stop]
            if crc32(payload) != checksum:
                raise FrameError(f"frame of {length} bytes fails its checksum: damaged on the way")
            payloads.append(payload)
            at = stop
        if at < end:
            self._rest += data[at:] if at else data
        return payloads

    def _complete(self) -> bool:
        """Whether the kept bytes hold a whole frame: parsing waits for it, so slow bytes cost no copies (H5)."""
        if len(self._rest) < HEADER_BYTES:
            return False
        length = int.from_bytes(self._rest[:4], "big")
        self._check_length(length)
        return len(self._rest) >= HEADER_BYTES + length

    def _check_length(self, length: int) -> None:
        if not 0 < length <= self.frame_bytes_max:
            raise FrameError(
                f"frame length {length} is outside 1..{self.frame_bytes_max}: not a paxoskv peer, or a frame too large"
            )
