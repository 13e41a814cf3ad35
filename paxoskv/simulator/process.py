"""A process: a loop, a clock of its own, and a life that can end at any moment."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from paxoskv.simulator.loop import Loop
from paxoskv.simulator.network import Network
from paxoskv.simulator.transport import Transport
from paxoskv.simulator.world import World

_NEVER = float("inf")


class Clock:
    """A monotonic clock, in seconds: it may run fast, slow or not at all, and jump ahead, but never back (P30)."""

    __slots__ = ("_local", "_since", "_world", "rate")

    def __init__(self, world: World, begin: float, rate: float = 1.0) -> None:
        self._world = world
        self._local = begin
        self._since = world.now
        self.rate = rate

    def read(self) -> float:
        """Return the local time."""
        return self._local + (self._world.now - self._since) * self.rate

    def world_time(self, local: float) -> float:
        """Return when, in world time, the clock will show `local`, if its rate stays."""
        if self.rate <= 0:
            return _NEVER
        return self._since + (local - self._local) / self.rate

    def set(self, *, rate: float | None = None, ahead_s: float = 0.0) -> None:
        """Change the rate from now on, or jump ahead."""
        self._world.clocks_differ |= bool(ahead_s) or rate not in (None, 1.0)
        self._local, self._since = self.read() + ahead_s, self._world.now
        self.rate = self.rate if rate is None else rate


class Process:
    """One process on `host`.

    turn_s: how long a turn of its loop takes: what arrives meanwhile is handled together in the next one.
    stall_s: how much longer its next turn takes: what that turn writes leaves at the turn's end (S21).
    """

    def __init__(self, world: World, network: Network, host: int, name: str, *, turn_s: float = 0.0) -> None:
        self.world = world
        self.network = network
        self.host = host
        self.name = name
        self.clock = Clock(world, begin=1000.0 * host)
        self.loop = Loop(self)
        self.alive = True
        self.turn_s = turn_s
        self.stall_s = 0.0
        self.writes_leave = 0.0
        self.transports: dict[Transport, None] = {}
        self.on_exit: Callable[[BaseException | None], None] | None = None
        self._unbegun: Coroutine[Any, Any, None] | None = None
        self._free_at = 0.0
        self._due = _NEVER

    def start(self, main: Coroutine[Any, Any, None]) -> None:
        """Begin `main`; when it ends, so does the process."""
        self._unbegun = main
        self.loop.push(self._begin, main)
        self.kick()

    def kick(self) -> None:
        """The kernel has something for the process: let it run as soon as it can."""
        self._wake(max(self.world.now, self._free_at))

    def report(self, callback: Callable[..., object], *args: Any) -> None:
        """Have something handled in the next turn."""
        if self.alive:
            self.loop.push(callback, *args)
            self._wake(max(self.world.now, self._free_at))

    def pause(self, seconds: float) -> None:
        """Stand still (SIGSTOP): the kernel goes on receiving for it, timers run out unseen (S19)."""
        self._free_at = max(self._free_at, self.world.now + seconds)

    def wake_up(self) -> None:
        """Go on after a pause (SIGCONT)."""
        self._free_at = min(self._free_at, self.world.now)
        self.stall_s = 0.0
        self.kick()

    @property
    def is_paused(self) -> bool:
        """Whether it stands still, or is busy with a turn."""
        return self._free_at > self.world.now

    def set_clock(self, *, rate: float | None = None, ahead_s: float = 0.0) -> None:
        """Change the clock; timers follow it."""
        self.clock.set(rate=rate, ahead_s=ahead_s)
        self._wake_for_timer()

    def release_timers(self) -> None:
        """Let held timers run; those that are overdue run now."""
        self.loop.hold_timers(False)
        if self.alive:
            self._wake_for_timer()

    def die(self, reset: bool = True) -> None:
        """End at once: nothing more is said or done. Without `reset` no kernel tells the other sides."""
        self.alive = False
        for transport in list(self.transports):
            transport.die(reset)
        self.transports.clear()
        self.loop.destroy()
        if self._unbegun is not None:
            self._unbegun.close()

    def on_unhandled(self, context: dict[str, Any]) -> None:
        """Nobody in the process wants to know of an error: a bug."""
        error = context.get("exception")
        self.world.fail("bug", f"{self.name}: {context.get('message')}: {error!r}")

    def _begin(self, main: Coroutine[Any, Any, None]) -> None:
        self._unbegun = None
        self.loop.create_task(main, name=self.name).add_done_callback(self._ended)

    def _ended(self, task: Any) -> None:
        if self.alive and self.on_exit is not None:
            self.on_exit(task.exception())

    def _wake(self, at: float) -> None:
        if at < self._due:
            self._due = at
            self.world.at(at, self._turn)

    def _turn(self) -> None:
        world = self.world
        if world.now < self._due or not self.alive:
            return  # another turn has come first
        self._due = _NEVER
        if world.now < self._free_at:
            self._wake(self._free_at)
            return
        self.writes_leave = world.now + self.stall_s
        self._free_at = self.writes_leave + self.turn_s
        self.stall_s = 0.0
        world.speaker = self.name
        self.loop.turn()
        if self.alive:
            self._wake_for_timer()

    def _wake_for_timer(self) -> None:
        self._wake(max(self.clock.world_time(self.loop.next_timer_s), self._free_at, self.world.now))
