"""Passes events on: from the network to the core, and from the core to whoever waits for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from paxoskv.kv.replies import Reply
from paxoskv.node.answers import Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.service import Service
from paxoskv.paxos.ballot import NodeId, Slot
from paxoskv.paxos.messages import Message

log = logging.getLogger(__name__)


class Coordinator:
    """Listens to the engine and to the mesh, and tells the service what it has to know.

    on_leader is called when another leader is known, or none.
    """

    def __init__(self, engine: Engine, service: Service, on_leader: Callable[[], None]) -> None:
        self._engine = engine
        self._service = service
        self._on_leader = on_leader
        self._leader: NodeId | None = None

    # What the engine's steps bring about

    def on_role(self) -> None:
        """The role or the known leader changed; called before anything newly chosen is applied."""
        replica = self._engine.replica
        self._service.on_role()
        self._service.forwards.fail_others(None if self._engine.leads else replica.leader)
        log.info(
            "role changed",
            extra={"role": replica.role.value, "leader": replica.leader, "ballot": str(replica.ballot)},
        )
        if replica.leader != self._leader:
            self._leader = replica.leader
            self._on_leader()

    def on_chosen(self, slots: list[Slot]) -> None:
        """Slots were chosen; they will be applied."""
        self._service.on_chosen(slots)

    def on_applied(self, slot: Slot, replies: list[Reply]) -> None:
        """A slot was applied."""
        self._service.on_applied(slot, replies)

    def on_reads(self, ready: list[int], failed: list[int]) -> None:
        """Reads may be answered from the state as it is now, or will never be confirmed."""
        self._service.on_reads(ready, failed)

    # What the network brings

    def on_message(self, peer: NodeId, message: Message) -> None:
        """A core message arrived. Raises: Implausible."""
        self._engine.on_message(peer, message)
        self._service.freshness.on_message(message)

    def on_forward(self, command: bytes, waiter: Waiter) -> None:
        """A follower passes a client's write on."""
        self._service.requests.write_forwarded(command, waiter)

    def on_forwarded(self, peer: NodeId, number: int, fields: tuple[Any, ...]) -> None:
        """The leader answers a write that we passed on."""
        self._service.forwards.on_answer(peer, number, fields)

    def on_broken(self, peer: NodeId) -> None:
        """A connection with `peer`, of either direction, ended: what was under way may be lost."""
        self._service.forwards.fail_peer(peer)

    def on_gone(self, peer: NodeId) -> None:
        """The process of `peer` does not exist."""
        self._engine.on_peer_gone(peer)
