"""Partitions: who cannot hear whom, for a while."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from paxoskv.simulator.faults.catalogue import fault
from paxoskv.simulator.links import Link
from paxoskv.simulator.scene import Scene


def _keep(scene: Scene, rng: Random, kept: set[tuple[int, int]]) -> None:
    """Cut every link among nodes but the pairs in `kept`, in one of the ways in which links are cut."""
    network = scene.network
    _cut_for_a_while(scene, rng, [link for link in network.links(scene.ids) if (link.frm, link.to) not in kept])


def _cut_for_a_while(scene: Scene, rng: Random, links: list[Link]) -> None:
    scene.cut(links, rng.choice(("hold", "drop", "reset")))
    scene.later(rng.choice((0.3, 1.0, 3.0, 8.0)), lambda: scene.restore(links))


def _both(pairs: list[tuple[int, int]]) -> set[tuple[int, int]]:
    return {*pairs, *((b, a) for a, b in pairs)}


def _around(ids: list[int], hub: int) -> list[tuple[int, int]]:
    return [(hub, node) for node in ids if node != hub]


@fault("isolate", "S5", "one node is cut off from all others")
def isolate(scene: Scene, rng: Random) -> None:
    """Its clients may still reach it: it must not serve them anything old."""
    node = scene.victim(rng).node
    links = [link for link in scene.network.links(scene.ids) if node in (link.frm, link.to)]
    _cut_for_a_while(scene, rng, links)


@fault("split", "S5", "the nodes fall into two groups")
def split(scene: Scene, rng: Random) -> None:
    """Clients go with either."""
    ids = list(scene.ids)
    rng.shuffle(ids)
    left = ids[: rng.randrange(1, len(ids))]
    _cut_for_a_while(scene, rng, [link for link in scene.network.links(ids) if (link.frm in left) != (link.to in left)])


@fault("one way", "S6", "one node can send and not hear, or hear and not send")
def one_way(scene: Scene, rng: Random) -> None:
    """It must neither lead nor depose for ever (P21)."""
    node, deaf = scene.victim(rng).node, rng.random() < 0.5
    links = [link for link in scene.network.links(scene.ids) if node == (link.to if deaf else link.frm)]
    _cut_for_a_while(scene, rng, links)


@fault("random links", "S6", "every directed link is cut with some probability")
def random_links(scene: Scene, rng: Random) -> None:
    """No shape at all."""
    share = rng.choice((0.2, 0.5, 0.8))
    _cut_for_a_while(scene, rng, [link for link in scene.network.links(scene.ids) if rng.random() < share])


@fault("quorum loss", "S7", "everybody reaches one node only, which does not lead (P20a)")
def quorum_loss(scene: Scene, rng: Random) -> None:
    """The leader is alive, and seen, but has no quorum."""
    ids = scene.ids
    leader = scene.victim(rng).node
    hub = rng.choice([node for node in ids if node != leader])
    _keep(scene, rng, _both(_around(ids, hub)))


@fault("constrained election", "S7", "only one node has a quorum, and its log may be old (P20b)")
def constrained_election(scene: Scene, rng: Random) -> None:
    """The leader is gone altogether; the others reach one node, and not each other."""
    ids = scene.ids
    leader = scene.victim(rng).node
    hub = rng.choice([node for node in ids if node != leader])
    _keep(scene, rng, _both([pair for pair in _around(ids, hub) if leader not in pair]))


@fault("chained", "S7", "a chain: neighbours hear each other, the ends do not (P20c)")
def chained(scene: Scene, rng: Random) -> None:
    """Gossip about ballots along the chain must not go round for ever."""
    ids = list(scene.ids)
    rng.shuffle(ids)
    _keep(scene, rng, _both(list(pairwise(ids))))


@fault("bridge", "S7", "two groups, and one node that reaches both")
def bridge(scene: Scene, rng: Random) -> None:
    """The groups do not hear each other."""
    ids = list(scene.ids)
    rng.shuffle(ids)
    middle, rest = ids[0], ids[1:]
    half = len(rest) // 2
    groups = (rest[:half], rest[half:])
    inside = [(a, b) for group in groups for a in group for b in group if a != b]
    _keep(scene, rng, _both(_around(ids, middle)) | _both(inside))


@fault("ring", "S7", "everybody hears two neighbours only")
def ring(scene: Scene, rng: Random) -> None:
    """With three nodes nothing is cut, so one direction of the ring is."""
    ids = list(scene.ids)
    rng.shuffle(ids)
    around = list(zip(ids, ids[1:] + ids[:1], strict=True))
    _keep(scene, rng, set(around) if len(ids) == 3 else _both(around))


@fault("flap", "S7", "a link goes down and up again quickly", per_minute=10)
def flap(scene: Scene, rng: Random) -> None:
    """Ten times or so, each time for about 100 ms."""
    a, b = rng.sample(scene.ids, 2)
    links = [scene.network.link(a, b), scene.network.link(b, a)]
    how = rng.choice(("hold", "drop", "reset"))
    for turn in range(10):
        scene.later(turn * 0.2, lambda: scene.cut(links, how))
        scene.later(turn * 0.2 + rng.uniform(0.02, 0.18), lambda: scene.restore(links))


@fault("unreachable for clients", "S5", "clients cannot reach some nodes, or do not hear their answers (S23)")
def unreachable(scene: Scene, rng: Random) -> None:
    """A lost response leaves its client in doubt."""
    node = scene.victim(rng).node
    hosts = [program.host for program in scene.programs if rng.random() < 0.7]
    towards = [scene.network.link(host, node) for host in hosts]
    back = [scene.network.link(node, host) for host in hosts]
    _cut_for_a_while(scene, rng, rng.choice((towards, back, towards + back)))
