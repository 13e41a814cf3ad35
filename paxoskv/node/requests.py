"""What a client may ask of a node, and who answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paxoskv.kv.commands import BadCommand, CommandTooLarge, check
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from paxoskv.net.codec import blob, items, number
from paxoskv.net.protocol import ProtocolError
from paxoskv.node.answers import Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.forwards import Forwards
from paxoskv.node.proposals import Proposals
from paxoskv.node.readgate import ReadGate

RANGE_ITEMS_MAX = 10_000
RANGE_BYTES_MAX = 1 << 20


class Requests:
    """Validates requests of clients and hands each to its way: the log, the leader, or the applied state.

    status: makes the answer to STATUS.
    """

    def __init__(
        self,
        engine: Engine,
        proposals: Proposals,
        forwards: Forwards,
        reads: ReadGate,
        limits: KvLimits,
        status: Callable[[], dict[str, Any]],
    ) -> None:
        self._engine = engine
        self._proposals = proposals
        self._forwards = forwards
        self._reads = reads
        self._limits = limits
        self._status = status
        self._kinds: dict[int, Callable[[tuple[Any, ...], Waiter], None]] = {
            protocol.WRITE: self._write,
            protocol.GET: self._get,
            protocol.RANGE: self._range,
            protocol.STATUS: self._answer_status,
        }

    def handle(self, request: tuple[Any, ...], waiter: Waiter) -> None:
        """Take a request `[kind, number, ...]`; a wrong one gets its answer, the connection goes on.

        Raises: ProtocolError if the fields are not of their kind's shape.
        """
        kind = self._kinds.get(request[0]) if type(request[0]) is int else None
        if kind is None:
            waiter.fail(protocol.BAD_REQUEST, f"unknown request kind {request[0]!r:.20}: is the client newer?", 0)
            return
        kind(request, waiter)

    def write(self, command: bytes, waiter: Waiter) -> None:
        """Propose a command on the leader; `check` decides whether it may enter the log."""
        try:
            check(command, self._limits)
        except CommandTooLarge as error:
            waiter.fail(protocol.TOO_LARGE, str(error), 0)
        except BadCommand as error:
            waiter.fail(protocol.BAD_REQUEST, str(error), 0)
        else:
            self._route(command, waiter)

    def write_forwarded(self, command: bytes, waiter: Waiter) -> None:
        """Propose what a follower sent, if we lead; it is not passed on again."""
        if self._engine.leads:
            self.write(command, waiter)
        else:
            waiter.unavailable("the node that was taken for the leader does not lead")

    def _route(self, command: bytes, waiter: Waiter) -> None:
        leader = self._engine.replica.leader
        if self._engine.leads:
            self._proposals.submit(command, waiter)
        elif leader is not None:
            self._forwards.submit(leader, command, waiter)
        elif self._engine.disk_full is not None:
            why = f"no leader is known, and the disk of node {self._engine.replica.node} is full"
            waiter.fail(protocol.DISK_FULL, f"{why}: {self._engine.disk_full}")
        else:
            waiter.unavailable("no leader is known here: a quorum is missing, or an election is under way")

    def _write(self, request: tuple[Any, ...], waiter: Waiter) -> None:
        if len(request) != 3:
            raise ProtocolError(f"a write has 3 items, not {len(request)}")
        self.write(blob(request[2]), waiter)

    def _get(self, request: tuple[Any, ...], waiter: Waiter) -> None:
        if len(request) != 4:
            raise ProtocolError(f"a get has 4 items, not {len(request)}")
        key = blob(request[3])
        if not 0 < len(key) <= self._limits.key_bytes_max:
            status = protocol.TOO_LARGE if key else protocol.BAD_REQUEST
            waiter.fail(status, f"a key has 1 to {self._limits.key_bytes_max} bytes, not {len(key)}", 0)
            return
        self._read(request[2], lambda waiter: self._serve_get(key, waiter), waiter)

    def _range(self, request: tuple[Any, ...], waiter: Waiter) -> None:
        _, _, mode, start, end, limit, keys_only = items(request, 7)
        first, last, count = blob(start), blob(end), min(number(limit) or RANGE_ITEMS_MAX, RANGE_ITEMS_MAX)
        if max(len(first), len(last)) > self._limits.key_bytes_max + 1:
            waiter.fail(protocol.TOO_LARGE, f"a bound of a range has at most {self._limits.key_bytes_max} bytes", 0)
            return
        bare = keys_only is True
        self._read(mode, lambda waiter: self._serve_range(first, last, count, bare, waiter), waiter)

    def _read(self, mode: Any, serve: Callable[[Waiter], None], waiter: Waiter) -> None:
        if mode == protocol.LINEARIZABLE:
            self._reads.submit(serve, waiter)
        elif mode == protocol.STALE:
            waiter.serve(serve)
        else:
            waiter.fail(protocol.BAD_REQUEST, f"unknown read mode {mode!r:.20}", 0)

    def _serve_get(self, key: bytes, waiter: Waiter) -> None:
        machine = self._engine.machine
        header = (self._engine.ballot, machine.revision, machine.applied_slot)
        waiter.sink.answer(waiter.number, protocol.OK, *header, machine.get(key))

    def _serve_range(self, first: bytes, last: bytes, limit: int, keys_only: bool, waiter: Waiter) -> None:
        machine = self._engine.machine
        found, more = machine.range(first, last, limit, keys_only, RANGE_BYTES_MAX)
        header = (self._engine.ballot, machine.revision, machine.applied_slot)
        waiter.sink.answer(waiter.number, protocol.OK, *header, found, more)

    def _answer_status(self, request: tuple[Any, ...], waiter: Waiter) -> None:
        waiter.sink.answer(waiter.number, protocol.OK, self._status())
