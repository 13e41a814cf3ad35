"""What a client may ask of a node, and who answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paxoskv.kv.commands import BadCommand, CommandTooLarge, check
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from paxoskv.net.codec import blob
from paxoskv.net.protocol import ProtocolError
from paxoskv.node.answers import Waiter
from paxoskv.node.engine import Engine
from paxoskv.node.forwards import Forwards
from paxoskv.node.proposals import Proposals
from paxoskv.node.reads import Reads


class Requests:
    """Validates requests of clients and hands each to its way: the log, the leader, or the applied state.

    status: makes the answer to STATUS.
    """

    def __init__(
        self,
        engine: Engine,
        proposals: Proposals,
        forwards: Forwards,
        reads: Reads,
        limits: KvLimits,
        status: Callable[[], dict[str, Any]],
    ) -> None:
        self._engine = engine
        self._proposals = proposals
        self._forwards = forwards
        self._limits = limits
        self._status = status
        self._kinds: dict[int, Callable[[tuple[Any, ...], Waiter], None]] = {
            protocol.WRITE: self._write,
            protocol.STATUS: self._answer_status,
            **reads.kinds,
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

    def _answer_status(self, request: tuple[Any, ...], waiter: Waiter) -> None:
        waiter.sink.answer(waiter.number, protocol.OK, self._status())
