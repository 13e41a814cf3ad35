"""An event loop of one process in simulated time: what asyncio needs of a loop, and nothing that waits.

Tasks, futures and timeouts of asyncio run on it unchanged, so production code does too. A turn runs everything that is
ready and what becomes ready thereby; then the process sleeps until the world wakes it.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from paxoskv.simulator.process import Process

_Result = TypeVar("_Result")

RESOLUTION_S = 1e-6
"""A timer runs when it is due within this time: times are rounded."""

_LAST_AWAITS_MAX = 50

TURN_HANDLES_MAX = 200_000
"""So many callbacks in one turn mean that they call each other for ever."""


class Handle:
    """A callback that will run, unless it is cancelled."""

    __slots__ = ("args", "callback", "is_cancelled")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.callback = callback
        self.args = args
        self.is_cancelled = False

    def cancel(self) -> None:
        """Let it not run."""
        self.is_cancelled = True

    def cancelled(self) -> bool:
        """Whether it will not run."""
        return self.is_cancelled


class Loop:
    """The part of `asyncio.AbstractEventLoop` that production code uses, on the clock of one process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._count = 0
        self._on_error: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._holds_timers = False
        self._asyncio = cast(asyncio.AbstractEventLoop, self)

    # For the process

    @property
    def next_timer_s(self) -> float:
        """Local time of the next timer, infinite if there is none."""
        timers = self._timers
        while timers and timers[0][2].is_cancelled:
            heapq.heappop(timers)
        return timers[0][0] if timers and not self._holds_timers else float("inf")

    @property
    def is_ready(self) -> bool:
        """Whether anything waits to run."""
        return bool(self._ready)

    def push(self, callback: Callable[..., object], *args: Any) -> None:
        """Have the kernel report something: the callback runs in the next turn."""
        self._ready.append(Handle(callback, args))

    def turn(self) -> None:
        """Run what is due and ready, as the only thing that happens."""
        ready, timers = self._ready, self._timers
        now_s = self._process.clock.read() + RESOLUTION_S
        while timers and timers[0][0] <= now_s and not self._holds_timers:
            ready.append(heapq.heappop(timers)[2])
        events._set_running_loop(self._asyncio)
        try:
            left = TURN_HANDLES_MAX
            while ready:
                handle = ready.popleft()
                if not handle.is_cancelled:
                    self._run(handle)
                left -= 1
                assert left, "callbacks of one turn call each other for ever"
        finally:
            events._set_running_loop(None)

    def hold_timers(self, held: bool) -> None:
        """Let no timer run until it is set free again."""
        self._holds_timers = held

    def destroy(self) -> None:
        """The process is gone: nothing of it runs any more.

        Its coroutines are ended here and now, so that it does not happen in the middle of something else; what they
        do last reaches nobody, since every transport and the disk know that the process is dead.
        """
        self._on_error = _ignore
        tasks, self._tasks = list(self._tasks), {}
        running = events._get_running_loop()
        events._set_running_loop(self._asyncio)
        try:
            for task in tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # a killed process says no goodbyes
                _end(task.get_coro())
        finally:
            events._set_running_loop(running)
        self._ready.clear()
        self._timers.clear()

    def _run(self, handle: Handle) -> None:
        try:
            handle.callback(*handle.args)
        except Exception as error:  # noqa: BLE001 - as every event loop: reported, and the others go on
            self.call_exception_handler({"message": "error in a callback", "exception": error})

    # asyncio

    def time(self) -> float:
        """The process's own monotonic clock."""
        return self._process.clock.read()

    def call_soon(self, callback: Callable[..., object], *args: Any, context: object = None) -> Handle:
        """Run later in this turn."""
        handle = Handle(callback, args)
        self._ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: object = None) -> Handle:
        """Run after a delay, in seconds of this process."""
        return self.call_at(self._process.clock.read() + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: object = None) -> Handle:
        """Run at a local time."""
        handle = Handle(callback, args)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self._asyncio)

    def create_task(
        self, coro: Coroutine[Any, Any, _Result], *, name: str | None = None, context: object = None
    ) -> asyncio.Task[_Result]:
        """Begin a task."""
        task = asyncio.Task(coro, loop=self._asyncio, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        return task

    def run_in_executor(self, executor: None, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Do blocking work at once: simulated disks are not reached this way, so it takes no time."""
        done = self.create_future()
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - handed over to whoever awaits it
            done.set_exception(error)
        return done

    def get_debug(self) -> bool:
        """asyncio's debug mode is off."""
        return False

    def is_closed(self) -> bool:
        """A loop is open until its process is gone, and then nobody asks."""
        return False

    def set_exception_handler(self, handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]) -> None:
        """Name who hears of errors in callbacks."""
        self._on_error = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an error that nobody awaits."""
        if self._on_error is not None:
            self._on_error(self._asyncio, context)
        else:
            self._process.on_unhandled(context)

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Any, Any]:
        """Connect over the simulated network. Raises: ConnectionRefusedError; else waits for ever if nobody hears."""
        transport = await self._process.network.connect(self._process, factory, port)
        return transport, transport.get_protocol()

    async def create_server(self, factory: Callable[[], Any], *, sock: Any) -> Any:
        """Listen at a simulated port."""
        return self._process.network.listen(self._process, factory, sock)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)


def _end(coroutine: Any) -> None:
    """Throw a coroutine out of whatever it awaits; one that awaits more on its way out is thrown out of that, too."""
    for _ in range(_LAST_AWAITS_MAX):
        try:
            coroutine.close()
        except RuntimeError:
            continue
        return


def _ignore(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    pass
