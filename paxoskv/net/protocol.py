"""The native client protocol: what the payload of a frame on the client port means.

Every payload is one msgpack array. A connection opens with a hello and its answer; nothing else is sent before.

    hello    client -> server   [MAGIC, PROTOCOL]
    welcome  server -> client   [MAGIC, PROTOCOL, cluster, node, leader, leader_endpoint]
    refusal  server -> client   [MAGIC, 0, reason], then the connection closes

Afterwards requests, each with a number the client chooses (from 1, not reused while open), in any depth:

    [WRITE,  number, command]                            command: an encoded `paxoskv.kv` command, opaque here
    [GET,    number, mode, key]                          mode: LINEARIZABLE or STALE
    [RANGE,  number, mode, start, end, limit, keys_only] keys start <= k < end; end b"" is the end of all keys
    [STATUS, number]

and answers in any order, the first item the request's number, the second OK or an error status:

    WRITE   [number, OK, ballot, reply]                        reply: the tuple `paxoskv.kv` made
    GET     [number, OK, ballot, revision, slot, record]       record: nil or [value, created, modified, version, lease]
    RANGE   [number, OK, ballot, revision, slot, [[key, record], ...], more]   more: keys are left after the last one
    STATUS  [number, OK, {field: value}]
    any     [number, status, message, retry_after_ms]          status: one of the errors below

`ballot` is [round, node] of the leadership known to the answering node. Number 0 is news, not an answer:

    [0, LEADER, leader, leader_endpoint]                       leader 0: none is known just now
    [0, GOODBYE, reason]                                       the server closes; open requests: outcome unknown
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgpack

MAGIC = "paxoskv"
PROTOCOL = 1

WRITE = 1
GET = 2
RANGE = 3
STATUS = 4

LINEARIZABLE = 0
STALE = 2

OK = 0
BAD_REQUEST = 1
"""The client is wrong: nothing was done, and nothing will be however often it tries."""
TOO_LARGE = 2
"""A limit is exceeded; otherwise as BAD_REQUEST."""
UNAVAILABLE = 3
"""Surely not applied: no leader is known or reachable from here just now. Try again, or elsewhere."""
OUTCOME_UNKNOWN = 4
"""It may have been applied or may still be: try again with the same session and sequence number only."""
OVERLOADED = 5
"""Surely not applied: too much is in flight. Try again after `retry_after_ms`."""
SHUTTING_DOWN = 6
"""Surely not applied: this node is going down. Try elsewhere."""

DISK_FULL = 7
"""Surely not applied: no leader is known here, and this node's disk is full. Make room, or try elsewhere (P9)."""

LEADER = 100
GOODBYE = 101

_ARRAY_ITEMS_MAX = 1 << 16

REQUEST_ITEMS_MAX = 16
"""Items of any array in what a client sends: a request has at most 7, what is longer inside it is opaque bytes."""


class ProtocolError(ValueError):
    """A payload that is not msgpack, or not an array, or not of the protocol."""


def encode(*items: Any) -> bytes:
    """Return the payload of one array."""
    packed: bytes = msgpack.packb(items)
    return packed


def decode(payload: bytes, items_max: int = _ARRAY_ITEMS_MAX) -> tuple[Any, ...]:
    """Return the array in `payload` as a tuple; nothing inside is validated yet.

    items_max bounds every array and map. So does the payload's own length: an item takes a byte at least. Without
    such bounds headers nested in one another reserve memory, and take time, for all that each of them claims (H3).
    Raises: ProtocolError.
    """
    items_max = min(items_max, len(payload))
    try:
        items = msgpack.unpackb(
            payload,
            use_list=False,
            strict_map_key=True,
            max_array_len=items_max,
            max_map_len=items_max,
            max_ext_len=0,
            ext_hook=_refuse_extension,
        )
    except (ValueError, msgpack.exceptions.UnpackException, RecursionError) as error:
        raise ProtocolError(f"not a msgpack array of at most {items_max} items: {error}") from None
    if type(items) is not tuple or not items:
        raise ProtocolError("a payload is a non-empty array")
    return items


def _refuse_extension(kind: int, data: bytes) -> NoReturn:
    """An extension type, of which an empty one has no length to refuse, is no data of ours (P43)."""
    raise ValueError(f"extension type {kind}")
