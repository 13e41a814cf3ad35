"""Faults of single links and connections: what a bad network does to bytes on their way."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from paxoskv.net.frames import frame
from paxoskv.simulator.faults.catalogue import fault
from paxoskv.simulator.links import Link
from paxoskv.simulator.scene import Scene

_TAGS = range(1, 14)
"""Of the messages between cores, in `paxoskv.net.codec`."""


def _for_a_while(scene: Scene, rng: Random, peers: bool = False, **mood: Any) -> None:
    """Change the mood of some links for a while.

    peers: of links among nodes alone; clients count on TCP, which neither loses, repeats nor reorders.
    """

    def change(link: Link) -> None:
        link.mood = replace(link.mood, **mood)

    scene.while_it_lasts(scene.some_links(rng, peers), rng.choice((0.2, 1.0, 5.0)), change)


@fault("loss", "S1", "frames vanish between nodes")
def lose(scene: Scene, rng: Random) -> None:
    """Up to a third of the frames."""
    _for_a_while(scene, rng, peers=True, loss=rng.choice((0.01, 0.1, 0.3)))


@fault("duplicate", "S2", "frames between nodes arrive twice, the copy up to 2 s later")
def duplicate(scene: Scene, rng: Random) -> None:
    """Up to half of the frames."""
    _for_a_while(scene, rng, peers=True, duplicate=rng.choice((0.05, 0.2, 0.5)))


@fault("delay", "S3", "links become slow")
def delay(scene: Scene, rng: Random) -> None:
    """From a few milliseconds to an election timeout."""
    _for_a_while(scene, rng, delay_s=rng.choice((0.005, 0.03, 0.2)))


@fault("reorder", "S4", "frames between nodes are overtaken by later ones")
def reorder(scene: Scene, rng: Random) -> None:
    """By milliseconds or by seconds."""
    _for_a_while(scene, rng, peers=True, reorder=rng.choice((0.02, 0.1, 0.4)))


@fault("hold back", "S3", "all messages of one kind between nodes are late, by up to seconds", per_minute=30)
def hold_back(scene: Scene, rng: Random) -> None:
    """A Promise that arrives after two more elections, an Accepted after the slot is settled (P11, P31)."""
    _for_a_while(scene, rng, peers=True, held_tags=(rng.choice(_TAGS),), held_s=rng.choice((0.05, 0.5, 2.0)))


@fault("copy late", "S2", "all messages of one kind between nodes arrive once more, up to seconds later", per_minute=30)
def copy_late(scene: Scene, rng: Random) -> None:
    """Copies find another world than the originals did (P31)."""
    _for_a_while(scene, rng, peers=True, copied_tags=(rng.choice(_TAGS),), copied_s=rng.choice((0.05, 0.5, 2.0)))


@fault("corrupt", "R21", "bits flip on the way")
def corrupt(scene: Scene, rng: Random) -> None:
    """The checksum of the frame has to catch it."""
    _for_a_while(scene, rng, corrupt=rng.choice((0.002, 0.02)))


@fault("fragment", "H1", "chunks arrive in pieces", per_minute=10)
def fragment(scene: Scene, rng: Random) -> None:
    """A stream keeps no boundaries."""
    _for_a_while(scene, rng, fragment=rng.choice((0.1, 0.9)))


@fault("narrow", "S4", "links have little capacity")
def narrow(scene: Scene, rng: Random) -> None:
    """A few kilobytes a second, or less: what is sent piles up."""
    _for_a_while(scene, rng, bytes_per_s=rng.choice((300.0, 2_000.0, 20_000.0)))


@fault("clog", "S7", "links hold everything back, then let it go at once")
def clog(scene: Scene, rng: Random) -> None:
    """Connections stay up, nothing moves."""
    links = scene.some_links(rng)
    scene.cut(links, "hold")
    scene.later(rng.choice((0.05, 0.5, 2.0, 7.0)), lambda: scene.restore(links))


@fault("reset", "S1", "connections break", per_minute=30)
def reset(scene: Scene, rng: Random) -> None:
    """What is under way is lost; both ends notice."""
    for link in scene.some_links(rng):
        for transport in scene.network.between(link.frm, link.to):
            transport.cut()


@fault("replay", "P31", "frames of an earlier connection appear on a later one", per_minute=15)
def replay(scene: Scene, rng: Random) -> None:
    """Record what passes on some links for a while, and send it again later."""
    for link in scene.some_links(rng):
        if link.frm in scene.ids and link.to in scene.ids:
            link.record = []
            scene.later(rng.choice((0.1, 0.5)), partial(_play, scene, link, rng))


def _play(scene: Scene, link: Link, rng: Random) -> None:
    after_s = rng.choice((0.0, 0.3, 2.0))
    recorded, link.record = link.record or [], None

    def again() -> None:
        transports = [t for t in scene.network.between(link.frm, link.to) if t.is_dialled]
        for data in recorded[-50:] if transports else ():
            transports[-1].inject(data, 0.0)

    scene.later(after_s, again)


@fault("garbage", "H1", "bytes that are no frames, or frames that are no messages, arrive at a node", per_minute=10)
def garbage(scene: Scene, rng: Random) -> None:
    """On an established connection, as a broken peer or client would send them."""
    for transport in list(scene.network.transports):
        if transport.link.to in scene.ids and rng.random() < 0.2:
            junk = rng.randbytes(rng.randrange(1, 60))
            transport.inject(rng.choice((junk, frame(junk), frame(b"\x91\x07"))), 0.0)
