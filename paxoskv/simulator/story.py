"""Messages in words, for the story of a run: short enough that a page of them can be read."""

from __future__ import annotations

from paxoskv.kv import commands, operations, requests
from paxoskv.paxos.ballot import NO_BALLOT, Ballot, Slot, Value, Vote
from paxoskv.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    CatchUp,
    Grant,
    Heartbeat,
    HeartbeatAck,
    Learn,
    Message,
    Prepare,
    Promise,
    ReadAnswer,
    ReadAsk,
    Rejected,
)

_COMMANDS_SHOWN = 3
_VOTES_SHOWN = 4
_OPS = {
    commands.PUT: "put",
    commands.DELETE: "delete",
    commands.CAS: "cas",
    commands.OPEN_SESSION: "open session",
    commands.CLOSE_SESSION: "close session",
    operations.TXN: "transaction",
    operations.DELETE_RANGE: "delete range",
    operations.INCR: "incr",
    operations.APPEND: "append",
    operations.PUT_WITH: "put with options",
    requests.GRANT: "grant",
    requests.KEEP_ALIVE: "keep alive",
    requests.REVOKE: "revoke",
    requests.EXTEND: "extend all leases",
    requests.COMPACT: "compact",
}


def in_words(message: Message) -> str:
    """Return one line about a message."""
    match message:
        case Heartbeat(ballot, commit_slot, _, connected):
            role = "follows" if ballot == NO_BALLOT else f"leads {ballot}"
            return f"Heartbeat: {role}, commit {commit_slot}{'' if connected else ', hears no quorum'}"
        case HeartbeatAck(ballot, _, promised):
            return f"HeartbeatAck {ballot}, promised {promised}"
        case Ask() | Grant() | ReadAsk():
            return type(message).__name__
        case Prepare(ballot, from_slot):
            return f"Prepare {ballot} from slot {from_slot} on"
        case Promise(ballot=ballot, part=part, parts=parts, commit_slot=commit_slot, votes=votes, faulty=faulty):
            piece = f" part {part + 1}/{parts}" if parts > 1 else ""
            damage = f", faulty {list(faulty)}" if faulty else ""
            return f"Promise {ballot}{piece}, commit {commit_slot}, votes {_votes(votes)}{damage}"
        case Accept(ballot, slot, value, commit_slot):
            return f"Accept {ballot} slot {slot}: {value_in_words(value)}, commit {commit_slot}"
        case Accepted(ballot, slot):
            return f"Accepted {ballot} slot {slot}"
        case Rejected(ballot, promised):
            return f"Rejected {ballot}, promised {promised}"
        case CatchUp(from_slot, to_slot):
            return f"CatchUp slots {from_slot} to {to_slot}"
        case Learn(commit_slot=commit_slot, votes=votes):
            return f"Learn {_votes(votes)}, commit {commit_slot}"
        case ReadAnswer(_, ballot, read_slot, commit_slot):
            return f"ReadAnswer {ballot}: read at slot {read_slot}, commit {commit_slot}"


def value_in_words(value: Value) -> str:
    """Return what stands in a slot."""
    if not value:
        return "no-op"
    try:
        batch = commands.decode_batch(value)
        told = [_command(command) for command in batch.commands[:_COMMANDS_SHOWN]]
    except commands.BadBatch:
        return f"{len(value)} bytes that are no batch"
    more = len(batch.commands) - len(told)
    if not told:
        return f"{batch.elapsed_ms} ms pass"
    return "[" + "; ".join(told) + (f"; {more} more" if more else "") + "]"


def _command(command: bytes) -> str:
    try:
        op, session, seq, _, *arguments = commands.decode_command(command)
    except commands.BadCommand:
        return f"{len(command)} bytes that are no command"
    words = " ".join(part.decode(errors="replace") for part in arguments[:2] if isinstance(part, bytes))
    return f"{_OPS.get(op, op)} {words} ({session}/{seq})" if words else f"{_OPS.get(op, op)} ({session}/{seq})"


def _votes(votes: tuple[tuple[Slot, Vote], ...]) -> str:
    told = [f"{slot}:{_vote(vote.ballot, vote.value)}" for slot, vote in votes[:_VOTES_SHOWN]]
    more = len(votes) - len(told)
    return "{" + ", ".join(told) + (f", {more} more" if more else "") + "}"


def _vote(ballot: Ballot, value: Value) -> str:
    return f"{ballot} {value_in_words(value)}"
