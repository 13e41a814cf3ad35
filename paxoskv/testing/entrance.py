"""`with` for blocking tests, `async with` for asyncio ones: two faces of what lives on a loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from paxoskv.sync.thread import LoopThread

B = TypeVar("B")
C = TypeVar("C")


class Engine(Protocol):
    """What lives on the loop. Each of the two is called once."""

    async def open(self) -> None:
        """Begin; if this fails nothing is left behind."""

    async def close(self) -> None:
        """End everything, then raise what the test should know of."""


class Entrance(Generic[B, C]):
    """Opens an engine on entry, once. The loop is no other's: neither what a test does in its own loop, nor how the
    fixtures of an asyncio plugin are scoped, touches it.

    blocking, aio: make the faces, given the loop's thread.
    """

    def __init__(
        self, what: str, engine: Engine, blocking: Callable[[LoopThread], B], aio: Callable[[LoopThread], C]
    ) -> None:
        self._what = what
        self._engine = engine
        self._blocking = blocking
        self._aio = aio
        self._thread: LoopThread | None = None

    def __enter__(self) -> B:
        thread = self._begin()
        try:
            thread.call(self._engine.open())
        except BaseException:
            thread.stop()
            raise
        return self._blocking(thread)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        thread = self._running()
        if thread.is_inherited:  # a forked child leaves its parent's nodes alone
            return
        try:
            thread.call(self._engine.close())
        finally:
            thread.stop()

    async def __aenter__(self) -> C:
        thread = self._begin()
        try:
            await _elsewhere(thread, self._engine.open())
        except BaseException:
            await _stopped(thread)
            raise
        return self._aio(thread)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        thread = self._running()
        if thread.is_inherited:
            return
        try:
            await _elsewhere(thread, self._engine.close())
        finally:
            await _stopped(thread)

    def _begin(self) -> LoopThread:
        if self._thread is not None:
            raise RuntimeError(f"a {self._what} is entered once: make another one")
        self._thread = LoopThread(self._what)
        return self._thread

    def _running(self) -> LoopThread:
        assert self._thread is not None, "what is left was entered"
        return self._thread


async def _elsewhere(thread: LoopThread, work: Coroutine[Any, Any, None]) -> None:
    await asyncio.wrap_future(thread.submit(work))


async def _stopped(thread: LoopThread) -> None:
    """Stop the thread without blocking the loop of the test."""
    await asyncio.wrap_future(thread.begin_stop())
    thread.stop()
