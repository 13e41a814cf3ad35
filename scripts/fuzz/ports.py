"""Targets that are ports: whole nodes in this process, their connections fed with frames of noise."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

from paxoskv.kv.commands import BadBatch
from paxoskv.net.frames import frame
from paxoskv.net.stream import FrameStream
from paxoskv.paxos.ballot import Ballot
from scripts.fuzz import samples
from scripts.fuzz.noise import Noise, Tree, packed
from scripts.fuzz.target import REFUSED, STOPPED, TAKEN, Finding, Tally, Target, shown
from scripts.fuzz.town import Town
from scripts.fuzz.victim import Victim

FRAMES_PER_CONNECTION = 100
SAMPLES_KEPT = 20
"""Frames made from the same samples before new ones are drawn."""

SLOT_AHEAD_MAX = 32
"""Instead of a million: a gap so far that a forged vote makes is filled in no time, and the limit is met often."""

_HELLO = frame(packed(samples.HELLO))


@contextmanager
def conditions() -> Iterator[None]:
    """No log lines, of which every refusal would make one; and limits so small that they matter."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            mock.patch("paxoskv.paxos.log.SLOT_AHEAD_MAX", SLOT_AHEAD_MAX),
            mock.patch("paxoskv.paxos.plausibility.SLOT_AHEAD_MAX", SLOT_AHEAD_MAX),
        ):
            yield
    finally:
        logging.disable(before)


async def client_port(noise: Noise, inputs: int, tally: Tally) -> None:
    """A node alone, its clients hostile but for one: nothing escapes, and the one is served before and after."""
    with conditions():
        town = Town((1,), (1,), noise.rng.getrandbits(32))
        await town.serve_a_client(b"before")
        done = tally.inputs + inputs
        while tally.inputs < done:
            stream, pipe = town.nodes[1].client()
            valid = samples.requests(noise.rng)
            if noise.rng.random() < 0.9:
                stream.data_received(_HELLO)
            else:
                valid = [samples.HELLO]
            await _pester(town, stream, noise, itertools.repeat(valid), done - tally.inputs, tally)
            pipe.hang_up()
            pipe.payloads()
        await town.serve_a_client(b"after")
        if town.failure is not None:
            raise Finding(f"a client stopped the node: {town.failure!r}") from town.failure


async def peer_port(noise: Noise, inputs: int, tally: Tally) -> None:
    """Nodes 1 and 3 of three are sound, node 2 sends noise to both: they go on, or stop for a forged message."""
    with conditions():
        done = tally.inputs + inputs
        while tally.inputs < done:
            town = Town((1, 2, 3), (1, 3), noise.rng.getrandbits(32))
            await town.serve_a_client(b"before")
            while tally.inputs < done and town.failure is None:
                await _torment(town, noise, done - tally.inputs, tally)
            await town.serve_a_client(b"after")


async def _torment(town: Town, noise: Noise, frames_max: int, tally: Tally) -> None:
    """Be node 2 for the length of one connection."""
    victim = noise.rng.choice(list(town.nodes.values()))
    node = victim.replica.node
    stream, pipe = victim.peer()
    cards = samples.cards(node, max(samples.SEQ, victim.introductions.memory.seen(samples.PEER)))
    valid: Iterable[Sequence[Tree]] = itertools.repeat(cards)
    if noise.rng.random() < 0.9:
        stream.data_received(frame(packed(cards[0])))
        while stream.peer is None and stream.is_open:
            await town.turn()
        valid = _words_of_node_2(victim, noise)
    await _pester(town, stream, noise, valid, frames_max, tally)
    pipe.hang_up()
    await town.turn()


def _words_of_node_2(victim: Victim, noise: Noise) -> Iterator[Sequence[Tree]]:
    """Yield what node 2 might say now: about the next slots, in its last ballot or one just above all promises."""
    while True:
        replica = victim.replica
        round_ = replica.promised.round + (replica.promised.node != samples.PEER)
        slot = replica.log.commit_slot + noise.rng.randrange(1, 3)
        yield from itertools.repeat(samples.peer_payloads(noise.rng, Ballot(round_, samples.PEER), slot), SAMPLES_KEPT)


async def _pester(
    town: Town, stream: FrameStream, noise: Noise, valid: Iterable[Sequence[Tree]], frames_max: int, tally: Tally
) -> None:
    """Send frames near valid ones until there were enough, or until the node has closed the connection."""
    for payloads in itertools.islice(valid, min(frames_max, FRAMES_PER_CONNECTION)):
        framed = noise.frame(noise.payload(noise.rng.choice(payloads)))
        try:
            for piece in noise.pieces(framed):
                if stream.is_open:
                    stream.data_received(piece)
            await town.turn()
        except (AssertionError, BadBatch) as error:
            town.stop(error)
        except Exception as error:
            raise Finding(f"{type(error).__name__}: {error}, out of frame {shown(framed)}") from error
        if town.failure is not None:
            tally.count(STOPPED)
            return
        tally.count(TAKEN if stream.is_open else REFUSED)
        if not stream.is_open:
            return


PORTS = (Target("client-port", 500, client_port), Target("peer-port", 500, peer_port))
