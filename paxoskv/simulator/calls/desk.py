"""Where one call is made: what it needs, and the operation that it has open."""

from __future__ import annotations

from collections.abc import Awaitable
from random import Random
from typing import TypeVar

from paxoskv.client.calls.base import Consistency
from paxoskv.client.client import Client
from paxoskv.errors import Refused, TooLarge
from paxoskv.simulator.judge import Judge, Open

T = TypeVar("T")

KEYS = [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]
COUNTERS = [b"n1", b"n2"]
TEXTS = [b"t1", b"t2"]
ACCOUNTS = [b"m1", b"m2", b"m3"]
ANY = [b"x1", b"x2", b"x3", b"x4", b"x5"]


class Desk:
    """One call of one worker.

    keys: how many of KEYS are in use. mark: a value that no other call writes. strict: the mode of its fresh reads.
    """

    def __init__(
        self,
        client: Client,
        judge: Judge,
        process: int,
        rng: Random,
        keys: int,
        mark: bytes,
        strict: Consistency = "linearizable",
    ) -> None:
        self.client = client
        self.judge = judge
        self.process = process
        self.rng = rng
        self.mark = mark
        self.strict = strict
        self.op: Open | None = None
        self._keys = KEYS[:keys]
        self._values = 0

    def key(self) -> bytes:
        """Return one of the keys in use."""
        return self.rng.choice(self._keys)

    def value(self) -> bytes:
        """Return another value that nobody else writes."""
        self._values += 1
        return b"%s/%d" % (self.mark, self._values)

    def open(self, op: Open) -> Open:
        """Note which operation is under way."""
        self.op = op
        return op

    async def settle(self, op: Open, write: Awaitable[T]) -> T | None:
        """Return the result of a write, None if the store has refused it, which is judged then."""
        try:
            return await write
        except (Refused, TooLarge) as error:
            self.judge.refused(op, error)
            return None
