"""Feeds the watches of a node from its applied log: in order, all of it, nothing twice, and at little cost to writes.

Most watches are level: they stand at the end of the history and are told together what a turn of the loop brings. The
others catch up with them, see `latecomers`. If the history has moved on before one could be told, it ends with
COMPACTED (P29): memory is never spent on those who do not read (P33). Telling leaves half of the loop's time to writes,
see `pace`, and a connection is told once for all its watches of the same keys, see `watchgroup`.
"""

from __future__ import annotations

from collections.abc import Callable

from paxoskv.kv.history import Compacted
from paxoskv.kv.machine import Machine
from paxoskv.net import protocol
from paxoskv.net.protocol import ProtocolError
from paxoskv.node.cohort import Cohort
from paxoskv.node.freshness import Freshness
from paxoskv.node.latecomers import Latecomers
from paxoskv.node.pace import Pace
from paxoskv.node.turns import Turns
from paxoskv.node.watch import Subscriber, Subscription, Watch

PROGRESS_S = 2.0
PROGRESS_REVISIONS_MIN = 64
"""Between two marks, however short the history is."""


class TooManyWatches(Exception):
    """There is no room for another watch."""


class Watches:
    """All watches of a node.

    watches_max, own_watches_max: on this node, and on one connection. clock: monotonic seconds.
    """

    def __init__(
        self,
        machine: Machine,
        freshness: Freshness,
        turns: Turns,
        clock: Callable[[], float],
        watches_max: int,
        own_watches_max: int,
    ) -> None:
        self._machine = machine
        self._freshness = freshness
        self._clock = clock
        self._watches_max = watches_max
        self._own_watches_max = own_watches_max
        self._subscriptions: dict[Subscriber, Subscription] = {}
        self._syncing: dict[Subscription, None] = {}
        self._level = Cohort((1, 0))
        self._pace = Pace(self._step, turns, clock)
        self._late = Latecomers(machine, self._pace.run_soon)
        self._count = 0
        self._marked = 0
        self._marked_s = 0.0

    def __len__(self) -> int:
        return self._count

    @property
    def behind(self) -> int:
        """How many watches are not level with the state."""
        return sum(subscription.behind for subscription in self._subscriptions.values())

    # What connections want

    def begin(self, sink: Subscriber, number: int, start: bytes, end: bytes, from_revision: int, options: int) -> None:
        """Let a connection watch start <= key < end from a revision on; 0 is after the present one.

        Raises: Compacted, TooManyWatches; ProtocolError if the connection has a watch of this number.
        """
        subscription = self._subscriptions.get(sink) or Subscription(sink)
        self._check_room(subscription, number)
        present = self._machine.revision
        position = (from_revision or present + 1, 0)
        if position[0] <= self._machine.compacted_revision:
            raise Compacted(position[0], self._machine.compacted_revision)
        self._subscriptions[sink] = subscription
        watch = subscription.watches[number] = Watch(subscription, number, start, end, options, position)
        self._count += 1
        if not self._level:
            self._level.position = (present + 1, 0)
        if position >= self._level.position:
            self._level.join(watch)
        else:
            self._late.add(watch)
        self._pace.run_soon()

    def cancel(self, sink: Subscriber, number: int) -> bool:
        """End a watch; return whether there was one of this number."""
        subscription = self._subscriptions.get(sink)
        watch = subscription.watches.get(number) if subscription else None
        if watch is not None:
            self._end(watch)
        return watch is not None

    def sync(self, sink: Subscriber, revision: int, answer: Callable[[], None]) -> None:
        """Call `answer` once the watches of a connection have been told everything up to `revision`, if ever."""
        subscription = self._subscriptions.get(sink)
        if subscription is None:
            answer()
            return
        subscription.syncs.append((revision, answer))
        self._syncing[subscription] = None
        self._pace.run_soon()

    def forget(self, sink: Subscriber) -> None:
        """A connection is gone, and its watches with it."""
        subscription = self._subscriptions.get(sink)
        if subscription is not None:
            self._syncing.pop(subscription, None)
            subscription.syncs.clear()
            for watch in list(subscription.watches.values()):
                self._end(watch)
            self._subscriptions.pop(sink, None)

    def _check_room(self, subscription: Subscription, number: int) -> None:
        if number in subscription.watches:
            raise ProtocolError(f"the watch {number} goes on: its number is taken")
        if len(subscription.watches) >= self._own_watches_max:
            raise TooManyWatches(f"a connection has at most {self._own_watches_max} watches: end some")
        if self._count >= self._watches_max:
            raise TooManyWatches(f"this node serves at most {self._watches_max} watches: try another one")

    def _end(self, watch: Watch) -> None:
        if watch.is_behind:
            self._late.remove(watch)
        elif watch.cohort is not None:
            watch.cohort.leave(watch)
        subscription = watch.subscription
        del subscription.watches[watch.number]
        self._count -= 1
        if not subscription.watches and not subscription.syncs:
            del self._subscriptions[subscription.sink]

    # What makes them move

    def on_applied(self) -> None:
        """A slot was applied."""
        if self._level:
            self._pace.run_soon()

    def on_timer(self) -> None:
        """Some milliseconds have passed."""
        if self._subscriptions and self._clock() - self._marked_s >= PROGRESS_S:
            self._mark()

    def _step(self) -> None:
        """Tell one page to those who are level, and one to those who are not."""
        if self._level:
            self._tell_level()
        else:
            self._level.position = (self._machine.revision + 1, 0)
        if not self._late.is_idle:
            self._tell_late()
        for subscription in list(self._syncing):
            self._answer_syncs(subscription)
        if self._is_mark_due():
            self._mark()
        if not self._late.is_idle or (self._level and self._level.position[0] <= self._machine.revision):
            self._pace.run_soon()

    def _tell_level(self) -> None:
        try:
            for watch in self._level.tell(self._machine, self._machine.revision):
                self._late.add(watch)
        except Compacted as compacted:
            self._end_overtaken(self._level, compacted)

    def _tell_late(self) -> None:
        try:
            self._late.tell(self._level)
        except Compacted as compacted:
            assert self._late.cohort is not None, "nobody was told of anything"
            self._end_overtaken(self._late.cohort, compacted)

    def _end_overtaken(self, cohort: Cohort, compacted: Compacted) -> None:
        """The history has overtaken a cohort: those who would miss something end, and know it."""
        revision = compacted.compacted_revision
        rest = protocol.encode_part(protocol.COMPACTED, f"the watch was too slow: {compacted}", 0, revision)
        for watch in cohort.overtaken(revision):
            self._end(watch)
            watch.sink.push(protocol.complete(watch.number, rest, 4))
        cohort.position = (revision + 1, 0)

    # How far connections have been told

    def _is_told(self, subscription: Subscription, revision: int) -> bool:
        return not subscription.behind and (not subscription.watches or self._level.position[0] > revision)

    def _answer_syncs(self, subscription: Subscription) -> None:
        syncs, subscription.syncs = subscription.syncs, []
        for revision, answer in syncs:
            if self._is_told(subscription, revision):
                answer()
            else:
                subscription.syncs.append((revision, answer))
        if not subscription.syncs:
            del self._syncing[subscription]

    def _is_mark_due(self) -> bool:
        """Whether the last mark is as close to the end of the history as to the present.

        Who resumes from it would soon find it compacted, though nothing it watches has changed (P29).
        """
        told, compacted = self._level.position[0] - 1, self._machine.compacted_revision
        return told - self._marked >= max(PROGRESS_REVISIONS_MIN, self._marked - compacted)

    def _mark(self) -> None:
        """Tell the connections that are level how far they have been told."""
        self._marked, self._marked_s = self._level.position[0] - 1, self._clock()
        payload = protocol.encode(0, protocol.PROGRESS, self._marked, self._freshness.age_ms())
        for sink, subscription in self._subscriptions.items():
            if subscription.watches and not subscription.behind and sink.is_writable:
                sink.push(payload)
