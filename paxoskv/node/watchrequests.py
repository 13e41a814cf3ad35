"""What a client may ask about watches: WATCH, CANCEL, and SYNC, checked and carried out."""

from __future__ import annotations

from functools import partial
from typing import Any

from paxoskv.kv.history import Compacted
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from paxoskv.net.codec import blob, items, number
from paxoskv.net.protocol import ProtocolError
from paxoskv.node.answers import Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.reads import Reads, fail_for_revision
from paxoskv.node.watch import Subscriber
from paxoskv.node.watches import TooManyWatches, Watches

_OPTIONS = protocol.PREVIOUS | protocol.NO_PUT | protocol.NO_DELETE


class WatchRequests:
    """Answers the requests that need the connection they came on, since it is told more than one answer."""

    def __init__(self, engine: Engine, watches: Watches, reads: Reads, limits: KvLimits) -> None:
        self._engine = engine
        self._watches = watches
        self._reads = reads
        self._limits = limits
        self._kinds = {protocol.WATCH: self._watch, protocol.CANCEL: self._cancel, protocol.SYNC: self._sync}

    def handle(self, request: tuple[Any, ...], sink: Subscriber) -> bool:
        """Take a request `[kind, number, ...]` of a connection; return whether it is of a kind for this place.

        Raises: ProtocolError if the fields are not of their kind's shape.
        """
        kind = self._kinds.get(request[0]) if type(request[0]) is int else None
        if kind is not None:
            kind(request, sink)
        return kind is not None

    def forget(self, sink: Subscriber) -> None:
        """The connection is gone."""
        self._watches.forget(sink)

    def _watch(self, request: tuple[Any, ...], sink: Subscriber) -> None:
        _, name, start, end, from_revision, options = items(request, 6)
        waiter = Waiter(sink, name)
        if max(len(blob(start)), len(blob(end))) > self._limits.key_bytes_max + 1:
            most = self._limits.key_bytes_max
            waiter.fail(protocol.TOO_LARGE, f"a bound of a watch has at most {most} bytes", 0)
        elif number(options) > _OPTIONS:
            waiter.fail(protocol.BAD_REQUEST, f"unknown options {options}: is the client newer?", 0)
        elif end and end <= start:
            waiter.fail(protocol.BAD_REQUEST, "no key lies between these bounds: the end is not after the start", 0)
        else:
            self._begin(waiter, sink, start, end, number(from_revision), options)

    def _begin(
        self, waiter: Waiter, sink: Subscriber, start: bytes, end: bytes, from_revision: int, options: int
    ) -> None:
        try:
            self._watches.begin(sink, waiter.number, start, end, from_revision, options)
        except Compacted as error:
            fail_for_revision(error, waiter)
        except TooManyWatches as error:
            waiter.fail(protocol.TOO_MANY_WATCHES, str(error))
        else:
            sink.answer(waiter.number, *self._reads.header())

    def _cancel(self, request: tuple[Any, ...], sink: Subscriber) -> None:
        _, name, watch = items(request, 3)
        existed = self._watches.cancel(sink, number(watch))
        sink.answer(name, protocol.OK, int(existed))

    def _sync(self, request: tuple[Any, ...], sink: Subscriber) -> None:
        if not 3 <= len(request) <= 4:
            raise ProtocolError(f"a sync has 3 or 4 items, not {len(request)}")
        mode, least = request[2], number(request[3]) if len(request) == 4 else 0
        if mode == protocol.LEASE_READ and self._engine.replica.grants_leases:
            mode = protocol.LINEARIZABLE  # its answer may wait for the connection, longer than a lease lasts (P24)
        self._reads.read(mode, least, lambda waiter: self._serve_sync(mode, sink, waiter), Waiter(sink, request[1]))

    def _serve_sync(self, mode: int, sink: Subscriber, waiter: Waiter) -> None:
        """Answer with the state as it is now, once the connection has been told all of it."""
        revision = self._engine.machine.revision
        header = (*self._reads.header(), *self._reads.age(mode))
        self._watches.sync(sink, revision, partial(sink.answer, waiter.number, *header))
