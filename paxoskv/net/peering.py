"""The first words between two nodes: who are you, of which cluster, in which life (P34, P3).

    hello    dialler -> listener    a card: [PEER_MAGIC, PROTOCOL, cluster, node, incarnation, client_endpoint, to_node,
                                             known, seq]
    welcome  listener -> dialler    the listener's card
    refusal  listener -> dialler    [PEER_MAGIC, 0, reason, forgotten]

known: [[node, incarnation, seq], ...], the lives that the speaker has met and the highest sequence number that each has
announced. seq: the speaker's own, durable one (P4). forgotten: nil, or [incarnation, seq] as the refused hello told it,
if the node is known in another incarnation or with a higher number, that is, it lost its directory, or a part of what
it had written, and with it its promises. The refused node sees whether it was its own hello that was refused, or a
late copy of an earlier one (P31): what it has to do otherwise, to leave for good, must not rest on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from paxoskv.net.codec import items, number, text
from paxoskv.net.protocol import PROTOCOL, ProtocolError, decode, encode

PEER_MAGIC = "paxoskv-peer"


class Life(NamedTuple):
    """An incarnation of a node, and the highest sequence number of its journal that is known (P4)."""

    incarnation: str
    seq: int


class Refused(Exception):
    """The other side will not talk to us. forgotten: the life in our hello, if it remembers more of us than that."""

    def __init__(self, reason: str, forgotten: Life | None = None) -> None:
        super().__init__(reason)
        self.forgotten = forgotten


@dataclass(frozen=True, slots=True)
class Card:
    """How a node introduces itself to `to_node`, the node it believes to speak to.

    seq: its journal's durable sequence number. known: the lives of other nodes that it has met, and its own.
    """

    cluster: str
    node: int
    incarnation: str
    client_endpoint: str
    to_node: int
    known: Mapping[int, Life]
    seq: int

    @property
    def life(self) -> Life:
        """Which life of the node this is, and how far it has come."""
        return Life(self.incarnation, self.seq)

    def encode(self) -> bytes:
        """Return the payload of a hello or a welcome."""
        known = sorted((node, *life) for node, life in self.known.items())
        return encode(
            PEER_MAGIC,
            PROTOCOL,
            self.cluster,
            self.node,
            self.incarnation,
            self.client_endpoint,
            self.to_node,
            known,
            self.seq,
        )


def encode_refusal(reason: str, forgotten: Life | None = None) -> bytes:
    """Return the payload of a refusal."""
    return encode(PEER_MAGIC, 0, reason, forgotten)


def decode_card(payload: bytes) -> Card:
    """Return the card in a hello or welcome.

    Raises: ProtocolError for anything else; Refused for a refusal.
    """
    fields = decode(payload, items_max=256)
    if fields[0] != PEER_MAGIC or len(fields) < 2:
        raise ProtocolError(f"this is the port for peers, which begin with {PEER_MAGIC!r}; clients have another port")
    if len(fields) == 4 and fields[1] == 0:
        raise Refused(text(fields[2]), None if fields[3] is None else _life(fields[3]))
    if fields[1] != PROTOCOL:
        raise ProtocolError(f"peer speaks protocol {fields[1]!r:.20}, this node {PROTOCOL}: run the same version")
    _, _, cluster, node, incarnation, client_endpoint, to_node, known, seq = items(fields, 9)
    return Card(
        text(cluster),
        number(node),
        text(incarnation),
        text(client_endpoint),
        number(to_node),
        _known(known),
        number(seq),
    )


def _life(raw: Any) -> Life:
    incarnation, seq = items(raw, 2)
    return Life(text(incarnation), number(seq))


def _known(raw: Any) -> dict[int, Life]:
    lives = [items(life, 3) for life in items(raw)]
    return {number(node): Life(text(incarnation), number(seq)) for node, incarnation, seq in lives}
