"""What one step of the core asks of the runtime."""

from __future__ import annotations

from dataclasses import dataclass, field

from paxoskv.paxos.ballot import Ballot, NodeId, Slot, Value, Vote
from paxoskv.paxos.messages import Envelope


@dataclass(frozen=True, slots=True)
class SavePromise:
    """Make the promise of `ballot` durable."""

    ballot: Ballot


@dataclass(frozen=True, slots=True)
class SaveVote:
    """Make a vote durable, replacing an older one of the slot.

    commit_slot: every slot up to it holds its chosen value in records handed over no later than this one.
    """

    slot: Slot
    vote: Vote
    commit_slot: Slot


Write = SavePromise | SaveVote


@dataclass(frozen=True, slots=True)
class Load:
    """Read chosen slots that left memory from the journal, and send them to `to` as a Learn."""

    to: NodeId
    from_slot: Slot
    to_slot: Slot


@dataclass(slots=True)
class Effects:
    """What one step asks of the runtime. The field order is the execution order.

    send_now:     needs nothing of ours on disk (Accept, Heartbeat, Rejected, Learn).
    persist:      one unit for the journal; `ticket` numbers it, and comes back in `Replica.on_written`.
    send_synced:  speaks of what is in `persist` and before (Prepare, Promise, Accepted); leaves when durable (P1).
    load:         slots to read from the journal for a laggard.
    chosen:       (slot, value), contiguous and ascending, for the state machine.
    reads_ready:  read tokens that may be answered from the state as `chosen` has just made it.
    reads_failed: read tokens that nobody will confirm; the client may try again.
    role_changed: the role or the known leader is another than before the step.
    """

    send_now: list[Envelope] = field(default_factory=list)
    persist: list[Write] = field(default_factory=list)
    ticket: int = 0
    send_synced: list[Envelope] = field(default_factory=list)
    load: list[Load] = field(default_factory=list)
    chosen: list[tuple[Slot, Value]] = field(default_factory=list)
    reads_ready: list[int] = field(default_factory=list)
    reads_failed: list[int] = field(default_factory=list)
    role_changed: bool = False
