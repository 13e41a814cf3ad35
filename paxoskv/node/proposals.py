"""Commands on their way into the log, and who waits for their replies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from paxoskv.kv.commands import encode_batch
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.replies import Reply
from paxoskv.kv.requests import extend
from paxoskv.net import protocol
from paxoskv.node.answers import Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.gathering import Gathering
from paxoskv.node.turns import CallLater, CallSoon
from paxoskv.paxos.ballot import Ballot, Slot

PIPELINED_COMMANDS = 256
PIPELINED_BYTES = 64 << 10
"""A batch of so many commands, or of so many bytes, does not wait for the one before it."""


class Proposals:
    """Makes one batch of all commands that arrive in one turn of the loop, or while the batch before is in flight.

    bytes_in_flight: of commands accepted and not answered; beyond `bytes_max` the answer is OVERLOADED (P33).
    Log time: a batch carries the milliseconds since the one before it under the same leadership, the first one 0,
    so that neither a clock jump nor a failover makes anything expire early (P26, P30). If there are leases, the first
    one also extends them all: nobody could renew one while nobody led (P18).
    call_soon: runs a function at the end of this turn of the event loop; call_later: after some seconds.
    """

    def __init__(
        self,
        engine: Engine,
        limits: KvLimits,
        bytes_max: int,
        clock: Callable[[], float],
        call_soon: CallSoon,
        call_later: CallLater,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._bytes_max = bytes_max
        self._clock = clock
        self._call_soon = call_soon
        self.bytes_in_flight = 0
        self.closing = False
        self._queue: deque[tuple[bytes, Waiter]] = deque()
        self._queue_bytes = 0
        self._pending: dict[Slot, list[tuple[bytes, Waiter]]] = {}
        self._in_flight: set[Slot] = set()
        self._gathering = Gathering(call_later, self._flush)
        self._ballot: Ballot | None = None
        self._extending: Slot | None = None
        self._batch_s = 0.0
        self._flush_is_due = False
        self._drained = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be proposed or chosen."""
        return not self._queue and not self._pending

    def submit(self, command: bytes, waiter: Waiter) -> None:
        """Take a valid command. Only the leader's node calls this."""
        if self.closing:
            waiter.fail(protocol.SHUTTING_DOWN, "this node is shutting down: try another one")
            return
        if self.bytes_in_flight + len(command) > self._bytes_max:
            waiter.fail(protocol.OVERLOADED, f"more than {self._bytes_max} bytes are in flight on this node")
            return
        self.bytes_in_flight += len(command)
        self._queue.append((command, waiter))
        self._queue_bytes += len(command)
        self._flush_soon()

    async def drain(self) -> None:
        """Refuse new commands, and return when those accepted are answered."""
        self.closing = True
        self._drained.clear()
        if not self.is_idle:
            await self._drained.wait()

    def on_timer(self) -> None:
        """Propose a bare advance of log time once something is due to expire by it; an idle log stays idle."""
        expiry_ms = self._engine.machine.next_expiry_ms
        if expiry_ms is None or not self.is_idle or not self._engine.replica.can_propose():
            return
        if self._ballot is None or self._engine.machine.now_ms + self._elapsed_ms() >= expiry_ms:
            self._propose([])

    def on_role(self) -> None:
        """Leadership began or ended: what is out under the old one has an unknown outcome, what is not was not."""
        if self._engine.leads and self._ballot == self._engine.ballot:
            return
        self._ballot = None
        self._extending = None
        pending, self._pending = self._pending, {}
        queue, self._queue, self._queue_bytes = self._queue, deque(), 0
        self._in_flight.clear()
        self._gathering.end()
        self.bytes_in_flight = 0
        for commands in pending.values():
            for _, waiter in commands:
                waiter.unknown("leadership was lost before the outcome was known: retry with the same number")
        for _, waiter in queue:
            waiter.unavailable("this node does not lead any more")
        self._drained.set()

    def on_chosen(self, slots: list[Slot]) -> None:
        """There is room for other slots, and the next one need not wait for the state machine."""
        answered = sum(len(self._pending.get(slot, ())) for slot in slots)
        self._in_flight.difference_update(slots)
        if answered and not self._in_flight:
            self._gathering.begin(answered + len(self._queue))
        self._flush()

    def on_applied(self, slot: Slot, replies: list[Reply]) -> None:
        """Answer those whose commands stand in `slot`."""
        commands = self._pending.pop(slot, None)
        if commands is None:
            return
        if slot == self._extending:
            replies = replies[1:]
        assert len(commands) == len(replies), f"slot {slot}: {len(commands)} commands, {len(replies)} replies"
        ballot = self._ballot
        for (command, (sink, number)), reply in zip(commands, replies, strict=True):
            self.bytes_in_flight -= len(command)
            sink.answer(number, protocol.OK, ballot, reply)
        if self.closing and self.is_idle:
            self._drained.set()

    def _flush_soon(self) -> None:
        """Propose at the end of this turn of the loop, together with what else it brings."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._call_soon(self._flush)

    def _flush(self) -> None:
        """Propose what is queued, as far as the window allows."""
        self._flush_is_due = False
        while self._queue and self._is_worth_a_slot() and self._engine.replica.can_propose():
            self._propose(self._take_batch())

    def _is_worth_a_slot(self) -> bool:
        """Whether to propose now: nothing of ours is in flight, or a batch is full enough to pay for its slot.

        Otherwise the slot in flight is waited for, and what arrives meanwhile shares the next one: under load that
        halves the slots, the syncs and the messages, and costs no more time than they would.
        """
        if len(self._queue) >= PIPELINED_COMMANDS or self._queue_bytes >= PIPELINED_BYTES:
            return True
        return not self._in_flight and not self._gathering.wants_more(len(self._queue))

    def _propose(self, commands: list[tuple[bytes, Waiter]]) -> None:
        own = self._own_commands()
        value = encode_batch(self._advance_ms(), [*own, *[command for command, _ in commands]])
        slot = self._engine.replica.next_slot
        if own:
            self._extending = slot
        if commands:
            self._pending[slot] = commands
            self._in_flight.add(slot)
            self._gathering.end()
        self._engine.propose(value)

    def _own_commands(self) -> list[bytes]:
        """Return what a leadership begins with: nobody waits for its reply.

        In a recovered slot that is not applied yet there may be a lease nobody here knows of.
        """
        machine = self._engine.machine
        may_have_leases = machine.leases or machine.applied_slot + 1 < self._engine.replica.next_slot
        return [extend()] if self._ballot is None and may_have_leases else []

    def _take_batch(self) -> list[tuple[bytes, Waiter]]:
        """Take the oldest commands that fit in one batch, one at least."""
        queue, size = self._queue, 0
        commands: list[tuple[bytes, Waiter]] = []
        while queue and len(commands) < self._limits.batch_commands_max:
            size += len(queue[0][0])
            if commands and size > self._limits.batch_bytes_max:
                break
            commands.append(queue.popleft())
            self._queue_bytes -= len(commands[-1][0])
        return commands

    def _elapsed_ms(self) -> int:
        """Whole milliseconds since the last batch of this leadership; nothing before its first.

        Nothing either while a quorum is silent: who could not write, or stood still, lets nothing expire (P18).
        """
        now = self._clock()
        if self._ballot is None or not self._engine.replica.is_in_touch(now):
            self._batch_s = now
        return int((now - self._batch_s) * 1000)

    def _advance_ms(self) -> int:
        """Return the log time that the next batch adds, and begin the next interval right where this one ends."""
        elapsed_ms = self._elapsed_ms()
        self._batch_s += elapsed_ms / 1000
        self._ballot = self._engine.ballot
        return elapsed_ms
