"""The target that is our own client: a node says noise to it (H1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from paxoskv.client import answers
from paxoskv.client.channel import Channel
from paxoskv.client.connection import Connection
from paxoskv.client.endpoints import Endpoint
from paxoskv.client.keys import Interval
from paxoskv.client.stream import Stream
from paxoskv.errors import PaxoskvError
from paxoskv.net import protocol
from paxoskv.net.frames import frame
from scripts.fuzz import samples
from scripts.fuzz.noise import Noise, packed
from scripts.fuzz.target import REFUSED, TAKEN, Finding, Tally, Target, shown
from scripts.fuzz.victim import Pipe

DEADLINE_S = 60.0
OPERATIONS = 20
WATCHES = 5
"""Calls and watches that are open at the same time."""
FRAMES_PER_CONNECTION = 50

_PARSERS: tuple[Callable[[tuple[Any, ...]], Any], ...] = (
    answers.write_answer,
    answers.delete_answer,
    answers.cas_answer,
    answers.get_answer,
    answers.range_answer,
    answers.put_with_answer,
    answers.delete_range_answer,
    answers.grant_answer,
    answers.keep_alive_answer,
    answers.txn_answer,
    answers.lease_answer,
    answers.leases_answer,
    answers.status_answer,
)


async def client(noise: Noise, inputs: int, tally: Tally) -> None:
    """Calls end with a result or a PaxoskvError, whatever the node says; every fault of it costs the connection."""
    channel = Channel(DEADLINE_S, OPERATIONS, Random(noise.rng.getrandbits(32)))
    calls = [asyncio.ensure_future(_call(channel, number)) for number in range(OPERATIONS)]
    for cut in range(WATCHES):
        channel.streams.open(Stream(Interval(b"", b""), 0, 1, cut))
    await asyncio.sleep(0)
    done = tally.inputs + inputs
    while tally.inputs < done:
        connection, pipe = Connection(Endpoint("127.0.0.1", 7301), channel), Pipe()
        pipe.connect(connection)
        if noise.rng.random() < 0.9:
            connection.data_received(frame(packed(samples.answers(noise.rng)[0])))
            channel.adopt(connection)
        await _say_noise(connection, channel, noise, done - tally.inputs, tally)
        connection.abort("enough")
        await asyncio.sleep(0)
    channel.close("enough")
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, PaxoskvError):
            raise Finding(f"a call ended with {outcome!r}") from outcome


async def _call(channel: Channel, number: int) -> None:
    """Call again as soon as a call ends, until the channel is closed."""
    parse = _PARSERS[number % len(_PARSERS)]
    deadline_s = asyncio.get_running_loop().time() + DEADLINE_S
    while not channel.closed_because:
        operation = channel.operation(parse, deadline_s, number % 2 == 0, protocol.STATUS)
        try:
            await channel.perform(operation)
        except PaxoskvError:
            await asyncio.sleep(0)


async def _say_noise(connection: Connection, channel: Channel, noise: Noise, frames_max: int, tally: Tally) -> None:
    """Say something near a sound answer until there was enough, or until the client has hung up."""
    for _ in range(min(frames_max, FRAMES_PER_CONNECTION)):
        valid = samples.answers(noise.rng, noise.rng.choice([*channel._open, *channel.streams._by_number]))
        framed = noise.frame(noise.payload(noise.rng.choice(valid if not connection.node else valid[2:])))
        try:
            for piece in noise.pieces(framed):
                if connection.is_open:
                    connection.data_received(piece)
            await asyncio.sleep(0)
        except Exception as error:
            raise Finding(f"{type(error).__name__}: {error}, out of frame {shown(framed)}") from error
        tally.count(TAKEN if connection.is_open else REFUSED)
        if not connection.is_open:
            return


CLIENTS = (Target("client", 500, client),)
