"""The blocking client: what a program calls."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from paxoskv.client import client as aio
from paxoskv.client import probe
from paxoskv.sync.store import Store
from paxoskv.sync.thread import SHARED


def connect(endpoints: str | Sequence[str], *, timeout_s: float = 5.0, max_in_flight: int = 1024) -> Client:
    """Return a blocking client for the cluster at `endpoints`, for use in `with`. Does no I/O yet.

    The arguments are those of `paxoskv.connect`. Raises: BadRequest.
    """
    return Client(aio.connect(endpoints, timeout_s=timeout_s, max_in_flight=max_in_flight))


def node_status(endpoint: str, *, timeout_s: float = 1.0) -> dict[str, Any]:
    """Return what the node at `endpoint` says about itself, as `paxoskv.node_status` does."""
    thread = SHARED.acquire()
    try:
        return thread.call(probe.node_status(endpoint, timeout_s=timeout_s))
    finally:
        SHARED.release(thread)


class Client(Store):
    """A connection to a cluster, made by `connect`; any number of threads may call it at the same time.

    Every call does what the one of the same name of `paxoskv.Client` does, and returns when it is done.
    """

    _aio: aio.Client

    def __init__(self, client: aio.Client) -> None:
        self._aio = client
        self._is_closed = False

    def __enter__(self) -> Self:
        thread = SHARED.acquire()
        try:
            thread.call(self._aio.__aenter__())
        except BaseException:
            SHARED.release(thread)
            raise
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client; nothing in a forked child, whose parent still has it."""
        thread = self._running()
        if self._is_closed or thread.is_inherited:
            return
        self._is_closed = True
        try:
            thread.call(self._aio.__aexit__(kind, error, traceback))
        finally:
            SHARED.release(thread)
