"""The status of one named node, asked on a connection of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from paxoskv.client import answers
from paxoskv.client.connection import Connection, dial
from paxoskv.client.endpoints import parse_endpoint
from paxoskv.errors import Unavailable
from paxoskv.net import protocol
from paxoskv.net.frames import frame


class _Probe:
    """Hears the one answer of a connection, or why it will not come."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[dict[str, Any] | Unavailable] = asyncio.get_running_loop().create_future()

    def on_answer(self, connection: Connection, request: int, status: int, answer: tuple[Any, ...]) -> None:
        if status == protocol.OK:
            self._settle(answers.status_answer(answer))
        else:
            self._settle(Unavailable(f"{connection.endpoint}: {answers.refusal(answer).message}"))

    def on_news(self, connection: Connection) -> None:
        """Who leads is in the status."""

    def on_events(self, connection: Connection, answer: tuple[Any, ...]) -> None:
        """There is no watch."""

    def on_progress(self, connection: Connection, revision: int, age_s: float | None) -> None:
        """There is no watch."""

    def on_writable(self, connection: Connection) -> None:
        """One small request never fills a transport."""

    def on_lost(self, connection: Connection, reason: str) -> None:
        self._settle(Unavailable(f"{connection.endpoint}: {reason}"))

    def _settle(self, outcome: dict[str, Any] | Unavailable) -> None:
        if not self.answered.done():
            self.answered.set_result(outcome)


async def node_status(endpoint: str, *, timeout_s: float = 1.0) -> dict[str, Any]:
    """Return what the node at `endpoint` ("host:port") says about itself; needs no client and no healthy cluster.

    Raises: Unavailable if it cannot be reached or does not answer within `timeout_s`; ProtocolMismatch; BadRequest.
    """
    where = parse_endpoint(endpoint)
    probe = _Probe()
    connection: Connection | None = None
    try:
        async with asyncio.timeout(timeout_s):
            connection = await dial(where, probe, timeout_s)
            connection.send_frame(frame(protocol.encode(protocol.STATUS, 1)))
            outcome = await probe.answered
    except TimeoutError:
        raise Unavailable(f"{where}: no answer within {timeout_s:g} s") from None
    finally:
        if connection is not None:
            connection.abort("the status is known")
            await connection.wait_gone()
    if isinstance(outcome, Unavailable):
        raise outcome
    return outcome
