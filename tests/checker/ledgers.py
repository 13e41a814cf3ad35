"""Histories of counters and transactions: by hand, and at random from a store that is known to be right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations, permutations
from typing import NamedTuple

from paxoskv.checker import HistoryWriter, Operation, Step, Told, Txn
from paxoskv.checker.events import DELETE, GET, INCR, INFO, OK, PUT, TXN

KEYS = (b"a", b"b", b"c")


class Deed(NamedTuple):
    """One operation, times in ns. told: what an incr, a get or a txn is answered. done: None if it never completes."""

    process: int
    f: str
    key: bytes
    value: bytes | Txn | None
    start: int
    done: int | None
    told: bytes | Told | None = None
    outcome: str = OK
    revision: int | None = None
    slot: int | None = None


def written(deeds: Sequence[Deed], writer: HistoryWriter | None = None) -> list[Operation]:
    """Write the events of some deeds in the order of their times; return the operations."""
    writer = writer or HistoryWriter()
    events = [(deed.start, number, False) for number, deed in enumerate(deeds)]
    events += [(deed.done, number, True) for number, deed in enumerate(deeds) if deed.done is not None]
    for time_ns, number, is_completion in sorted(events):
        deed = deeds[number]
        if not is_completion:
            writer.invoke(deed.process, deed.f, deed.key, deed.value, time_ns=time_ns)
        elif deed.outcome == OK:
            writer.ok(deed.process, deed.told, time_ns=time_ns, revision=deed.revision, slot=deed.slot)
        elif deed.outcome == INFO:
            writer.info(deed.process, time_ns=time_ns)
        else:
            writer.fail(deed.process, time_ns=time_ns, error="refused")
    return writer.operations()


class Books:
    """One copy that does one thing at a time."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes | None] = dict.fromkeys(KEYS)
        self.revision = 0
        self.slot = 0

    def execute(self, deed: Deed) -> Deed:
        """Execute a deed now; return it with its answer."""
        before = dict(self.held)
        self.slot += deed.f != GET
        value = deed.value
        told = self._txn(value) if isinstance(value, Txn) else self._step(Step(deed.f, deed.key, value))
        wrote = self.held != before or deed.f in (PUT, INCR) or self._wrote(deed.value, told)
        self.revision += wrote
        return deed._replace(told=told, revision=self.revision, slot=self.slot)

    def _wrote(self, txn: bytes | Txn | None, told: bytes | Told | None) -> bool:
        if not isinstance(txn, Txn) or not isinstance(told, Told):
            return False
        return any(step.f in (PUT, INCR) for step in (txn.then if told.succeeded else txn.otherwise))

    def _txn(self, txn: Txn) -> Told:
        succeeded = all(self.held[key] == value for key, value in txn.compares)
        return Told(succeeded, tuple([self._step(step) for step in (txn.then if succeeded else txn.otherwise)]))

    def _step(self, step: Step) -> bytes | None:
        if step.f == GET:
            return self.held[step.key]
        if step.f == INCR:
            self.held[step.key] = b"%d" % (int(self.held[step.key] or 0) + int(step.value or 0))
            return self.held[step.key]
        self.held[step.key] = step.value
        return None


def transfer(giver: bytes, taker: bytes, amount: int) -> Txn:
    """Return a move from one account to another, that also looks at both."""
    give, take = Step(INCR, giver, b"%d" % -amount), Step(INCR, taker, b"%d" % amount)
    return Txn((), (give, take, Step(GET, giver)))


def random_value(rng: random.Random, f: str) -> bytes | Txn | None:
    """Return what a call of `f` is given."""
    if f == PUT:
        return b"%d" % rng.randrange(5)
    if f == INCR:
        return rng.choice((b"1", b"1", b"-2"))
    if f != TXN:
        return None
    one, other = rng.sample(KEYS, 2)
    if rng.random() < 0.5:
        return transfer(one, other, rng.randrange(1, 3))
    compares = ((one, rng.choice((None, b"0", b"1"))),) if rng.random() < 0.7 else ()
    then = rng.choice(((Step(PUT, other, b"1"), Step(DELETE, one)), (Step(GET, one), Step(GET, other))))
    return Txn(compares, then, (Step(DELETE, other),))


def right_deeds(seed: int, *, operations: int = 60, clients: int = 4, unknown: float = 0.0) -> list[Deed]:
    """Return what is right: each operation takes effect at a random moment while it is open."""
    rng = random.Random(seed)
    free = [rng.randrange(50) for _ in range(clients)]
    processes = list(range(clients))
    deeds: list[Deed] = []
    for _ in range(operations):
        client = min(range(clients), key=free.__getitem__)
        start = free[client] + rng.randrange(1, 20)
        free[client] = start + rng.randrange(1, 60)
        f = rng.choice((GET, PUT, INCR, INCR, DELETE, TXN, TXN))
        value = random_value(rng, f)
        key = b"" if f == TXN else rng.choice(KEYS)
        outcome = INFO if rng.random() < unknown else OK
        deeds.append(Deed(processes[client], f, key, value, start, free[client], None, outcome))
        if outcome == INFO:
            processes[client] = max(processes) + 1
    books = Books()
    moments = sorted((rng.uniform(deed.start, deed.done or deed.start), n) for n, deed in enumerate(deeds))
    for _, number in moments:
        deed = deeds[number]
        if deed.outcome == OK or rng.random() < 0.5:
            executed = books.execute(deed)
            deeds[number] = executed if deed.outcome == OK else deed
    return deeds


def explained(operations: Sequence[Operation]) -> bool:
    """Say whether some order of a few operations has their answers and keeps to their times: the definition."""
    sure = [op for op in operations if op.outcome == OK]
    unknown = [op for op in operations if op.outcome == INFO and op.f != GET]
    chosen = ((*sure, *some) for count in range(len(unknown) + 1) for some in combinations(unknown, count))
    return any(_explains(order) for some in chosen for order in permutations(some))


def _explains(order: Sequence[Operation]) -> bool:
    for place, later in enumerate(order):
        if any(later.ended is not None and later.ended < earlier.began for earlier in order[:place]):
            return False
    books = Books()
    for op in order:
        value = op.txn if op.txn is not None else op.value
        assert not isinstance(value, tuple) or isinstance(value, Txn), "there is no cas here"
        done = books.execute(Deed(0, op.f, op.key, value, 0, 0))
        if op.outcome == OK and done.told != (op.told if op.txn is not None else op.result):
            return False
    return True
