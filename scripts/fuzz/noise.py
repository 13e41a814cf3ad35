"""Hostile bytes and values, made out of valid ones by a seeded generator."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgpack

from paxoskv.net.frames import HEADER, frame

Tree = Any
"""What msgpack carries: numbers, bytes, text, None, booleans, and tuples, lists and maps of them."""

NUMBERS = (
    *(0, 1, -1, 2, 7, 127, 128, 255, 256, -128, -129, 4096, 65_535, 65_536),
    *((1 << bits) + more for bits in (31, 32, 53, 62, 63) for more in (-1, 0, 1)),
    (1 << 64) - 1,
    -(1 << 63),
)
"""Where types, limits and signs change (H2, H14)."""

TEXTS = ("", "a", "\0", "paxoskv", "paxoskv-peer", "é" * 40, "x" * 5000, "127.0.0.1:7301", "[::1]:1", "../../etc")

RAW = (
    b"",
    b"\xc1",
    b"\x91" * 3000 + b"\xc0",
    b"\x91" * 100_000,
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\x7f\xff\xff\xff",
    b"\xdd\x00\x00\xff\xff" * 1000,
    b"\x81\x01\x02",
    b"\x91\xa1\xff",
    b"\x91\xc7\x01\x05a",
    b"\x91\xd6\xff\x00\x00\x00\x00",
    b"\x92\x01\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"\x92\x82\xa1a\x01\xa1a\x02\x01",
)
"""Nesting bombs, headers that claim gigabytes, extension types, timestamps, NaN, double keys (H3)."""


class Noise:
    """Draws from `rng` alone: the same seed makes the same noise."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self._tree_changes: tuple[Callable[[list[Tree]], None], ...] = (
            self._drop,
            self._cut,
            self._repeat,
            self._insert,
            self._swap,
        )

    def payload(self, valid: Tree) -> bytes:
        """Return a payload near `valid`: of changed fields, of changed bytes, seldom of neither or of both."""
        draw = self.rng.random()
        if draw < 0.05:
            return self.rng.choice(RAW)
        if draw < 0.15:
            return packed(valid)
        if draw < 0.60:
            return packed(self.tree(valid))
        return self.spoil(packed(valid if draw < 0.95 else self.tree(valid)))

    def tree(self, value: Tree) -> Tree:
        """Return `value` with one part of it changed, dropped, repeated, added or exchanged."""
        if isinstance(value, (tuple, list)) and value:
            parts = list(value)
            if self.rng.random() < 0.75:
                place = self.rng.randrange(len(parts))
                parts[place] = self.tree(parts[place])
            else:
                self.rng.choice(self._tree_changes)(parts)
            return tuple(parts)
        return self.leaf(value) if self.rng.random() < 0.6 else self.hostile()

    def leaf(self, value: Tree) -> Tree:
        """Return something of the kind of `value`, at a border or near it."""
        if type(value) is int:
            return self._number(value)
        if isinstance(value, bytes):
            return self.spoil(value)
        if isinstance(value, str):
            return self.rng.choice(TEXTS)
        return self.hostile()

    def hostile(self) -> Tree:
        """Return a value of any kind that msgpack can carry."""
        rng = self.rng
        match rng.randrange(10):
            case 0 | 1 | 2:
                return rng.choice(NUMBERS)
            case 3:
                return rng.randbytes(rng.choice((0, 1, 8, 100, 5000)))
            case 4:
                return rng.choice(TEXTS)
            case 5:
                return rng.choice((None, True, False, 0.0, -1.5, float("nan"), float("inf")))
            case 6:
                return msgpack.ExtType(rng.randrange(128), rng.randbytes(rng.randrange(4)))
            case 7:
                return {rng.choice(TEXTS): rng.choice(NUMBERS), b"k": None}
            case 8:
                return {rng.choice(NUMBERS): rng.choice(TEXTS)}
            case _:
                return [rng.choice(NUMBERS)] * rng.choice((0, 1, 2, 9, 300))

    def spoil(self, valid: bytes) -> bytes:
        """Return bytes near `valid`: flipped, replaced, inserted, removed, repeated or cut."""
        rng = self.rng
        changed = bytearray(valid)
        for _ in range(1 if rng.random() < 0.7 else rng.randrange(2, 8)):
            if not changed:
                return rng.randbytes(rng.randrange(20))
            at = rng.randrange(len(changed))
            match rng.randrange(8):
                case 0 | 1:
                    changed[at] ^= 1 << rng.randrange(8)
                case 2 | 3:
                    changed[at] = rng.randrange(256)
                case 4:
                    changed[at:at] = rng.randbytes(rng.randrange(1, 9))
                case 5:
                    del changed[at : at + rng.randrange(1, 9)]
                case 6:
                    changed[at:at] = changed[at : at + rng.randrange(1, 40)]
                case _:
                    del changed[at:]
        return bytes(changed)

    def frame(self, payload: bytes) -> bytes:
        """Return `payload` in its frame, seldom in a damaged one or behind the header of another."""
        draw = self.rng.random()
        if draw < 0.92:
            return frame(payload)
        if draw < 0.98:
            return self.spoil(frame(payload))
        return HEADER.pack(self.rng.choice(NUMBERS) & 0xFFFFFFFF, self.rng.getrandbits(32)) + payload

    def pieces(self, stream: bytes) -> list[bytes]:
        """Cut a stream as a network might: mostly not at all, sometimes anywhere, seldom after every byte."""
        draw = self.rng.random()
        if draw < 0.85 or len(stream) < 2:
            return [stream]
        if draw < 0.99 or len(stream) > 2000:
            at = self.rng.randrange(1, len(stream))
            return [stream[:at], stream[at:]]
        return [stream[at : at + 1] for at in range(len(stream))]

    def _number(self, value: int) -> int:
        draw = self.rng.random()
        if draw < 0.4:
            return value + self.rng.choice((-2, -1, 1, 2, 1000))
        if draw < 0.7:
            return value ^ (1 << self.rng.randrange(64))
        return self.rng.choice(NUMBERS)

    def _drop(self, parts: list[Tree]) -> None:
        del parts[self.rng.randrange(len(parts))]

    def _cut(self, parts: list[Tree]) -> None:
        del parts[self.rng.randrange(len(parts)) :]

    def _repeat(self, parts: list[Tree]) -> None:
        place = self.rng.randrange(len(parts))
        parts[place:place] = [parts[place]] * self.rng.choice((1, 1, 2, 50))

    def _insert(self, parts: list[Tree]) -> None:
        parts.insert(self.rng.randrange(len(parts) + 1), self.hostile())

    def _swap(self, parts: list[Tree]) -> None:
        one, other = self.rng.randrange(len(parts)), self.rng.randrange(len(parts))
        parts[one], parts[other] = parts[other], parts[one]


def packed(tree: Tree) -> bytes:
    """Return the msgpack of a tree; numbers beyond 64 bits, which it cannot carry, as the nearest one it can."""
    try:
        data: bytes = msgpack.packb(tree)
    except (OverflowError, ValueError):
        data = msgpack.packb(_bounded(tree))
    return data


def _bounded(tree: Tree) -> Tree:
    if isinstance(tree, (tuple, list)):
        return [_bounded(part) for part in tree]
    if isinstance(tree, dict):
        return {_bounded(key): _bounded(value) for key, value in tree.items()}
    if type(tree) is int:
        return min(max(tree, -(1 << 63)), (1 << 64) - 1)
    return tree
