"""Whom to believe: the checks at both ends of a new connection between nodes (P3, P4, P34)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from paxoskv.net.peering import Card, Life, Refused
from paxoskv.node.exits import NodeFailure, Quarantined
from paxoskv.node.memory import PeerMemory
from paxoskv.storage.errors import DiskFull
from paxoskv.storage.identity import Identity

REPLACE_REMEDY = (
    "its directory was emptied, exchanged or restored, and promises it made are lost. It must not take part "
    "again under this number: put the original directory back, or replace the node"
)


class Introductions:
    """Compares cards with what is known of the members, and remembers every incarnation that was met.

    memory: what is known of the others. seq: tells the durable sequence number of our own journal.
    fail: ends the node.
    """

    def __init__(
        self,
        identity: Identity,
        members: Collection[int],
        client_endpoint: str,
        memory: PeerMemory,
        seq: Callable[[], int],
        fail: Callable[[NodeFailure], None],
    ) -> None:
        self._identity = identity
        self._members = members
        self._client_endpoint = client_endpoint
        self._fail = fail
        self.memory = memory
        self.seq = seq
        self.client_endpoints: dict[int, str] = {identity.node: client_endpoint}

    def card(self, to_node: int) -> Card:
        """Return how this node introduces itself."""
        me = self._identity
        lives = {**self.memory.lives(), me.node: Life(me.incarnation, self.seq())}
        return Card(me.cluster, me.node, me.incarnation, self._client_endpoint, to_node, lives, self.seq())

    async def admit(self, card: Card, expected: int | None = None) -> None:
        """Believe `card`, and remember the lives it tells of before anything else happens.

        expected: the node that we dialled, whose card is its welcome; None for the hello of one that dialled us.
        Raises: Refused, with the reason for the other side.
        """
        self._check(card, expected)
        for node, life in ((card.node, card.life), *card.known.items()):
            if node in self._members and node != self._identity.node and self.memory.incarnation(node) is None:
                await self._remember(node, life.incarnation)
        self._check(card, expected)
        self._learn(card, expected)
        self.client_endpoints[card.node] = card.client_endpoint

    async def _remember(self, node: int, incarnation: str) -> None:
        """Keep a life durably.

        Raises: Refused on a full disk: without a memory of its lives a node cannot be told from its successor.
        """
        try:
            await self.memory.meet(node, incarnation)
        except DiskFull as error:
            raise Refused(f"node {self._identity.node} cannot remember node {node} just now: {error}") from error

    def _learn(self, card: Card, expected: int | None) -> None:
        """Take over the numbers in a card that is believed."""
        if expected is None:
            self.memory.note(card.node, card.seq)
        for node, life in ((card.node, card.life), *card.known.items()):
            if node in self._members and node != self._identity.node:
                self.memory.hear(node, life)

    def on_forgotten(self, peer: int, reason: str) -> None:
        """A peer remembers more of this node than this node itself: it must not vote, and says so (P3, P4)."""
        me = self._identity
        self._fail(Quarantined(f"node {peer} will not have node {me.node} of cluster {me.cluster}: {reason}"))

    def _check(self, card: Card, expected: int | None) -> None:
        me = self._identity
        if card.cluster != me.cluster:
            raise Refused(
                f"this is cluster {me.cluster}, not {card.cluster}: check --cluster and its token, and what "
                "else all members have agreed on: phase-2 quorum, idle time of sessions, leases"
            )
        if card.node == me.node:
            raise Refused(f"both ends call themselves node {me.node}: check the node numbers and addresses")
        if card.node not in self._members:
            raise Refused(f"node {card.node} is not a member of this cluster: {sorted(self._members)}")
        if card.to_node != me.node or (expected is not None and card.node != expected):
            raise Refused(
                f"node {card.node} meant to reach node {card.to_node}, this is node {me.node}: check the addresses"
            )
        self._check_memory_of(card, expected)
        self._check_own_memory(card)

    def _check_memory_of(self, card: Card, expected: int | None) -> None:
        """Does the other node remember as much of itself as we do?

        Its number is compared only in a hello: a welcome may be overtaken by later words on the node's own connection.
        """
        known = self.memory.incarnation(card.node)
        if known is not None and known != card.incarnation:
            raise Refused(f"node {card.node} is known here in another incarnation: {REPLACE_REMEDY}", card.life)
        seen = self.memory.seen(card.node)
        if expected is None and card.seq < seen:
            raise Refused(rolled_back(card.node, card.seq, seen), card.life)

    def _check_own_memory(self, card: Card) -> None:
        """Do we remember as much of ourselves as the other node does? Whatever it was told of us is older than now."""
        me, own = self._identity, card.known.get(self._identity.node)
        if own is None:
            return
        if own.incarnation != me.incarnation:
            self.on_forgotten(card.node, f"it is known there in another incarnation: {REPLACE_REMEDY}")
            raise Refused(f"node {me.node} has lost its directory and leaves")
        if own.seq > self.seq():
            self.on_forgotten(card.node, rolled_back(me.node, self.seq(), own.seq))
            raise Refused(f"node {me.node} has lost a part of its journal and leaves")


def rolled_back(node: int, seq: int, seen: int) -> str:
    """Return how to call the loss of what `node` had written after transaction `seq`."""
    return f"node {node} is at transaction {seq} of its journal, though it had announced {seen}: {REPLACE_REMEDY}"
