"""Who waits for an answer: a client on this node, or a peer that forwarded a client's request."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from paxoskv.net import protocol

RETRY_AFTER_MS = 20


class Sink(Protocol):
    """Where answers go; one that is gone meanwhile swallows them."""

    def answer(self, number: int, *fields: Any) -> None:
        """Answer the request that its sender called `number`."""


class Waiter(NamedTuple):
    """One request that waits."""

    sink: Sink
    number: int

    def fail(self, status: int, message: str, retry_after_ms: int = RETRY_AFTER_MS) -> None:
        """Answer with an error of `paxoskv.net.protocol`."""
        self.sink.answer(self.number, status, message, retry_after_ms)

    def unavailable(self, message: str) -> None:
        """Surely not applied."""
        self.fail(protocol.UNAVAILABLE, message)

    def unknown(self, message: str) -> None:
        """Perhaps applied."""
        self.fail(protocol.OUTCOME_UNKNOWN, message)
