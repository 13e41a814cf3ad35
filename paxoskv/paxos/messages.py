"""What the nodes of a cluster say to one another.

One frozen class a message, named after its part in the protocol; the sender travels beside it.
Fields are append-only: they stand on the wire in this order (`paxoskv.net.codec`).
"""

from __future__ import annotations

from dataclasses import dataclass

from paxoskv.paxos.ballot import Ballot, NodeId, Slot, Value, Vote


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent by every node to every other, every heartbeat interval and for every read round.

    ballot:      the leadership of the sender, NO_BALLOT if it does not lead (a follower gossips none: P20c).
    commit_slot: last slot of the prefix that the sender knows to be chosen.
    round:       number of this round trip; the ack echoes it. Never reused under one ballot (P23).
    connected:   the sender completed round trips with a quorum within the last election timeout.
    """

    ballot: Ballot
    commit_slot: Slot
    round: int
    connected: bool


@dataclass(frozen=True, slots=True)
class HeartbeatAck:
    """Echo of a heartbeat. `promised` is the acceptor's promise at the time of the answer."""

    ballot: Ballot
    round: int
    promised: Ballot


@dataclass(frozen=True, slots=True)
class Ask:
    """May I stand for leader? Durable nowhere; raises no ballot. `attempt` is a random number of this try."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Yes: the sender hears no quorum-connected leader."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """Phase 1a for every slot from `from_slot` on."""

    ballot: Ballot
    from_slot: Slot


@dataclass(frozen=True, slots=True)
class Promise:
    """Phase 1b, in `parts` messages numbered from 0; a part counts for nothing until all are there (P12).

    commit_slot:    every slot up to it is chosen and can be learned from the sender: never empty (P15).
    compacted_slot: slots up to it are gone from the sender's journal; learn them from a snapshot.
    votes:          of this part: every vote of the sender above its known_slot and from from_slot on, as (slot, vote).
    faulty:         slots above known_slot whose record is damaged: the sender says nothing about them (P5).
    answer:         the same in all parts of one answer; the answer to a repeated Prepare may be cut elsewhere.
    known_slot:     slots above commit_slot and up to it are chosen as well, but the sender cannot read all their
                    values: it says nothing about any of them until it has repaired its journal (P5).
    """

    ballot: Ballot
    part: int
    parts: int
    commit_slot: Slot
    compacted_slot: Slot
    votes: tuple[tuple[Slot, Vote], ...]
    faulty: tuple[Slot, ...]
    answer: int
    known_slot: Slot


@dataclass(frozen=True, slots=True)
class Accept:
    """Phase 2a: vote for `value` in `slot`. `commit_slot` as in Heartbeat."""

    ballot: Ballot
    slot: Slot
    value: Value
    commit_slot: Slot


@dataclass(frozen=True, slots=True)
class Accepted:
    """Phase 2b: the sender's vote in `slot` under `ballot` is durable."""

    ballot: Ballot
    slot: Slot


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refusal of a Prepare or Accept of `ballot`: `promised` is higher. A hint only (P19)."""

    ballot: Ballot
    promised: Ballot


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Ask for the chosen values of the slots from..to, both included; any node that knows may answer."""

    from_slot: Slot
    to_slot: Slot


@dataclass(frozen=True, slots=True)
class Learn:
    """Chosen values, contiguous and ascending. `commit_slot` of the sender: how much more there is.

    Each vote carries a ballot not lower than the one under which its value was chosen.
    """

    commit_slot: Slot
    compacted_slot: Slot
    votes: tuple[tuple[Slot, Vote], ...]


@dataclass(frozen=True, slots=True)
class ReadAsk:
    """A follower wants the slot a linearizable read has to wait for. `ask` is the follower's own number."""

    ask: int


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """Leadership of `ballot` was confirmed by a quorum after the ask arrived: wait for `read_slot`.

    `commit_slot` as in Heartbeat, so that an idle follower need not wait for the next one.
    """

    ask: int
    ballot: Ballot
    read_slot: Slot
    commit_slot: Slot


Message = (
    Heartbeat
    | HeartbeatAck
    | Ask
    | Grant
    | Prepare
    | Promise
    | Accept
    | Accepted
    | Rejected
    | CatchUp
    | Learn
    | ReadAsk
    | ReadAnswer
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message and where it goes. A node may address itself: its own vote travels like any other."""

    to: NodeId
    message: Message
