"""How long the next batch waits for the clients of the last one."""

from __future__ import annotations

from collections.abc import Callable

from paxoskv.node.turns import CallLater, Timer

COMMANDS_MIN = 16
"""With fewer commands about, nobody waits for anybody."""

WAIT_S = 0.006
SLOTS_SKIPPED_MAX = 64


class Gathering:
    """Holds a batch back until about as many commands are there as took part a moment ago, for WAIT_S at most.

    A slot costs all nodes together as much as some dozens of commands in it, and most clients ask again as soon as
    they are answered. Without a wait they fall into two crowds, one of which is in flight while the other one queues:
    twice the slots for the same commands. PostgreSQL's commit_delay and commit_siblings rest on the same thought.

    Clients that do not ask again at once make the wait vain, so it is left out after the next 1, 2, 4 ... slots each
    time that happens, up to SLOTS_SKIPPED_MAX; the first wait that pays ends this.
    on_late: called when a wait was vain.
    """

    def __init__(self, call_later: CallLater, on_late: Callable[[], None]) -> None:
        self._call_later = call_later
        self._on_late = on_late
        self._wanted = 0
        self._timer: Timer | None = None
        self._skip = 0
        self._skipped_next = 1

    def begin(self, commands: int) -> None:
        """A slot was chosen: so many commands stood in it, or queue already."""
        self.end()
        if self._skip:
            self._skip -= 1
        elif commands >= COMMANDS_MIN:
            self._wanted = commands - commands // 8
            self._timer = self._call_later(WAIT_S, self._give_up)

    def wants_more(self, queued: int) -> bool:
        """Whether to hold back the `queued` commands."""
        if self._wanted > queued:
            return True
        if self._wanted:
            self._skipped_next = 1
        return False

    def end(self) -> None:
        """Wait no more, whatever is there."""
        self._wanted = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self.end()
        self._skip = self._skipped_next
        self._skipped_next = min(2 * self._skipped_next, SLOTS_SKIPPED_MAX)
        self._on_late()
