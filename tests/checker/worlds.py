"""Histories made on purpose: by hand, in a few words, and at random from a store that is known to be right."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from paxoskv.checker import HistoryWriter, Operation
from paxoskv.checker.events import APPEND, CAS, DELETE, FAIL, GET, INFO, OK, PUT, Value
from paxoskv.checker.txns import Told, Txn

EVERYTHING = (PUT, GET, DELETE, CAS, APPEND)


class Call(NamedTuple):
    """One operation of a history to be written, times in ns. done_ns: None if it never completes."""

    process: int
    f: str
    key: bytes
    value: Value
    start_ns: int
    done_ns: int | None
    outcome: str = OK
    result: bytes | None = None
    revision: int | None = None
    slot: int | None = None


def record(calls: Sequence[Call], writer: HistoryWriter | None = None) -> list[Operation]:
    """Write the calls' events in the order of their times and return the operations.

    The calls of one process stand in their order, which decides where their times are the same.
    """
    writer = writer or HistoryWriter()
    events = [(call.start_ns, number, False) for number, call in enumerate(calls)]
    events += [(call.done_ns, number, True) for number, call in enumerate(calls) if call.done_ns is not None]
    for time_ns, number, is_completion in sorted(events):
        call = calls[number]
        if not is_completion:
            writer.invoke(call.process, call.f, call.key, call.value, time_ns=time_ns)
        elif call.outcome == OK:
            writer.ok(call.process, call.result, time_ns=time_ns, revision=call.revision, slot=call.slot)
        elif call.outcome == FAIL:
            writer.fail(call.process, time_ns=time_ns, revision=call.revision, slot=call.slot)
        else:
            writer.info(call.process, time_ns=time_ns)
    return writer.operations()


@dataclass(frozen=True, slots=True)
class Mix:
    """What a random history is made of.

    hot: clients work on one key at a time together, not each on its own. distinct: every value is written once.
    unknown: share of operations whose outcome stays unknown; every other one of them took effect.
    """

    operations: int = 400
    clients: int = 8
    keys: int = 1
    functions: tuple[str, ...] = (PUT, GET, GET)
    unknown: float = 0.0
    distinct: bool = True
    hot: bool = True


class Store:
    """The store that is right: revisions and slots as the real one has them, a few commands to a slot."""

    def __init__(self, rng: random.Random) -> None:
        self.values: dict[bytes, bytes] = {}
        self.revision = 0
        self.slot = 0
        self._rng = rng

    def execute(self, call: Call) -> Call:
        """Execute a call now; return it with its outcome."""
        present, changed, outcome = self.values.get(call.key), True, OK
        if call.f == GET:
            return call._replace(result=present, revision=self.revision, slot=self.slot)
        self.slot += 1
        if call.f == DELETE:
            changed = self.values.pop(call.key, None) is not None
        elif call.f == APPEND:
            assert isinstance(call.value, bytes)
            self.values[call.key] = (present or b"") + call.value
        elif call.f == PUT:
            assert isinstance(call.value, bytes)
            self.values[call.key] = call.value
        else:
            assert isinstance(call.value, tuple)
            assert not isinstance(call.value, Txn | Told)
            changed = present == call.value[0]
            outcome = OK if changed else FAIL
            if changed:
                self.values[call.key] = call.value[1]
        self.revision += changed
        return call._replace(outcome=outcome, revision=self.revision, slot=self.slot)


def random_calls(seed: int, mix: Mix) -> list[Call]:
    """Return a history that is linearizable: each operation takes effect at a random moment while it is open."""
    rng = random.Random(seed)
    calls = _schedule(rng, mix)
    moments = []
    for number, call in enumerate(calls):
        assert call.done_ns is not None
        moments.append((rng.randint(call.start_ns, call.done_ns), rng.random(), number))
    store = Store(rng)
    seen: dict[bytes, list[bytes | None]] = defaultdict(lambda: [None])
    for _, _, number in sorted(moments):
        call = calls[number]
        if call.outcome == INFO and rng.random() < 0.5:
            continue
        if call.f == CAS:
            assert isinstance(call.value, tuple)
            assert not isinstance(call.value, Txn | Told)
            present = store.values.get(call.key)
            expected = present if rng.random() < 0.7 else rng.choice(seen[call.key])
            wanted = call.value[1]
            call = call._replace(value=(expected, wanted))
            seen[call.key].append(wanted)
        done = store.execute(call)
        calls[number] = done if call.outcome != INFO else call
    return calls


def _schedule(rng: random.Random, mix: Mix) -> list[Call]:
    """Return calls without outcomes: who does what, and when."""
    calls: list[Call] = []
    free_ns = [rng.randrange(1_000) for _ in range(mix.clients)]
    process = list(range(mix.clients))
    next_process = mix.clients
    for number in range(mix.operations):
        client = min(range(mix.clients), key=free_ns.__getitem__)
        start_ns = free_ns[client] + rng.randrange(1, 300)
        done_ns = start_ns + rng.randrange(1, 2_000)
        key = number * mix.keys // mix.operations if mix.hot else rng.randrange(mix.keys)
        f = rng.choice(mix.functions)
        text = b"%d" % (number if mix.distinct else rng.randrange(3))
        values: dict[str, Value] = {PUT: text, APPEND: text + b",", CAS: (None, text)}
        unknown = rng.random() < mix.unknown
        calls.append(Call(process[client], f, b"k%d" % key, values.get(f), start_ns, done_ns, INFO if unknown else OK))
        free_ns[client] = done_ns
        if unknown:
            process[client], next_process = next_process, next_process + 1
    return calls


def with_stale_read(calls: Sequence[Call], seed: int) -> list[Call]:
    """Return the history with one get answered by a value that had been overwritten before it began, and was gone."""
    rng = random.Random(seed)
    calls = list(calls)
    places = [number for number, call in enumerate(calls) if call.f == GET and call.outcome == OK]
    rng.shuffle(places)
    for place in places:
        read = calls[place]
        before = [
            call
            for call in calls
            if call.key == read.key
            and call.f == PUT
            and call.outcome == OK
            and call.done_ns is not None
            and call.done_ns < read.start_ns
        ]
        before.sort(key=lambda call: call.start_ns)
        for older in before:
            assert older.done_ns is not None
            if any(newer.start_ns > older.done_ns for newer in before) and isinstance(older.value, bytes):
                calls[place] = read._replace(result=older.value)
                return calls
    raise AssertionError("no get of this history comes after two puts")
