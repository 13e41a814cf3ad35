"""Who waits for an answer: a client on this node, or a peer that forwarded a client's request."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from paxoskv.net import protocol

RETRY_AFTER_MS = 20


class Sink(Protocol):
    """Where answers go; one that is gone meanwhile swallows them.

    is_writable: whether whoever asked reads what is sent. If not, large answers are not even made (H5).
    """

    @property
    def is_writable(self) -> bool: ...

    def hold(self, work: Callable[[], object]) -> None:
        """Do `work`, which makes an answer, once the sink is writable again; never, if it closes before."""

    def answer(self, number: int, *fields: Any) -> None:
        """Answer the request that its sender called `number`."""


class Waiter(NamedTuple):
    """One request that waits."""

    sink: Sink
    number: int

    def serve(self, work: Callable[[Waiter], object]) -> None:
        """Have `work` answer a read: now, or when there is room for its answer."""
        if self.sink.is_writable:
            work(self)
        else:
            self.sink.hold(partial(work, self))

    def fail(self, status: int, message: str, retry_after_ms: int = RETRY_AFTER_MS, *more: int) -> None:
        """Answer with an error of `paxoskv.net.protocol`."""
        self.sink.answer(self.number, status, message, retry_after_ms, *more)

    def unavailable(self, message: str) -> None:
        """Surely not applied."""
        self.fail(protocol.UNAVAILABLE, message)

    def unknown(self, message: str) -> None:
        """Perhaps applied."""
        self.fail(protocol.OUTCOME_UNKNOWN, message)
