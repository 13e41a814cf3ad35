"""Whom to believe: the checks at both ends of a new connection between nodes (P3, P34)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from paxoskv.net.peering import Card, Refused
from paxoskv.node.exits import QUARANTINED, NodeFailure
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.identity import Identity

SavePeer = Callable[[int, str], Awaitable[None]]

REPLACE_REMEDY = (
    "its directory was emptied, exchanged or restored, and the promises it made are lost. It must not take part "
    "again under this number: put the original directory back, or replace the node"
)


class Introductions:
    """Compares cards with what is known of the members, and remembers every incarnation that was met.

    known: node -> incarnation, durable. save: makes one more of them durable.
    """

    def __init__(
        self,
        identity: Identity,
        members: Collection[int],
        client_endpoint: str,
        known: dict[int, str],
        save: SavePeer,
        fail: Callable[[NodeFailure], None],
    ) -> None:
        self._identity = identity
        self._members = members
        self._client_endpoint = client_endpoint
        self._known = known
        self._save = save
        self._fail = fail
        self.client_endpoints: dict[int, str] = {identity.node: client_endpoint}

    def card(self, to_node: int) -> Card:
        """Return how this node introduces itself."""
        me = self._identity
        lives = {**self._known, me.node: me.incarnation}
        return Card(me.cluster, me.node, me.incarnation, self._client_endpoint, to_node, lives)

    async def admit(self, card: Card, expected: int | None = None) -> None:
        """Believe `card`, and remember the lives it tells of before anything else happens.

        expected: the node that we dialled. Raises: Refused, with the reason for the other side.
        """
        self._check(card, expected)
        for node, incarnation in ((card.node, card.incarnation), *card.known.items()):
            if node in self._members and node != self._identity.node and node not in self._known:
                await self._remember(node, incarnation)
        self._check(card, expected)
        self.client_endpoints[card.node] = card.client_endpoint

    async def _remember(self, node: int, incarnation: str) -> None:
        """Keep a life durably; in memory at once, so that no other one is believed meanwhile.

        Raises: Refused on a full disk: without a memory of its lives a node cannot be told from its successor.
        """
        self._known[node] = incarnation
        try:
            await self._save(node, incarnation)
        except DiskFull as error:
            del self._known[node]
            raise Refused(f"node {self._identity.node} cannot remember node {node} just now: {error}") from error

    def on_forgotten(self, peer: int) -> None:
        """A peer knows this node in another incarnation: it must not vote, and says so (P3)."""
        me = self._identity
        self._fail(
            NodeFailure(
                QUARANTINED,
                f"node {peer} knows node {me.node} of cluster {me.cluster} in another incarnation: {REPLACE_REMEDY}",
            )
        )

    def _check(self, card: Card, expected: int | None) -> None:
        me = self._identity
        if card.cluster != me.cluster:
            raise Refused(f"this is cluster {me.cluster}, not {card.cluster}: check --cluster and its token")
        if card.node == me.node:
            raise Refused(f"both ends call themselves node {me.node}: check the node numbers and addresses")
        if card.node not in self._members:
            raise Refused(f"node {card.node} is not a member of this cluster: {sorted(self._members)}")
        if card.to_node != me.node or (expected is not None and card.node != expected):
            raise Refused(
                f"node {card.node} meant to reach node {card.to_node}, this is node {me.node}: check the addresses"
            )
        if self._known.get(card.node, card.incarnation) != card.incarnation:
            raise Refused(f"node {card.node} is known here in another incarnation: {REPLACE_REMEDY}", forgotten=True)
        if card.known.get(me.node, me.incarnation) != me.incarnation:
            self.on_forgotten(card.node)
            raise Refused(f"node {me.node} has lost its directory and leaves")
