"""Faults of links, in the proxies between the nodes and their clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from random import Random

from paxoskv.testbed.links.disturbance import CLIENTS, HEALTHY, Disturbance
from paxoskv.testbed.links.network import Direction
from paxoskv.verifier.faults.base import Lane, Need, fault
from paxoskv.verifier.stage import Stage

FLAP_S = 0.1
LAG_S = 0.5
CUTS = (Disturbance(cut=True), Disturbance(refuse=True))
"""Two ways to lose a link: nobody is told, or every connection is reset and refused."""

RECOVERY_S = (2.0, 4.0)
"""How long a partition stands: several election timeouts, so that the rest can go on without the lost."""


@asynccontextmanager
async def disturbed(stage: Stage, directions: Iterable[Direction], wish: Disturbance) -> AsyncIterator[None]:
    """Treat `directions` as `wish` says while the context is open.

    An order that has left is carried out, also if whoever waits for it is cancelled: so it is taken back in any case.
    """
    chosen = list(directions)
    try:
        await stage.cluster.network.disturb(chosen, wish)
        yield
    finally:
        await stage.cluster.network.disturb(chosen, HEALTHY)


@fault(
    "partition-one",
    "cut one node off from all others, in silence or by resets",
    "R16 S5",
    Lane.LINKS,
    hold_s=RECOVERY_S,
)
async def _partition_one(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    async with disturbed(stage, stage.between([node], stage.others(node)), random.choice(CUTS)):
        yield f"node {node}"


@fault("partition-halves", "cut the nodes into two groups", "R17 S5", Lane.LINKS, hold_s=RECOVERY_S)
async def _partition_halves(stage: Stage, random: Random) -> AsyncIterator[str]:
    one = sorted(random.sample(stage.cluster.nodes, random.randint(1, stage.cluster.minority)))
    async with disturbed(stage, stage.between(one, stage.others(*one)), random.choice(CUTS)):
        yield f"nodes {one} from the others"


@fault(
    "partition-oneway",
    "cut one directed link: the one is not heard, but hears",
    "R18 S6 P21",
    Lane.LINKS,
    hold_s=RECOVERY_S,
)
async def _partition_oneway(stage: Stage, random: Random) -> AsyncIterator[str]:
    whence = stage.victim(random)
    whither = random.choice(stage.others(whence))
    async with disturbed(stage, [(whence, whither)], CUTS[0]):
        yield f"{whence} to {whither}"


@fault("deaf", "one node sends to all and hears nobody", "R18 S6 P21", Lane.LINKS, hold_s=RECOVERY_S)
async def _deaf(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    async with disturbed(stage, [(other, node) for other in stage.others(node)], CUTS[0]):
        yield f"node {node}"


@fault(
    "quorum-loss",
    "all nodes see only one follower; the leader is alive and has no quorum",
    "R19 S7 P20a",
    Lane.LINKS,
    needs=(Need.FIVE_NODES,),
    hold_s=RECOVERY_S,
)
async def _quorum_loss(stage: Stage, random: Random) -> AsyncIterator[str]:
    hub = random.choice(stage.others(stage.leader_or_any(random)))
    rest = stage.others(hub)
    async with disturbed(stage, stage.between(rest, rest), random.choice(CUTS)):
        yield f"all see node {hub} alone"


@fault(
    "constrained",
    "the leader is cut off, and the one node that reaches a quorum has an old log",
    "R19 S7 P20b",
    Lane.LINKS,
    hold_s=RECOVERY_S,
)
async def _constrained(stage: Stage, random: Random) -> AsyncIterator[str]:
    leader = stage.leader_or_any(random)
    hub = random.choice(stage.others(leader))
    rest = stage.others(leader, hub)
    wish = random.choice(CUTS)
    async with disturbed(stage, stage.between([leader], [hub]), wish):  # until here, the hub falls behind
        await asyncio.sleep(LAG_S)
        async with disturbed(stage, stage.between([leader], rest) + stage.between(rest, rest), wish):
            yield f"leader {leader} alone, the others see node {hub}"


@fault("chained", "the leader and one other are cut, both see the rest", "R19 S7 P20c", Lane.LINKS, hold_s=RECOVERY_S)
async def _chained(stage: Stage, random: Random) -> AsyncIterator[str]:
    leader = stage.leader_or_any(random)
    other = random.choice(stage.others(leader))
    async with disturbed(stage, stage.between([leader], [other]), random.choice(CUTS)):
        yield f"leader {leader} and node {other}"


@fault("flap", "one node's links come and go every 100 ms", "R20 S7", Lane.LINKS, hold_s=RECOVERY_S)
async def _flap(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    links, wish = stage.between([node], stage.others(node)), random.choice(CUTS)

    async def loop() -> None:
        while True:
            async with disturbed(stage, links, wish):
                await asyncio.sleep(FLAP_S)
            await asyncio.sleep(FLAP_S)

    flapping = asyncio.create_task(loop())
    try:
        yield f"node {node}"
    finally:
        flapping.cancel()
        await asyncio.wait([flapping])


@fault("delay", "all frames between nodes take 25 to 125 ms more", "R21 S3", Lane.LINKS)
async def _delay(stage: Stage, random: Random) -> AsyncIterator[str]:
    wish = Disturbance(delay_ms=25, jitter_ms=random.choice((25, 100)))
    async with disturbed(stage, _some(stage, random), wish):
        yield f"25 to {25 + wish.jitter_ms:g} ms"


@fault("loss", "frames between nodes vanish, connections are reset", "R21 S1 P31", Lane.LINKS)
async def _loss(stage: Stage, random: Random) -> AsyncIterator[str]:
    wish = Disturbance(drop=random.choice((0.02, 0.1, 0.5)), reset=random.choice((0.0, 0.005)))
    async with disturbed(stage, _some(stage, random), wish):
        yield f"{wish.drop:.0%} lost, {wish.reset:.1%} reset"


@fault("duplicate", "frames between nodes come twice, the second time up to 50 ms late", "R21 S2 P11 P31", Lane.LINKS)
async def _duplicate(stage: Stage, random: Random) -> AsyncIterator[str]:
    wish = Disturbance(duplicate=random.choice((0.05, 0.5)))
    async with disturbed(stage, _some(stage, random), wish):
        yield f"{wish.duplicate:.0%} twice"


@fault("reorder", "frames between nodes overtake each other by up to 50 ms", "R21 S4 P31", Lane.LINKS)
async def _reorder(stage: Stage, random: Random) -> AsyncIterator[str]:
    wish = Disturbance(reorder=random.choice((0.05, 0.3)))
    async with disturbed(stage, _some(stage, random), wish):
        yield f"{wish.reorder:.0%} overtaken"


@fault("corrupt", "bits flip in frames on any link, the clients' included", "R21 H1", Lane.LINKS)
async def _corrupt(stage: Stage, random: Random) -> AsyncIterator[str]:
    wish = Disturbance(corrupt=random.choice((0.002, 0.02)))
    async with disturbed(stage, stage.all_directions(with_clients=True), wish):
        yield f"{wish.corrupt:.1%} of all frames"


@fault("clog", "what one node says passes at 8 kB/s", "R21 P33 P22", Lane.LINKS)
async def _clog(stage: Stage, random: Random) -> AsyncIterator[str]:
    node = stage.victim(random)
    async with disturbed(stage, [(node, other) for other in stage.others(node)], Disturbance(bytes_per_s=8000)):
        yield f"node {node}"


@fault(
    "clients-cut",
    "no client reaches the leader, so that all go through followers",
    "R18 P23",
    Lane.LINKS,
    hold_s=(1, 3),
)
async def _clients_cut(stage: Stage, random: Random) -> AsyncIterator[str]:
    leader = stage.leader_or_any(random)
    async with disturbed(stage, [(CLIENTS, leader), (leader, CLIENTS)], random.choice(CUTS)):
        yield f"leader {leader}"


@fault(
    "clients-loss",
    "replies to clients vanish, and their connections with them: retries must not apply twice",
    "S23 S28 P25",
    Lane.LINKS,
)
async def _clients_loss(stage: Stage, random: Random) -> AsyncIterator[str]:
    wish = Disturbance(drop=random.choice((0.01, 0.05)), reset=0.01)
    async with disturbed(stage, [(node, CLIENTS) for node in stage.cluster.nodes], wish):
        yield f"{wish.drop:.0%} lost, {wish.reset:.0%} reset"


def _some(stage: Stage, random: Random) -> list[Direction]:
    """Return all directions between nodes, or those from and to one of them."""
    if random.random() < 0.5:
        return stage.all_directions()
    node = stage.victim(random)
    return stage.between([node], stage.others(node))
