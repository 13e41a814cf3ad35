"""The production core and state machine, with somebody looking over their shoulder."""

from __future__ import annotations

from random import Random
from typing import Any, Protocol

from paxoskv.kv.limits import KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.kv.replies import Reply
from paxoskv.paxos.ballot import Ballot, NodeId, Slot, Value
from paxoskv.paxos.effects import Effects
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import Message
from paxoskv.paxos.replica import Replica, Settings


class Watcher(Protocol):
    """Sees everything that enters and leaves a core; must change nothing."""

    def on_message(self, replica: Replica, sender: NodeId, message: Message) -> None:
        """A message is about to be handled."""

    def on_step(self, replica: Replica, out: Effects, now: float) -> None:
        """A step is over; this is what it asks for. now: of the replica's clock."""

    def on_applied(self, node: NodeId, slot: Slot, value: Value, replies: list[Reply], machine: Machine) -> None:
        """A machine has applied a slot, for the first time or after a restart."""

    def on_lease_asked(self, replica: Replica, holds: bool) -> None:
        """A node has asked whether it may answer a read under a lease."""


class WatchedReplica(Replica):
    """A replica whose every step is shown to a watcher."""

    def __init__(
        self, settings: Settings, log: Log, promised: Ballot, rng: Random, now: float, watcher: Watcher
    ) -> None:
        self._watcher = watcher
        super().__init__(settings, log, promised, rng, now)

    def on_message(self, sender: NodeId, message: Message, now: float) -> Effects:
        self._watcher.on_message(self, sender, message)
        return super().on_message(sender, message, now)

    def has_lease(self, now: float) -> bool:
        holds = super().has_lease(now)
        self._watcher.on_lease_asked(self, holds)
        return holds

    def _finish(self, now: float, out: Effects) -> Effects:
        """Every step ends here."""
        out = super()._finish(now, out)
        self._watcher.on_step(self, out, now)
        return out


class WatchedMachine(Machine):
    """A state machine whose every slot is shown to a watcher."""

    __slots__ = ("_node", "_watcher")

    def __init__(self, limits: KvLimits, node: NodeId, watcher: Watcher) -> None:
        super().__init__(limits)
        self._node = node
        self._watcher = watcher

    def apply(self, slot: int, value: bytes) -> list[Any]:
        replies = super().apply(slot, value)
        self._watcher.on_applied(self._node, slot, value, replies, self)
        return replies
