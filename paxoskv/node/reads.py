"""What a client may read: keys and leases, now or at a past revision, in the mode it chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paxoskv.kv.history import Compacted, FutureRevision
from paxoskv.kv.leases import LeaseView
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.operations import COUNT_ONLY, DESCENDING, KEYS_ONLY
from paxoskv.kv.queries import Page, Query, Shape
from paxoskv.kv.records import VALUE
from paxoskv.net import protocol
from paxoskv.net.codec import blob, number
from paxoskv.net.protocol import ProtocolError
from paxoskv.node.answers import RETRY_AFTER_MS, Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.freshness import Freshness
from paxoskv.node.readgate import ReadGate, Serve
from paxoskv.node.revisionwaits import RevisionWaits
from paxoskv.node.scans import Scan, Scans

PAGE_KEYS_MAX = 2_000
"""Keys that one answer looks at, whether it tells them or not: about 2 ms (P42, H17)."""
PAGE_BYTES_MAX = 1 << 20
KEY_BYTES = PAGE_BYTES_MAX // PAGE_KEYS_MAX
"""What it takes to tell so many bytes is what it takes to look at a key."""
LEASES_MAX = 1_000

LEASES_ARE_OFF = (
    "this cluster grants no leases for reads: ask for linearizable or stale ones. Leases are for a cluster whose nodes "
    "were all founded with lease_reads (--lease-reads), with clocks that keep to clock_drift_max"
)

Request = tuple[Any, ...]


class Reads:
    """Answers GET, RANGE, LEASE and LEASES from the applied state, when it is fresh enough for their mode."""

    def __init__(
        self,
        engine: Engine,
        gate: ReadGate,
        waits: RevisionWaits,
        scans: Scans,
        freshness: Freshness,
        limits: KvLimits,
    ) -> None:
        self._engine = engine
        self._gate = gate
        self._waits = waits
        self._scans = scans
        self._freshness = freshness
        self._limits = limits
        self.kinds: dict[int, Callable[[Request, Waiter], None]] = {
            protocol.GET: self._get,
            protocol.RANGE: self._range,
            protocol.LEASE: self._lease,
            protocol.LEASES: self._leases,
        }

    def read(self, mode: Any, least: int, serve: Serve, waiter: Waiter) -> None:
        """Call `serve(waiter)` when the state is fresh enough for `mode`, or fail the waiter."""
        if mode == protocol.LINEARIZABLE:
            self._gate.submit(serve, waiter)
        elif mode == protocol.STALE:
            waiter.serve(serve)
        elif mode == protocol.LEASE_READ and self._engine.replica.grants_leases:
            self._gate.submit_leased(serve, waiter)
        elif mode == protocol.LEASE_READ:
            waiter.fail(protocol.BAD_REQUEST, LEASES_ARE_OFF, 0)
        elif mode == protocol.AT_LEAST:
            self._waits.submit(least, serve, waiter)
        else:
            waiter.fail(protocol.BAD_REQUEST, f"unknown read mode {mode!r:.20}", 0)

    def header(self, revision: int | None = None) -> tuple[Any, ...]:
        """Return what every answer begins with; revision: the one it was read at, if that is not the present one."""
        machine = self._engine.machine
        at = machine.revision if revision is None else revision
        return (protocol.OK, self._engine.ballot, at, machine.applied_slot)

    def age(self, mode: int) -> tuple[Any, ...]:
        """Return what an answer of a node that asked nobody ends with."""
        return (self._freshness.age_ms(),) if mode in (protocol.STALE, protocol.AT_LEAST) else ()

    # One key

    def _get(self, request: Request, waiter: Waiter) -> None:
        mode, key, revision, least = _fields(request, 4, 6)
        if not 0 < len(blob(key)) <= self._limits.key_bytes_max:
            status = protocol.TOO_LARGE if key else protocol.BAD_REQUEST
            waiter.fail(status, f"a key has 1 to {self._limits.key_bytes_max} bytes, not {len(key)}", 0)
        elif number(revision):
            self.read(mode, number(least), lambda waiter: self._serve_past(key, revision, mode, waiter), waiter)
        else:
            self.read(mode, number(least), lambda waiter: self._serve_get(key, mode, waiter), waiter)

    def _serve_get(self, key: bytes, mode: int, waiter: Waiter) -> None:
        waiter.sink.answer(waiter.number, *self.header(), self._engine.machine.get(key), *self.age(mode))

    def _serve_past(self, key: bytes, revision: int, mode: int, waiter: Waiter) -> None:
        try:
            record = self._engine.machine.get_at(key, revision)
        except (Compacted, FutureRevision) as error:
            fail_for_revision(error, waiter)
        else:
            waiter.sink.answer(waiter.number, *self.header(), record, *self.age(mode))

    # Many keys

    def _range(self, request: Request, waiter: Waiter) -> None:
        mode, start, end, limit, options, revision, least, *bounds = _fields(request, 7, 13)
        if max(len(blob(start)), len(blob(end))) > self._limits.key_bytes_max + 1:
            waiter.fail(protocol.TOO_LARGE, f"a bound of a range has at most {self._limits.key_bytes_max} bytes", 0)
            return
        if number(options) > DESCENDING | KEYS_ONLY | COUNT_ONLY:
            waiter.fail(protocol.BAD_REQUEST, f"unknown options {options}: is the client newer?", 0)
            return
        modified_min, modified_max, created_min, created_max = map(number, bounds)
        query = Query(
            start,
            end,
            min(number(limit) or PAGE_KEYS_MAX, PAGE_KEYS_MAX),
            PAGE_BYTES_MAX,
            number(revision),
            bool(options & DESCENDING),
            _shape(options),
            (modified_min, modified_max),
            (created_min, created_max),
            PAGE_KEYS_MAX,
        )
        self._scan(mode, number(least), lambda waiter: self._serve_range(query, mode, waiter), waiter)

    def _serve_range(self, query: Query, mode: int, waiter: Waiter) -> int:
        try:
            page = self._engine.machine.query(query)
        except (Compacted, FutureRevision) as error:
            fail_for_revision(error, waiter)
            return 0
        header = self.header(page.revision)
        waiter.sink.answer(waiter.number, *header, page.records, page.count, page.resume, *self.age(mode))
        return _looked_at(query, page)

    # Leases

    def _lease(self, request: Request, waiter: Waiter) -> None:
        mode, lease, after, limit, least = _fields(request, 4, 7)
        found, bound, most = number(lease), blob(after or b""), min(number(limit), PAGE_KEYS_MAX)
        self._scan(mode, number(least), lambda waiter: self._serve_lease(found, bound, most, mode, waiter), waiter)

    def _serve_lease(self, lease: int, after: bytes, limit: int, mode: int, waiter: Waiter) -> int:
        machine = self._engine.machine
        view = machine.lease(lease)
        keys: list[bytes] = []
        left = [key for key in machine.lease_keys(lease) if key > after] if limit else []
        size_bytes = 0
        for key in left[:limit]:
            size_bytes += len(key)
            if keys and size_bytes > PAGE_BYTES_MAX:
                break
            keys.append(key)
        told = None if view is None else self._told(view)
        more = int(len(left) > len(keys))
        waiter.sink.answer(waiter.number, *self.header(), told, keys, more, *self.age(mode))
        return len(left)

    def _leases(self, request: Request, waiter: Waiter) -> None:
        mode, after, limit, least = _fields(request, 5, 6)
        first, most = number(after), min(number(limit) or LEASES_MAX, LEASES_MAX)
        self._scan(mode, number(least), lambda waiter: self._serve_leases(first, most, mode, waiter), waiter)

    def _serve_leases(self, after: int, limit: int, mode: int, waiter: Waiter) -> int:
        views = self._engine.machine.list_leases(after, limit + 1)
        told, more = [self._told(view) for view in views[:limit]], int(len(views) > limit)
        waiter.sink.answer(waiter.number, *self.header(), told, more, *self.age(mode))
        return PAGE_KEYS_MAX

    def _told(self, view: LeaseView) -> tuple[int, int, int, int]:
        remaining_ms = max(0, view.remaining_ms - self._freshness.since_applied_ms())
        return view.lease, view.ttl_ms, remaining_ms, view.keys

    def _scan(self, mode: Any, least: int, scan: Scan, waiter: Waiter) -> None:
        """Have a read of many keys wait for its mode, and then for its turn.

        Under a lease it is the other way round: nothing may come between the reading and the look at the lease (P24).
        """
        if mode == protocol.LEASE_READ:
            self._scans.submit(lambda waiter: self._scan_leased(scan, waiter), waiter)
        else:
            self.read(mode, least, lambda waiter: self._scans.submit(scan, waiter), waiter)

    def _scan_leased(self, scan: Scan, waiter: Waiter) -> int:
        self.read(protocol.LEASE_READ, 0, scan, waiter)
        return PAGE_KEYS_MAX


def fail_for_revision(error: Compacted | FutureRevision, waiter: Waiter) -> None:
    """Tell that a revision cannot be read, and what can."""
    if isinstance(error, Compacted):
        waiter.fail(protocol.COMPACTED, str(error), 0, error.compacted_revision)
    else:
        waiter.fail(protocol.FUTURE_REVISION, str(error), RETRY_AFTER_MS, error.current)


def _fields(request: Request, least: int, most: int) -> list[Any]:
    """Return what follows kind and number in a request of `least` to `most` items, 0 for those left out."""
    if not least <= len(request) <= most:
        raise ProtocolError(f"a request of kind {request[0]} has {least} to {most} items, not {len(request)}")
    return [*request[2:], *[0] * (most - len(request))]


def _shape(options: int) -> Shape:
    if options & COUNT_ONLY:
        return Shape.COUNT
    return Shape.KEYS if options & KEYS_ONLY else Shape.RECORDS


def _looked_at(query: Query, page: Page) -> int:
    """Return about how many keys a page has looked at, and what it tells, counted in keys of KEY_BYTES.

    How many a filter or the past left out is not known: as many as it may be.
    """
    if query.is_filtered or query.revision:
        return PAGE_KEYS_MAX
    return len(page.records) + sum(len(record[VALUE]) for _, record in page.records) // KEY_BYTES
