"""The watches that are behind: those that begin in the past, and those of connections that are slow to read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from paxoskv.kv.machine import Machine
from paxoskv.node.cohort import Cohort
from paxoskv.node.watch import Subscription, Watch


class Latecomers:
    """Brings watches level with the others, page by page, one pass over the history for all who wait.

    Who has no room waits for it, and costs nothing but its place in the history (P33). cohort: those in the pass.
    """

    def __init__(self, machine: Machine, step_soon: Callable[[], None]) -> None:
        """step_soon: has `tell` called soon."""
        self._machine = machine
        self._step_soon = step_soon
        self._waiting: dict[Watch, None] = {}
        self.cohort: Cohort | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do until somebody falls behind, or has room."""
        return not self._waiting and self.cohort is None

    def add(self, watch: Watch) -> None:
        """A watch, in no cohort, is behind."""
        watch.is_behind = True
        watch.subscription.behind += 1
        self._waiting[watch] = None

    def remove(self, watch: Watch) -> None:
        """A watch that is behind ends, or is level now."""
        watch.is_behind = False
        watch.subscription.behind -= 1
        self._waiting.pop(watch, None)
        watch.subscription.stalled.pop(watch, None)
        if watch.cohort is not None:
            watch.cohort.leave(watch)

    def tell(self, level: Cohort) -> None:
        """Tell one page, and let those who are level by it join the others. Raises: Compacted."""
        if self.cohort is None:
            self._gather()
        cohort = self.cohort
        if not cohort:
            self.cohort = None
            return
        for watch in cohort.tell(self._machine, level.position[0] - 1):
            self._waiting[watch] = None
        if cohort.position == level.position:
            for watch in cohort.watches:
                self.remove(watch)
                level.join(watch)

    def _gather(self) -> None:
        """Begin a pass with all who have room, and let those who do not read wait without being asked."""
        waiting, self._waiting = self._waiting, {}
        ready = [watch for watch in waiting if watch.sink.is_writable]
        if ready:
            self.cohort = cohort = Cohort((min(watch.position[0] for watch in ready), 0))
            for watch in ready:
                cohort.join(watch)
        for watch in waiting:
            if watch.cohort is None:
                self._stall(watch)

    def _stall(self, watch: Watch) -> None:
        subscription = watch.subscription
        if not subscription.stalled:
            subscription.sink.hold(partial(self._on_room, subscription))
        subscription.stalled[watch] = None

    def _on_room(self, subscription: Subscription) -> None:
        self._waiting.update(subscription.stalled)
        subscription.stalled.clear()
        self._step_soon()
