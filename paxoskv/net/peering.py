"""The first words between two nodes: who are you, of which cluster, in which life (P34, P3).

    hello    dialler -> listener   [PEER_MAGIC, PROTOCOL, cluster, node, incarnation, client_endpoint, to_node, known]
    welcome  listener -> dialler   [PEER_MAGIC, PROTOCOL, cluster, node, incarnation, client_endpoint, to_node, known]
    refusal  listener -> dialler   [PEER_MAGIC, 0, reason, forgotten]

known: [[node, incarnation], ...], the lives that the speaker has met. forgotten: true if the refused node is known in
another incarnation, that is, it lost its directory and with it its promises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paxoskv.net.codec import items, number, text
from paxoskv.net.protocol import PROTOCOL, ProtocolError, decode, encode

PEER_MAGIC = "paxoskv-peer"


class Refused(Exception):
    """The other side will not talk to us. forgotten: it knows this node in another incarnation."""

    def __init__(self, reason: str, forgotten: bool = False) -> None:
        super().__init__(reason)
        self.forgotten = forgotten


@dataclass(frozen=True, slots=True)
class Card:
    """How a node introduces itself to `to_node`, the node it believes to speak to."""

    cluster: str
    node: int
    incarnation: str
    client_endpoint: str
    to_node: int
    known: Mapping[int, str]

    def encode(self) -> bytes:
        """Return the payload of a hello or a welcome."""
        known = sorted(self.known.items())
        return encode(
            PEER_MAGIC,
            PROTOCOL,
            self.cluster,
            self.node,
            self.incarnation,
            self.client_endpoint,
            self.to_node,
            known,
        )


def encode_refusal(reason: str, forgotten: bool = False) -> bytes:
    """Return the payload of a refusal."""
    return encode(PEER_MAGIC, 0, reason, forgotten)


def decode_card(payload: bytes) -> Card:
    """Return the card in a hello or welcome.

    Raises: ProtocolError for anything else; Refused for a refusal.
    """
    fields = decode(payload, items_max=256)
    if fields[0] != PEER_MAGIC:
        raise ProtocolError(f"this is the port for peers, which begin with {PEER_MAGIC!r}; clients have another port")
    if len(fields) == 4 and fields[1] == 0:
        raise Refused(text(fields[2]), fields[3] is True)
    if fields[1] != PROTOCOL:
        raise ProtocolError(f"peer speaks protocol {fields[1]!r:.20}, this node {PROTOCOL}: run the same version")
    _, _, cluster, node, incarnation, client_endpoint, to_node, known = items(fields, 8)
    return Card(text(cluster), number(node), text(incarnation), text(client_endpoint), number(to_node), _known(known))


def _known(raw: Any) -> dict[int, str]:
    pairs = [items(pair, 2) for pair in items(raw)]
    return {number(node): text(incarnation) for node, incarnation in pairs}
