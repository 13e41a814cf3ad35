"""What a healthy node answers, on top of the real state machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paxoskv.kv import history, operations
from paxoskv.kv.commands import BadCommand, CommandTooLarge
from paxoskv.kv.queries import Query, Shape
from paxoskv.net import protocol

if TYPE_CHECKING:
    from tests.client.fake import FakeConnection

BALLOT = (7, 1)
PAGE_BYTES_MAX = 1 << 20
PAGE_KEYS_MAX = 2000
REVISIONS_MAX = 1000


@dataclass
class FakeWatch:
    """What a watch was told up to."""

    start: bytes
    end: bytes
    next_revision: int
    options: int


def serve(connection: FakeConnection, request: tuple[Any, ...]) -> None:
    """Do and answer as a healthy leader."""
    kind, number, *fields = request
    try:
        _SERVED[kind](connection, number, fields)
    except history.Compacted as error:
        connection.send(number, protocol.COMPACTED, str(error), 0, error.compacted_revision)
    except history.FutureRevision as error:
        connection.send(number, protocol.FUTURE_REVISION, str(error), 0, error.current)
    except CommandTooLarge as error:
        connection.send(number, protocol.TOO_LARGE, str(error), 0)
    except BadCommand as error:
        connection.send(number, protocol.BAD_REQUEST, str(error), 0)


def feed(connection: FakeConnection, number: int) -> None:
    """Tell one watch what it was not told yet."""
    machine, watch = connection.node.store.machine, connection.watches[number]
    last = machine.revision if connection.node.told_revision is None else connection.node.told_revision
    while watch.next_revision <= last:
        page_last = min(last, watch.next_revision + REVISIONS_MAX - 1)
        try:
            changes = list(machine.events(watch.next_revision, page_last))
        except history.Compacted as error:
            del connection.watches[number]
            connection.send(number, protocol.COMPACTED, str(error), 0, error.compacted_revision)
            return
        told = [(revision, _chosen(events, watch)) for revision, events in changes]
        watch.next_revision = page_last + 1
        if any(events for _, events in told):
            connection.send(0, protocol.EVENTS, page_last, [change for change in told if change[1]], (number,))


def _chosen(events: tuple[history.Event, ...], watch: FakeWatch) -> list[history.Event]:
    return [
        (key, record, previous if watch.options & protocol.PREVIOUS else None)
        for key, record, previous in events
        if watch.start <= key and (not watch.end or key < watch.end)
        if not watch.options & (protocol.NO_DELETE if record is None else protocol.NO_PUT)
    ]


def _write(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    connection.send(number, protocol.OK, BALLOT, connection.node.store.apply(fields[0]))


def _get(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    mode, key, revision, _ = _filled(fields, 4)
    machine = connection.node.store.machine
    record = machine.get_at(key, revision) if revision else machine.get(key)
    connection.send(number, *_header(connection), record, *_age(mode))


def _range(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    mode, start, end, limit, options, revision, _, *bounds = _filled(fields, 11)
    shape = Shape.RECORDS
    if options & operations.KEYS_ONLY:
        shape = Shape.KEYS
    if options & operations.COUNT_ONLY:
        shape = Shape.COUNT
    query = Query(
        start,
        end,
        limit or PAGE_KEYS_MAX,
        PAGE_BYTES_MAX,
        revision,
        bool(options & operations.DESCENDING),
        shape,
        (bounds[0], bounds[1]),
        (bounds[2], bounds[3]),
        PAGE_KEYS_MAX,
    )
    page = connection.node.store.machine.query(query)
    slot = connection.node.store.machine.applied_slot
    header = (number, protocol.OK, BALLOT, page.revision, slot)
    connection.send(*header, page.records, page.count, page.resume, *_age(mode))


def _status(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    connection.send(number, protocol.OK, {"node": connection.node.number, "role": "leader", "ballot": BALLOT})


def _lease(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    _, lease, after, limit, _ = _filled(fields, 5)
    machine = connection.node.store.machine
    keys = [key for key in machine.lease_keys(lease) if key > after] if machine.lease(lease) else []
    connection.send(number, *_header(connection), machine.lease(lease), keys[:limit], int(len(keys) > limit))


def _leases(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    _, after, limit, _ = _filled(fields, 4)
    limit = limit or 100
    found = connection.node.store.machine.list_leases(after, limit + 1)
    connection.send(number, *_header(connection), found[:limit], int(len(found) > limit))


def _watch(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    start, end, first, options = fields
    machine = connection.node.store.machine
    connection.watches[number] = FakeWatch(start, end, first or machine.revision + 1, options)
    connection.send(number, *_header(connection))
    feed(connection, number)


def _cancel(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    existed = connection.watches.pop(fields[0], None) is not None
    connection.send(number, protocol.OK, int(existed))


def _sync(connection: FakeConnection, number: int, fields: list[Any]) -> None:
    connection.send(number, *_header(connection))


def _header(connection: FakeConnection) -> tuple[Any, ...]:
    machine = connection.node.store.machine
    return protocol.OK, BALLOT, machine.revision, machine.applied_slot


def _filled(fields: list[Any], count: int) -> list[Any]:
    """Return the fields of a request with those that were left out."""
    return [*fields, *[0] * (count - len(fields))]


def _age(mode: int) -> tuple[int, ...]:
    return (250,) if mode in (protocol.STALE, protocol.AT_LEAST) else ()


_SERVED = {
    protocol.WRITE: _write,
    protocol.GET: _get,
    protocol.RANGE: _range,
    protocol.STATUS: _status,
    protocol.LEASE: _lease,
    protocol.LEASES: _leases,
    protocol.WATCH: _watch,
    protocol.CANCEL: _cancel,
    protocol.SYNC: _sync,
}
