"""The native client protocol: what the payload of a frame on the client port means.

Every payload is one msgpack array. A connection opens with a hello and its answer; nothing else is sent before.

    hello    client -> server   [MAGIC, PROTOCOL]
    welcome  server -> client   [MAGIC, PROTOCOL, cluster, node, leader, leader_endpoint]
    refusal  server -> client   [MAGIC, 0, reason], then the connection closes

Afterwards requests, each with a number the client chooses (from 1, not reused while open), in any depth. Fields in
braces may be left out from the right, they are 0 then:

    [WRITE,  number, command]                       command: an encoded `paxoskv.kv` command, opaque here
    [GET,    number, mode, key {, revision, least}]
    [RANGE,  number, mode, start, end, limit, options
             {, revision, least, modified_min, modified_max, created_min, created_max}]
    [STATUS, number]
    [LEASE,  number, mode, lease {, keys_after, keys_limit, least}]       keys_limit 0: tell no keys
    [LEASES, number, mode, after, limit {, least}]                        ids above `after`, ascending
    [WATCH,  number, start, end, from_revision, options]                  the watch is called `number` until it ends
    [CANCEL, number, watch]
    [SYNC,   number, mode {, least}]                                      a read of nothing

An interval is start <= key < end; end b"" is the end of all keys, and that of the key k alone is k + b"\0".

mode: LINEARIZABLE; LEASE_READ, the same under a bound of the clocks; STALE, what this node has applied; AT_LEAST, as
STALE, but only once it has applied the revision `least`, for which it waits a moment ("read my writes" through any
node).
revision: 0 is the present one; else what is read is the state as it was then.
limit: 0 is as many as the node puts into one answer. options of RANGE: DESCENDING, KEYS_ONLY (values are b""),
COUNT_ONLY (no records) of `paxoskv.kv.operations`. modified, created: only records whose revision lies within these
bounds, both included; a bound `max` 0 is none.
from_revision: 0 is what comes after the answer's revision; else all from there on, past or future.
options of WATCH: PREVIOUS, tell the records before; NO_PUT, NO_DELETE, leave these events out.

Answers come in any order, the first item the request's number, the second OK or an error status:

    WRITE   [number, OK, ballot, reply]                                   reply: the tuple `paxoskv.kv` made
    GET     [number, OK, ballot, revision, slot, record {, age_ms}]       record: nil or [value, created, modified,
                                                                          version, lease]; revision: of the store now
    RANGE   [number, OK, ballot, revision, slot, [[key, record], ...], count, resume {, age_ms}]
    STATUS  [number, OK, {field: value}]
    LEASE   [number, OK, ballot, revision, slot, view, [key, ...], more {, age_ms}]     view: nil or [lease, ttl_ms,
                                                                          remaining_ms, key_count]; more: 0 or 1
    LEASES  [number, OK, ballot, revision, slot, [view, ...], more {, age_ms}]
    WATCH   [number, OK, ballot, revision, slot]                          events follow
    CANCEL  [number, OK, existed]                                         0 or 1; nothing of the watch comes after this
    SYNC    [number, OK, ballot, revision, slot {, age_ms}]               after every event up to `revision`
    any     [number, status, message, retry_after_ms {, more}]            status: one of the errors below

`ballot` is [round, node] of the leadership known to the answering node.
A range comes in pages, each read at one `revision`. count: how many keys the page found. resume: nil if it was the
last one, else the bound of the next page, `start` of an ascending range and `end` of a descending one; asked with
`revision` of the first page, all pages together are one state. A page may be empty and not the last.
age_ms: in modes STALE and AT_LEAST, how long ago the node knew all that was committed; nil: never so far.
remaining_ms: an estimate, log time less what has passed at this node since.
more: COMPACTED the oldest revision that can be read, and watches begin after it; FUTURE_REVISION the present one.

Watches that stand are told, those of a connection that watch the same all at once,

    [0, EVENTS, last, [[revision, [[key, record, previous], ...]], ...], [watch, ...]]      record nil: deleted

or each under its number, when it has ended,

    [watch, status, message, retry_after_ms {, more}]

revisions ascending, and the events of a revision by key, at most one for each. Everything up to `last` has been told,
so the watch can be resumed from last + 1 at any node, without loss and without a copy (P29). A revision larger than a
frame comes in parts: as long as it is above `last`, more of it follows under the same revision, or if nothing more of
it is for this watch, a larger `last`.

Number 0 is news, not an answer:

    [0, LEADER, leader, leader_endpoint]           leader 0: none is known just now
    [0, GOODBYE, reason]                           the server closes; open requests: outcome unknown; watches end
    [0, PROGRESS, revision, age_ms]                every watch of this connection has been told all up to `revision`
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
LEASE = 5
LEASES = 6
WATCH = 7
CANCEL = 8
SYNC = 9

LINEARIZABLE = 0
LEASE_READ = 1
"""Linearizable as long as the clocks of the nodes keep to their bound; refused where none is agreed on (P24)."""
STALE = 2
AT_LEAST = 3

PREVIOUS = 1
NO_PUT = 2
NO_DELETE = 4

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

COMPACTED = 8
"""The revision asked for is not in the history any more, or a watch was too slow for it: begin anew."""
FUTURE_REVISION = 9
"""The revision asked for does not exist yet, as far as this node knows: it may be behind."""
TOO_MANY_WATCHES = 10
"""No room for another watch, on this connection or on this node: nothing was begun."""

EVENTS = 50

LEADER = 100
GOODBYE = 101
PROGRESS = 102

_ARRAY_ITEMS_MAX = 1 << 16
_FIXARRAY = 0x90
"""The head of a msgpack array of fewer than 16 items is this byte plus their number."""

REQUEST_ITEMS_MAX = 16
"""Items of any array in what a client sends: a request has at most 13, what is longer inside it is opaque bytes."""


class ProtocolError(ValueError):
    """A payload that is not msgpack, or not an array, or not of the protocol."""


def encode(*items: Any) -> bytes:
    """Return the payload of one array."""
    packed: bytes = msgpack.packb(items)
    return packed


def encode_part(*items: Any) -> bytes:
    """Return the part, of fewer than 15 items, that payloads share which differ around it; see `complete`."""
    return encode(*items)[1:]


def complete(first: int, part: bytes, items_in_part: int, *more: Any) -> bytes:
    """Return the payload `[first, *items, *more]`, the items encoded already, once for many payloads."""
    head = bytes((_FIXARRAY | 1 + items_in_part + len(more),))
    return b"".join((head, msgpack.packb(first), part, *[msgpack.packb(one) for one in more]))


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
