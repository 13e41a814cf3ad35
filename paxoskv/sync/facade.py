"""How an asyncio object gets a blocking face: a class of one line per method, whose types are the method's own."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from paxoskv.sync.thread import LoopThread

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")

_END: Any = object()


class Facade(Generic[A]):
    """The face of `aio`, which lives on a loop of another thread.

    class Client(Facade[asyncio_client.Client]):
        put = blocking(asyncio_client.Client.put)
    """

    _aio: A
    _thread: LoopThread | None = None

    def _running(self) -> LoopThread:
        """Return the thread. Raises: RuntimeError if there is none yet."""
        if self._thread is None:
            raise RuntimeError(f"the {type(self).__name__.lower()} is not entered: use it in a `with` block")
        return self._thread


def blocking(method: Callable[Concatenate[A, P], Awaitable[T]]) -> Callable[Concatenate[Facade[A], P], T]:
    """Return `method` of an asyncio object as a method of its face, which returns when it has ended."""

    @functools.wraps(method)
    def call(self: Facade[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        thread = self._running()
        return thread.call(_ended(method, self._aio, *args, **kwargs))

    return call


def iterating(
    method: Callable[Concatenate[A, P], AsyncIterator[T]],
) -> Callable[Concatenate[Facade[A], P], Iterator[T]]:
    """Return `method`, an asynchronous generator, as a method of the face that yields the same, item by item."""

    @functools.wraps(method)
    def iterate(self: Facade[A], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        thread = self._running()
        source = method(self._aio, *args, **kwargs)
        try:
            while (item := thread.call(_next(source))) is not _END:
                yield item
        finally:
            _abandon(thread, source)

    return iterate


def awaiting(
    method: Callable[Concatenate[A, P], Awaitable[T]],
) -> Callable[Concatenate[Facade[A], P], Coroutine[Any, Any, T]]:
    """Return `method` as a coroutine function of the face, for use in any event loop: the work stays on the thread."""

    @functools.wraps(method)
    async def call(self: Facade[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._running().submit(_ended(method, self._aio, *args, **kwargs)))

    return call


async def _ended(method: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
    """Call on the loop's thread, where everything of an asyncio object has to happen."""
    return await method(*args, **kwargs)


async def _next(source: AsyncIterator[T]) -> T:
    return cast(T, await anext(source, _END))


def _abandon(thread: LoopThread, source: AsyncIterator[Any]) -> None:
    """Let a generator that may not have been exhausted end. Nobody waits: the collector may call us on any thread."""
    if isinstance(source, AsyncGenerator):
        with suppress(RuntimeError):  # the thread was stopped, and has ended its generators with it
            thread.submit(_ended(source.aclose))
