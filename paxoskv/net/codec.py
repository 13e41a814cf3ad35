"""Messages of the core on the wire between peers: `[tag, field, ...]` in msgpack, the fields in class order.

A peer is trusted to run our code, not to deliver sound bytes: every field is checked for type and range before
a message object exists (P43, H1). Tags and fields are append-only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

from paxoskv.net import protocol
from paxoskv.net.protocol import ProtocolError
from paxoskv.paxos.ballot import Ballot, Slot, Vote
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

NUMBER_BITS = 63
NUMBER_MAX = (1 << NUMBER_BITS) - 1
_Item = TypeVar("_Item")


def number(raw: Any) -> int:
    """Return `raw` if it is a natural number of at most 63 bits (H14). Raises: ProtocolError."""
    if type(raw) is not int or not 0 <= raw <= NUMBER_MAX:
        raise ProtocolError(f"expected a number from 0 to 2**63 - 1, got {_shown(raw)}")
    return raw


def blob(raw: Any) -> bytes:
    """Return `raw` if it is bytes. Raises: ProtocolError."""
    if type(raw) is not bytes:
        raise ProtocolError(f"expected bytes, got {_shown(raw)}")
    return raw


def text(raw: Any) -> str:
    """Return `raw` if it is text. Raises: ProtocolError."""
    if type(raw) is not str:
        raise ProtocolError(f"expected text, got {_shown(raw)}")
    return raw


def items(raw: Any, count: int | None = None) -> tuple[Any, ...]:
    """Return `raw` if it is an array, of `count` items where given. Raises: ProtocolError."""
    if type(raw) is not tuple or (count is not None and len(raw) != count):
        raise ProtocolError(f"expected an array of {'any length' if count is None else count}, got {_shown(raw)}")
    return raw


def _flag(raw: Any) -> bool:
    if type(raw) is not bool:
        raise ProtocolError(f"expected true or false, got {_shown(raw)}")
    return raw


def _ballot(raw: Any) -> Ballot:
    pair = items(raw, 2)
    return Ballot(number(pair[0]), number(pair[1]))


def _slot(raw: Any) -> Slot:
    if number(raw) == 0:
        raise ProtocolError("slots count from 1")
    return int(raw)


def _slots(raw: Any) -> tuple[Slot, ...]:
    return tuple(_slot(one) for one in items(raw))


def _vote(raw: Any) -> tuple[Slot, Vote]:
    slot, vote = items(raw, 2)
    ballot, value = items(vote, 2)
    return _slot(slot), Vote(_ballot(ballot), blob(value))


def _votes(raw: Any) -> tuple[tuple[Slot, Vote], ...]:
    return tuple(_vote(one) for one in items(raw))


def _shown(raw: Any) -> str:
    return f"{type(raw).__name__} {raw!r:.60}"


_Check = Callable[[Any], Any]
_CHECKS: dict[type[Message], tuple[int, tuple[_Check, ...]]] = {
    Heartbeat: (1, (_ballot, number, number, _flag)),
    HeartbeatAck: (2, (_ballot, number, _ballot)),
    Ask: (3, (number,)),
    Grant: (4, (number,)),
    Prepare: (5, (_ballot, _slot)),
    Promise: (6, (_ballot, number, _slot, number, number, _votes, _slots, number, number)),
    Accept: (7, (_ballot, _slot, blob, number)),
    Accepted: (8, (_ballot, _slot)),
    Rejected: (9, (_ballot, _ballot)),
    CatchUp: (10, (_slot, _slot)),
    Learn: (11, (number, number, _votes)),
    ReadAsk: (12, (number,)),
    ReadAnswer: (13, (number, _ballot, number, number)),
}
_BY_TAG = {tag: (cls, checks) for cls, (tag, checks) in _CHECKS.items()}
TAG_MAX = 19
"""Tags above are the node's own, not the core's."""


def _fields_of(cls: type[Message]) -> Callable[[Message], Any]:
    names = [field.name for field in fields(cls)]
    assert len(names) == len(_CHECKS[cls][1]), f"{cls.__name__}: a field has no check"
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda message: (get(message),)


_FIELDS = {cls: _fields_of(cls) for cls in _CHECKS}


ANNOUNCING: tuple[type[Message], ...] = (HeartbeatAck, Promise, Accepted)
"""Messages that end with the sequence number of their sender's journal, which is no business of the core (P4)."""
ANNOUNCING_TAGS = tuple(_CHECKS[cls][0] for cls in ANNOUNCING)


def encode(message: Message, *more: int) -> bytes:
    """Return the payload of `message`, and of what follows it."""
    cls = type(message)
    return protocol.encode(_CHECKS[cls][0], *_FIELDS[cls](message), *more)


def decode(payload: tuple[Any, ...]) -> Message:
    """Return the message in a decoded array. Raises: ProtocolError, naming the field's fault."""
    tag = payload[0]
    known = _BY_TAG.get(tag) if type(tag) is int else None
    if known is None:
        raise ProtocolError(f"unknown message tag {_shown(tag)}")
    cls, checks = known
    if len(payload) != len(checks) + 1:
        raise ProtocolError(f"{cls.__name__} has {len(checks)} fields, not {len(payload) - 1}")
    return cls(*[check(raw) for check, raw in zip(checks, payload[1:], strict=True)])
