"""One watch, and the connection that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from paxoskv.node.answers import Sink

if TYPE_CHECKING:
    from paxoskv.node.cohort import Cohort
    from paxoskv.node.watchgroup import Group

Position = tuple[int, int]
"""A place in the history: a revision, and the index of one of its events."""


class Subscriber(Sink, Protocol):
    """A connection that can be told what it did not ask for."""

    def push(self, payload: bytes) -> None:
        """Send a payload that answers no request."""


class Subscription:
    """What one connection watches.

    watches: by their number. behind: how many of them are not level with the state. stalled: those of them that wait
    until the connection has room. syncs: who waits until everything up to a revision is told.
    """

    __slots__ = ("behind", "sink", "stalled", "syncs", "watches")

    def __init__(self, sink: Subscriber) -> None:
        self.sink = sink
        self.watches: dict[int, Watch] = {}
        self.behind = 0
        self.stalled: dict[Watch, None] = {}
        self.syncs: list[tuple[int, Callable[[], None]]] = []


class Watch:
    """Keys of start <= key < end, watched by one connection.

    position: nothing before it is told to it. cohort, group: those it is told the history with, None while it waits.
    is_behind: whether its place is not that of the state.
    """

    __slots__ = ("cohort", "end", "group", "is_behind", "number", "options", "position", "start", "subscription")

    def __init__(
        self, subscription: Subscription, number: int, start: bytes, end: bytes, options: int, position: Position
    ) -> None:
        self.subscription = subscription
        self.number = number
        self.start = start
        self.end = end
        self.options = options
        self.position = position
        self.is_behind = False
        self.cohort: Cohort | None = None
        self.group: Group | None = None

    @property
    def sink(self) -> Subscriber:
        """The connection."""
        return self.subscription.sink
