"""Those who do not belong to the cluster, or not in this version, and knock all the same."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from paxoskv.net.frames import frame
from paxoskv.net.peering import PEER_MAGIC, Card
from paxoskv.net.protocol import MAGIC, PROTOCOL, encode
from paxoskv.simulator.cluster import CLIENT_PORT, PEER_PORT
from paxoskv.simulator.faults.catalogue import fault
from paxoskv.simulator.process import Process
from paxoskv.simulator.scene import Scene

_STRANGERS_HOST = 200


class _Stranger(asyncio.Protocol):
    """Says one thing, and counts what is said in return."""

    def __init__(self, speech: bytes) -> None:
        self._speech = speech

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert hasattr(transport, "write"), "a transport that cannot write"
        transport.write(self._speech)


def _knock(scene: Scene, rng: Random, port_base: int, speech: bytes) -> None:
    """Connect to a node and speak; the process ends a little later."""
    port = port_base + rng.choice(scene.ids)
    process = Process(scene.world, scene.network, _STRANGERS_HOST, "stranger")

    async def call() -> None:
        try:
            async with asyncio.timeout(1.0):
                await asyncio.get_running_loop().create_connection(lambda: _Stranger(speech), "127.0.0.1", port)
        except OSError:
            return

    process.start(call())
    scene.world.after(3.0, process.die)


def _card(scene: Scene, rng: Random, **changed: Any) -> bytes:
    """A hello of one node to another, with something wrong in it."""
    frm, to = rng.sample(scene.ids, 2)
    cluster = scene.cluster.nodes[frm].config.cluster_id
    fields: dict[str, Any] = {
        "cluster": cluster,
        "node": frm,
        "incarnation": "a stranger's",
        "client_endpoint": "127.0.0.1:1",
        "to_node": to,
        "known": {},
        "seq": 0,
    }
    return frame(Card(**{**fields, **changed}).encode())


@fault("wrong cluster", "S27", "a node of another cluster introduces itself", per_minute=10)
def wrong_cluster(scene: Scene, rng: Random) -> None:
    """It is told so, and nothing else happens."""
    _knock(scene, rng, PEER_PORT, _card(scene, rng, cluster="another cluster"))


@fault("second self", "S27", "somebody introduces himself under the number of a member, or to the wrong node")
def second_self(scene: Scene, rng: Random) -> None:
    """A number belongs to one incarnation; a node that every peer has met cannot be played."""
    if all(scene.cluster.is_known_to_all(node) for node in scene.cluster.nodes.values()):
        changed = rng.choice(({}, {"node": 77}, {"to_node": 77}))
        _knock(scene, rng, PEER_PORT, _card(scene, rng, **changed))


@fault("other version", "S26", "a peer or a client of another protocol version connects", per_minute=10)
def other_version(scene: Scene, rng: Random) -> None:
    """It is refused with a reason, not half understood (P35)."""
    if rng.random() < 0.5:
        _knock(scene, rng, PEER_PORT, frame(encode(PEER_MAGIC, PROTOCOL + 1, "c", 1, "i", "e", 2, [])))
    else:
        _knock(scene, rng, CLIENT_PORT, frame(encode(MAGIC, PROTOCOL + 1)))


@fault("wrong port", "S27", "a client calls at the peers' port, or a peer at the clients'", per_minute=10)
def wrong_port(scene: Scene, rng: Random) -> None:
    """Each port names the mistake."""
    if rng.random() < 0.5:
        _knock(scene, rng, PEER_PORT, frame(encode(MAGIC, PROTOCOL)))
    else:
        _knock(scene, rng, CLIENT_PORT, _card(scene, rng))


@fault("silent stranger", "H5", "somebody connects and says nothing, or half a hello", per_minute=10)
def silent(scene: Scene, rng: Random) -> None:
    """The connection ends when its time is over."""
    hello = frame(encode(MAGIC, PROTOCOL))
    _knock(scene, rng, rng.choice((CLIENT_PORT, PEER_PORT)), hello[: rng.randrange(len(hello))])
