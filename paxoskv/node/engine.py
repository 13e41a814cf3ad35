"""Carries out what the core decides, in the order of the fields of `Effects`; awaits nothing.

The event loop steps the core for whatever arrives. Records go to the journal's one writer; what speaks of them
waits for their ticket, everything else leaves at once, so heartbeats and reads never queue behind an fsync.

What was chosen is applied as soon as nothing more urgent is left: after the next batch was proposed, and on a follower
after its vote in the next slot was written, since others wait for that. Reads see it applied all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Protocol

from paxoskv.kv.machine import Machine
from paxoskv.kv.replies import Reply
from paxoskv.paxos.ballot import Ballot, NodeId, Slot, Value
from paxoskv.paxos.effects import Effects, Load, Write
from paxoskv.paxos.messages import Accept, Envelope, Message
from paxoskv.paxos.replica import Replica, Role

BACKLOG_BYTES_MAX = 64 << 20
"""While more waits for the disk, an Accept counts as lost (P33): the leader repeats it, or we catch up."""


class Journal(Protocol):
    """The writer's face to the engine."""

    backlog_bytes: int

    def submit(self, ticket: int, writes: list[Write]) -> None:
        """Hand over records; `Engine.on_written` is called when they are durable."""


class EngineEvents(Protocol):
    """Who hears what the engine's steps bring about."""

    def on_role(self) -> None:
        """The role or the known leader changed; called before anything newly chosen is applied."""

    def on_chosen(self, slots: list[Slot]) -> None:
        """Slots were chosen; they are applied right after this, or a moment later."""

    def on_applied(self, slot: Slot, replies: list[Reply]) -> None:
        """A slot was applied."""

    def on_reads(self, ready: list[int], failed: list[int]) -> None:
        """Reads may be answered from the state as it is now, or will never be confirmed."""


class Engine:
    """Owns the replica and the state machine of one node.

    send: gives a message to the link of a peer. load: has chosen slots read for a laggard.
    clock: seconds, those of the replica. disk_full: why the disk takes no more votes, None if it does (P9).
    """

    def __init__(
        self,
        replica: Replica,
        machine: Machine,
        send: Callable[[NodeId, Message], None],
        load: Callable[[Load], None],
        clock: Callable[[], float],
    ) -> None:
        self.replica = replica
        self.machine = machine
        self._send = send
        self._load = load
        self.clock = clock
        self.disk_full: str | None = None
        self._journal: Journal | None = None
        self._events: EngineEvents | None = None
        self._ticket = 0
        self._written = 0
        self._unsynced: deque[tuple[int, list[Envelope]]] = deque()
        self._to_self: deque[Message] = deque()
        self._unapplied: deque[tuple[Slot, Value]] = deque()
        self._stepping = False

    def connect(self, journal: Journal, events: EngineEvents) -> None:
        """Name those who work for the engine; before its first step."""
        self._journal, self._events = journal, events

    @property
    def leads(self) -> bool:
        """Whether this node is the leader."""
        return self.replica.role is Role.LEADER

    @property
    def ballot(self) -> Ballot:
        """The leadership this node takes part in."""
        return self.replica.ballot

    # Steps

    def on_message(self, sender: NodeId, message: Message) -> None:
        """A peer spoke. Raises: Implausible, if no correct peer would."""
        if type(message) is Accept and self._journal and self._journal.backlog_bytes > BACKLOG_BYTES_MAX:
            return
        self._carry_out(self.replica.on_message(sender, message, self.clock()))

    def on_timer(self) -> None:
        """A few milliseconds have passed."""
        self._carry_out(self.replica.on_timer(self.clock()))

    def on_disk_full(self, reason: str | None) -> None:
        """The disk is full, or with None has space again."""
        self.disk_full = reason
        self._carry_out(self.replica.on_disk_full(reason is not None, self.clock()))

    def on_damaged(self, slots: Collection[Slot]) -> None:
        """The journal found these records damaged (P5)."""
        self._carry_out(self.replica.on_damaged(slots, self.clock()))

    def on_peer_gone(self, peer: NodeId) -> None:
        """The process of a peer does not exist any more."""
        self._carry_out(self.replica.on_peer_down(peer, self.clock()))

    def on_written(self, ticket: int) -> None:
        """All records up to `ticket` are durable: say what waited for them."""
        self._written = ticket
        self.replica.on_written(ticket, self.clock())
        while self._unsynced and self._unsynced[0][0] <= ticket:
            self._dispatch(self._unsynced.popleft()[1])
        self._hear_self()
        self._apply()

    def propose(self, value: bytes) -> None:
        """Propose `value` in the next slot; only while the replica can."""
        self._carry_out(self.replica.propose(value, self.clock())[1])

    def read(self, token: int) -> None:
        """Ask for a linearizable read."""
        self._carry_out(self.replica.read(token, self.clock()))

    def has_lease(self) -> bool:
        """Whether reads may be answered from the state as it is now: all that was chosen is applied (P24)."""
        if not self.replica.has_lease(self.clock()):
            return False
        self._apply()
        return True

    def step_down(self) -> None:
        """Stop leading."""
        self._carry_out(self.replica.step_down(self.clock()))
        self.on_timer()

    # Effects

    def _carry_out(self, out: Effects) -> None:
        assert self._journal is not None, "the engine has no journal yet"
        assert self._events is not None, "nobody listens to the engine yet"
        self._dispatch(out.send_now)
        if out.persist:
            self._ticket = out.ticket
            self._journal.submit(out.ticket, out.persist)
        if out.send_synced:
            if self._written >= self._ticket:
                self._dispatch(out.send_synced)
            else:
                self._unsynced.append((self._ticket, out.send_synced))
        for load in out.load:
            self._load(load)
        if out.role_changed:
            self._events.on_role()
        if out.chosen:
            self._unapplied += out.chosen
            self._events.on_chosen([slot for slot, _ in out.chosen])
        if out.reads_ready or out.reads_failed:
            self._apply()
            self._events.on_reads(out.reads_ready, out.reads_failed)
        self._hear_self()
        if self.leads or not out.persist:
            self._apply()

    def _apply(self) -> None:
        """Apply all that was chosen, in the order of the slots. Raises: BadBatch (P35), which ends the node."""
        assert self._events is not None, "nobody listens to the engine yet"
        while self._unapplied:
            slot, value = self._unapplied[0]
            replies = self.machine.apply(slot, value)
            self._unapplied.popleft()
            self._events.on_applied(slot, replies)

    def _dispatch(self, envelopes: list[Envelope]) -> None:
        for envelope in envelopes:
            if envelope.to == self.replica.node:
                self._to_self.append(envelope.message)
            else:
                self._send(envelope.to, envelope.message)

    def _hear_self(self) -> None:
        """Step the core for messages to ourselves, each only after the step before it was carried out whole."""
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._to_self:
                self._carry_out(self.replica.on_message(self.replica.node, self._to_self.popleft(), self.clock()))
        finally:
            self._stepping = False
