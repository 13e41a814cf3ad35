"""What all calls have in common: a deadline, the keys' prefix, guards, and the way to the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

from paxoskv.client.answers import WriteAnswer
from paxoskv.client.guards import guarded_parse
from paxoskv.client.keys import to_key, to_revision
from paxoskv.client.operation import Parse
from paxoskv.client.results import Entry
from paxoskv.client.wire import Wire
from paxoskv.errors import BadRequest
from paxoskv.kv import operations, requests
from paxoskv.kv.operations import Compare, Operation
from paxoskv.net import protocol
from paxoskv.net.codec import NUMBER_MAX

Text = str | bytes
Consistency = Literal["linearizable", "lease", "stale"]

_MODES = {"linearizable": protocol.LINEARIZABLE, "lease": protocol.LEASE_READ, "stale": protocol.STALE}


class HasId(Protocol):
    """A lease, of the asyncio or the blocking client."""

    @property
    def id(self) -> int:
        """The number of the lease."""


LeaseLike = HasId | int


class Calls:
    """A view of a cluster through a client.

    prefix: of every key, added on the way in and taken away on the way out. timeout_s: of every call.
    guards: compares, of whole keys, that have to hold for a write to be applied.
    """

    def __init__(self, wire: Wire, prefix: bytes, timeout_s: float, guards: tuple[Compare, ...] = ()) -> None:
        self._wire = wire
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._guards = guards

    def whole_key(self, key: Text) -> bytes:
        """Return `key` of this view as it is called without any view."""
        return self._prefix + to_key(key)

    def _deadline_s(self) -> float:
        """Return the loop time at which a call made now ends."""
        return self._wire.now_s() + self._timeout_s

    def _entry(self, key: bytes, fields: tuple[Any, ...] | None) -> Entry | None:
        """Return the entry of a whole key, as this view names it."""
        return None if fields is None else Entry(key[len(self._prefix) :], *fields)

    def _entries(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        cut = len(self._prefix)
        return tuple(entry._replace(key=entry.key[cut:]) for entry in entries) if cut else entries

    def _write(self, parse: Parse, encode: Callable[..., bytes], *args: object) -> Awaitable[WriteAnswer]:
        deadline_s = self._deadline_s()
        if self._guards:
            raise BadRequest("a guarded view writes keys and does nothing else: use the one that it was made from")
        return self._wire.writer.write(deadline_s, parse, encode, *args)

    def _write_keys(self, parse: Parse, operation: Operation) -> Awaitable[WriteAnswer]:
        """Carry out an operation on keys, if all guards hold. Raises: GuardFailed."""
        if not self._guards:
            return self._write(parse, requests.write, operation)
        parse = guarded_parse(operation[0], parse)
        operation = operations.txn(self._guards, (operation,))
        return self._wire.writer.write(self._deadline_s(), parse, requests.write, operation)

    def _read(self, parse: Parse, kind: int, *fields: Any) -> Awaitable[Any]:
        deadline_s = self._deadline_s()
        channel = self._wire.channel
        return channel.perform(channel.operation(parse, deadline_s, False, kind, *fields))


def read_mode(consistency: str, min_revision: int | None = None) -> tuple[int, int]:
    """Return the mode of a read and the least revision it may see. Raises: BadRequest, TypeError."""
    mode = _MODES.get(consistency)
    if mode is None:
        raise BadRequest(f"consistency {consistency!r:.40} is unknown: choose linearizable, lease or stale")
    if min_revision is None:
        return mode, 0
    return protocol.AT_LEAST, to_revision("least revision", min_revision)


def lease_id(lease: LeaseLike | None) -> int:
    """Return the id of a lease given as such, or as the number itself; 0 for None. Raises: TypeError, BadRequest."""
    if lease is None:
        return 0
    number = lease if isinstance(lease, int) else lease.id
    if type(number) is not int:
        raise TypeError(f"a lease is a Lease or its number, not {lease!r:.40}")
    if not 0 <= number <= NUMBER_MAX:
        raise BadRequest(f"the lease is {number}: leases are numbers from 1 to 2**63 - 1")
    return number
