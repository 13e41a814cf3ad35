"""An event loop on a thread of its own, for callers that have none; and the one that blocking clients share."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any, TypeVar

from paxoskv.errors import OutcomeUnknown

LINGER_S = 2.0
"""How long what still runs on a loop may take to end by itself when the loop is stopped."""

NOTICE_S = 0.5
"""So late at most a signal is noticed that came when nobody could be woken by it."""

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for other threads, from its making until `stop`.

    what: is closed when the loop is stopped, for messages.
    A forked child inherits the object without the thread: every call in it fails, and `stop` does nothing.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._submitting = threading.RLock()  # a signal's handler may call while its own thread is in `submit`
        self._is_stopped = False
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name=f"paxoskv {what}", daemon=True)
        self._thread.start()

    @property
    def is_inherited(self) -> bool:
        """Whether this process was forked from the one that has the thread."""
        return os.getpid() != self._pid

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop; return its result, or raise its error.

        If a signal's handler raises meanwhile, `work` is cancelled. Raises: RuntimeError as `submit` does,
        OutcomeUnknown if the loop was stopped before the end of `work`.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this call would wait for its own thread: make it from another one")
        outcome: Future[T] = Future()  # made first: from here on an interrupt finds what to cancel
        try:
            self._begin(work, outcome)
            return _result(outcome)
        except CancelledError:
            raise OutcomeUnknown("everything was closed while the call waited: it may have been applied") from None
        except BaseException as error:
            if outcome.cancel():
                error.add_note("interrupted while waiting: a write may have been applied, once, or not at all")
            raise
        finally:
            del outcome  # it holds the error, whose traceback holds this frame

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin `work` on the loop; cancelling the future cancels it.

        Raises: RuntimeError after `stop`, and in a forked child.
        """
        outcome: Future[T] = Future()
        self._begin(work, outcome)
        return outcome

    def stop(self) -> None:
        """Do what `begin_stop` says, and wait for the thread's end."""
        if not self.is_inherited:
            self.begin_stop()
            self._thread.join()

    def begin_stop(self) -> Future[None]:
        """Take no more, let what runs end by itself for LINGER_S, and cancel the rest; the future says when."""
        with self._submitting:
            if not self._is_stopped:
                self._is_stopped = True
                self._loop.call_soon_threadsafe(self._stopped.set)
        return self._ended

    def _begin(self, work: Coroutine[Any, Any, T], outcome: Future[T]) -> None:
        if self.is_inherited:  # before the lock, which a thread of the parent may have held
            work.close()
            raise RuntimeError(f"the {self._what} belongs to the process that forked this one: make another one here")
        with self._submitting:
            if not self._is_stopped:
                self._loop.call_soon_threadsafe(self._start, work, outcome)
                return
        work.close()
        raise RuntimeError(f"the {self._what} is closed")

    def _start(self, work: Coroutine[Any, Any, T], outcome: Future[T]) -> None:
        """On the loop: make a task of `work`, unless nobody waits for it any more."""
        if outcome.cancelled():
            work.close()
            return
        task = self._loop.create_task(work)
        task.add_done_callback(partial(_report, outcome))
        outcome.add_done_callback(partial(self._on_outcome, task))

    def _on_outcome(self, task: asyncio.Task[Any], outcome: Future[Any]) -> None:
        if outcome.cancelled():
            self._loop.call_soon_threadsafe(task.cancel)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        await self._stopped.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=LINGER_S)


def _result(outcome: Future[T]) -> T:
    """Wait for a result, and look up now and then: a signal that comes right before a wait does not end it."""
    while True:
        try:
            return outcome.result(NOTICE_S)
        except TimeoutError:
            if outcome.done():  # it is the work's own error, or the result came at the last moment
                return outcome.result()


def _report(outcome: Future[T], task: asyncio.Task[T]) -> None:
    """Hand the end of a task to the thread that waits for it, unless that one was interrupted."""
    error = CancelledError() if task.cancelled() else task.exception()
    if not outcome.set_running_or_notify_cancel():
        return
    if error is None:
        outcome.set_result(task.result())
    else:
        outcome.set_exception(error)


class SharedLoop:
    """The loop of all blocking clients of this process. It runs while anybody has it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # for a signal's handler, as above
        self._thread: LoopThread | None = None
        self._users = 0
        self._inherited: list[LoopThread] = []
        os.register_at_fork(after_in_child=self._on_forked)

    def acquire(self) -> LoopThread:
        """Return the loop, for use until `release`."""
        with self._lock:
            if self._thread is None:
                self._thread = LoopThread("client")
            self._users += 1
            return self._thread

    def release(self, thread: LoopThread) -> None:
        """Give the loop back; the last one to do so stops it. One that was acquired before a fork is left alone."""
        if thread.is_inherited:
            return
        with self._lock:
            assert thread is self._thread, "the loop that is given back is the one that was acquired"
            self._users -= 1
            if self._users:
                return
            self._thread = None
        thread.stop()

    def _on_forked(self) -> None:
        """Begin anew, with a lock that no vanished thread holds. The parent's loop is kept and never touched: ending
        it here would reach into what both processes share."""
        if self._thread is not None:
            self._inherited.append(self._thread)
        self._lock = threading.RLock()
        self._thread = None
        self._users = 0


SHARED = SharedLoop()
