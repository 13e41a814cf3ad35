"""How old is what a node knows: the age that its local answers carry."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from paxoskv.node.engine import Engine
from paxoskv.paxos.ballot import Slot
from paxoskv.paxos.messages import Heartbeat, Message

_WORDS_KEPT = 64


class Freshness:
    """Dates the applied state by the leader's word.

    A follower knew all that was committed when it last heard, from a leader with a quorum, of a commit slot that it has
    applied since. A leader knew it when its last round trip with a quorum began. clock: the engine's.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._words: deque[tuple[Slot, float]] = deque(maxlen=_WORDS_KEPT)
        self._fresh_s: float | None = None
        self._applied_s = clock()

    def on_message(self, message: Message) -> None:
        """The core has taken a message: note the word of the leader it follows, and of nobody else."""
        if type(message) is not Heartbeat or not message.connected or message.ballot != self._engine.ballot:
            return
        if self._words and self._words[-1][0] == message.commit_slot:
            self._words.pop()
        self._words.append((message.commit_slot, self._clock()))

    def on_applied(self) -> None:
        """A slot was applied."""
        self._applied_s = self._clock()

    def look(self) -> None:
        """Note when the applied state was the newest: from time to time, for a leader forgets peers that are gone."""
        applied_slot = self._engine.machine.applied_slot
        while self._words and self._words[0][0] <= applied_slot:
            self._note(self._words.popleft()[1])
        reached_s = self._engine.replica.reached_s(applied_slot, self._clock())
        if reached_s is not None:
            self._note(reached_s)

    def age_ms(self) -> int | None:
        """Return how long ago the applied state was all that was committed, None if it never was since the start."""
        self.look()
        return None if self._fresh_s is None else max(0, int((self._clock() - self._fresh_s) * 1000))

    def since_applied_ms(self) -> int:
        """Return how long ago a slot was applied here last: log time has stood still since."""
        return max(0, int((self._clock() - self._applied_s) * 1000))

    def _note(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s if self._fresh_s is None else max(self._fresh_s, fresh_s)
