"""Faults from outside: bytes at the ports of nodes that no client and no peer would send (H1, H2, H9)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random

from paxoskv.net import protocol
from paxoskv.net.frames import HEADER, frame
from paxoskv.net.peering import PEER_MAGIC
from paxoskv.testbed.ports import LOOPBACK
from paxoskv.verifier.faults.base import Lane, fault
from paxoskv.verifier.stage import Stage

THROWS = 60
_ANSWER_BYTES_MAX = 1 << 16
_PATIENCE_S = 0.2


@fault(
    "garbage",
    "random bytes, cut and mutated frames, impossible lengths, clients and peers at each other's ports",
    "H1 H2 H3 H9 P32",
    Lane.NODES,
    hold_s=(0, 0),
)
async def _garbage(stage: Stage, random: Random) -> AsyncIterator[str]:
    targets = [
        port
        for node in stage.cluster.nodes
        for port in (stage.cluster.member(node).addresses.client, stage.cluster.member(node).addresses.peer)
    ]
    throws = ((random.choice(targets), nonsense(random)) for _ in range(THROWS))
    await asyncio.gather(*(throw_garbage(port, data) for port, data in throws))
    yield f"{len(targets)} ports"


async def throw_garbage(port: int, data: bytes) -> None:
    """Send bytes to a port, hear for a moment what it says, and hang up. A refusal is a fair answer."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(10 * _PATIENCE_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(data)
                async with asyncio.timeout(_PATIENCE_S):
                    await reader.read(_ANSWER_BYTES_MAX)
            finally:
                writer.close()


def nonsense(random: Random) -> bytes:
    """Return bytes that are wrong in one of many ways, most of them nearly right."""
    greeting = random.choice(
        (
            protocol.encode(protocol.MAGIC, protocol.PROTOCOL),
            protocol.encode(PEER_MAGIC, protocol.PROTOCOL, "cluster", 1, "life", "127.0.0.1:1", 2, []),
        )
    )
    whole = frame(greeting)
    match random.randrange(6):
        case 0:
            return random.randbytes(random.randrange(1, 4096))
        case 1:
            return whole[: random.randrange(1, len(whole))]
        case 2:
            return HEADER.pack(random.choice((0, 1 << 31, (1 << 32) - 1)), 0) + random.randbytes(64)
        case 3:
            return whole + frame(random.randbytes(random.randrange(1, 512)))
        case 4:
            return whole + frame(b"\x91" * 2000) + struct.pack(">I", 1 << 30)
        case _:
            at = random.randrange(len(whole))
            return whole[:at] + bytes([whole[at] ^ 1 << random.randrange(8)]) + whole[at + 1 :] + whole
