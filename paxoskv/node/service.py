"""What serves clients on one node, wired: requests come in at one end, the engine's events at the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from paxoskv.kv.limits import KvLimits
from paxoskv.kv.replies import Reply
from paxoskv.node.engine import Engine
from paxoskv.node.forwards import Forwards, Send
from paxoskv.node.freshness import Freshness
from paxoskv.node.proposals import Proposals
from paxoskv.node.readgate import ReadGate
from paxoskv.node.reads import Reads
from paxoskv.node.requests import Requests
from paxoskv.node.revisionwaits import RevisionWaits
from paxoskv.node.scans import Scans
from paxoskv.node.turns import Turns
from paxoskv.node.watches import Watches
from paxoskv.node.watchrequests import WatchRequests
from paxoskv.paxos.ballot import Slot


class Bounds(NamedTuple):
    """bytes_in_flight_max: of open writes. watches_max, own_watches_max: on this node, and on one connection."""

    bytes_in_flight_max: int
    watches_max: int
    own_watches_max: int


class Service:
    """The parts, and who of them hears what.

    forward: passes a write on to the leader. status: makes the answer to STATUS. clock: monotonic seconds, of the time
    that the log counts; ages are told by the clock of the core, which knows when a round trip began.
    """

    def __init__(
        self,
        engine: Engine,
        limits: KvLimits,
        bounds: Bounds,
        forward: Send,
        status: Callable[[], dict[str, Any]],
        clock: Callable[[], float],
        turns: Turns,
    ) -> None:
        bytes_max, *watches_max = bounds
        call_soon = turns.call_soon
        self.proposals = Proposals(engine, limits, bytes_max, clock, call_soon, turns.call_later)
        self.forwards = Forwards(forward, bytes_max, clock)
        self.gate = ReadGate(engine, call_soon)
        self.waits = RevisionWaits(engine, clock)
        self.freshness = Freshness(engine, engine.clock)
        self.watches = Watches(engine.machine, self.freshness, turns, clock, *watches_max)
        reads = Reads(engine, self.gate, self.waits, Scans(call_soon), self.freshness, limits)
        self.requests = Requests(engine, self.proposals, self.forwards, reads, limits, status)
        self.watch_requests = WatchRequests(engine, self.watches, reads, limits)

    def on_role(self) -> None:
        """The role or the known leader changed."""
        self.proposals.on_role()

    def on_chosen(self, slots: list[Slot]) -> None:
        """Slots were chosen; they will be applied."""
        self.proposals.on_chosen(slots)

    def on_applied(self, slot: Slot, replies: list[Reply]) -> None:
        """A slot was applied."""
        self.freshness.on_applied()
        self.proposals.on_applied(slot, replies)
        self.waits.on_applied()
        self.watches.on_applied()

    def on_reads(self, ready: list[int], failed: list[int]) -> None:
        """Reads may be answered from the state as it is now, or will never be confirmed."""
        self.gate.on_reads(ready, failed)

    def on_timer(self) -> None:
        """Some milliseconds have passed."""
        self.freshness.look()
        self.proposals.on_timer()
        self.forwards.on_timer()
        self.waits.on_timer()
        self.watches.on_timer()
