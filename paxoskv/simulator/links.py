"""Directed links between hosts, and how they treat what travels on them.

A link delays, is narrow, or is cut. It may also be meddled with by a frame-aware proxy, which loses, repeats, overtakes
and damages single frames: worse than TCP, and within what the protocol has to bear (P31).
"""

from __future__ import annotations

from dataclasses import dataclass

from paxoskv.net.frames import HEADER_BYTES


@dataclass(slots=True)
class Mood:
    """How a link treats what travels on it.

    delay_s: mean of an exponential distribution, beside `base_s`. bytes_per_s: 0 is without limit.
    loss, duplicate, reorder, corrupt: probability of a frame. fragment: probability that a chunk arrives in two.
    held_tags, held_s: frames that begin with one of these tags take so much longer. copied_tags, copied_s, copies: such
    frames arrive so many times more, about that much later. Tags are those of `net.codec`.
    """

    base_s: float = 0.0001
    delay_s: float = 0.0003
    bytes_per_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    fragment: float = 0.0
    held_tags: tuple[int, ...] = ()
    held_s: float = 0.0
    copied_tags: tuple[int, ...] = ()
    copied_s: float = 0.0
    copies: int = 1

    @property
    def meddles(self) -> bool:
        """Whether single frames are treated badly."""
        return bool(self.loss or self.duplicate or self.reorder or self.corrupt or self.held_tags or self.copied_tags)


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
