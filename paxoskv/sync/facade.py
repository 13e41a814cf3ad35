"""How an asyncio object gets a blocking face: a class of one line per method, whose types are the method's own."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from paxoskv.sync.thread import LoopThread

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
P = ParamSpec("P")
T = TypeVar("T")
FacadeT = TypeVar("FacadeT", bound="Facade[Any]")

_END: Any = object()


class Facade(Generic[A_co]):
    """The face of `aio`, which lives on a loop of another thread.

    class Client(Facade[asyncio_client.Client]):
        put = blocking(asyncio_client.Client.put)
    """

    _aio: A_co
    _thread: LoopThread | None = None

    def _running(self) -> LoopThread:
        """Return the thread. Raises: RuntimeError if there is none yet."""
        if self._thread is None:
            raise RuntimeError(f"the {type(self).__name__.lower()} is not entered: use it in a `with` block")
        return self._thread


class Part(Facade[A_co]):
    """The face of something that belongs to what has a face already: a view, a watch, a lock."""

    def __init__(self, aio: A_co, whole: Facade[Any]) -> None:
        self._aio = aio
        self._whole = whole

    def _running(self) -> LoopThread:
        return self._whole._running()


F = TypeVar("F")


def making(
    method: Callable[Concatenate[A, P], T], face: Callable[[T, Facade[A]], F]
) -> Callable[Concatenate[Facade[A], P], F]:
    """Return `method`, which does no I/O and makes a part, as a method that makes the face of that part."""

    @functools.wraps(method)
    def make(self: Facade[A], /, *args: P.args, **kwargs: P.kwargs) -> F:
        return face(method(self._aio, *args, **kwargs), self)

    return make


def entering(method: Callable[[A], Awaitable[Any]]) -> Callable[[FacadeT], FacadeT]:
    """Return `__aenter__` of an asyncio object as `__enter__` of its face."""

    def enter(self: FacadeT) -> FacadeT:
        self._running().call(_ended(method, self._aio))
        return self

    return enter


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
