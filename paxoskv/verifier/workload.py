"""What clients do while the cluster is tormented: few hot keys, values that never come twice, counters, accounts.

Every client has a connection of its own and does one operation after the other through the public client. A key is
used for some hundreds of operations and then gives way to a fresh one, so that histories stay short enough to be
judged for certain (pitfalls, D).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from random import Random

from paxoskv import Client, PaxoskvError, Unavailable, connect
from paxoskv.checker import HistoryWriter
from paxoskv.verifier.recorder import Recorder, leaves_open

KEYS_HOT = 6
COUNTERS_HOT = 2
OPERATIONS_PER_KEY = 300
"""Of all clients together; a few more come from those that were under way."""

OPERATIONS_PER_CONNECTION = 400
"""Then a client leaves and a new one comes, with a session of its own."""

OPERATION_TIMEOUTS_S = (3.0, 1.0, 3.0, 0.3)
"""One after the other for the clients: impatient ones leave operations of unknown outcome behind."""

CONNECT_TIMEOUT_S = 30.0
PAUSE_AFTER_ERROR_S = 0.02

_MIX = {"put": 27, "get": 35, "cas": 15, "delete": 3, "count": 8, "incr": 5, "append": 3, "transfer": 3, "look": 1}
"""Kinds of operations and how often each comes; `count` reads a counter and adds one by a cas.

`incr` and `append` are commands of their own; `transfer` moves an amount between two accounts of a bank, which hold
nothing all together, and `look` reads all accounts of a bank.
"""

BANK_ACCOUNTS = 3
OPERATIONS_PER_BANK = 40
OPERATIONS_PER_TEXT = 60
"""Texts and banks give way sooner: a text only grows, and a bank is judged as one, all its accounts together."""

COUNTER_PREFIX = b"counter-"


def counter_number(value: bytes | None) -> int:
    """Return what a counter stands at; an absent one stands at 0. Its values are `number/mark`, marks are unique."""
    return 0 if value is None else int(value.partition(b"/")[0])


def accounts_of(bank: bytes) -> list[bytes]:
    """Return the accounts of a bank."""
    return [b"%s-%d" % (bank, number) for number in range(1, BANK_ACCOUNTS + 1)]


class Rotation:
    """The keys in use; each gives way to a new one after so many operations. all: every key ever used."""

    def __init__(self, prefix: bytes, hot: int, operations: int) -> None:
        self.all: list[bytes] = []
        self._prefix = prefix
        self._operations = operations
        self._left: list[int] = []
        self._hot = [self._fresh() for _ in range(hot)]
        self._left = [operations] * hot

    def take(self, random: Random) -> bytes:
        """Return a key for one more operation."""
        place = random.randrange(len(self._hot))
        if not self._left[place]:
            self._hot[place], self._left[place] = self._fresh(), self._operations
        self._left[place] -= 1
        return self._hot[place]

    def _fresh(self) -> bytes:
        key = b"%s%04d" % (self._prefix, len(self.all) + 1)
        self.all.append(key)
        return key


class Workload:
    """All clients. added, perhaps_added: key -> acknowledged additions, and additions of unknown outcome.

    unbalanced: banks that were seen to hold something all together, in words.

    make_client: `connect`, unless a test lies.
    """

    def __init__(self, history: HistoryWriter, seed: int, make_client: Callable[..., Client] = connect) -> None:
        self.recorder = Recorder(history)
        self.keys = Rotation(b"key-", KEYS_HOT, OPERATIONS_PER_KEY)
        self.counters = Rotation(COUNTER_PREFIX, COUNTERS_HOT, OPERATIONS_PER_KEY // 3)
        self.tallies = Rotation(b"tally-", 1, OPERATIONS_PER_KEY // 3)
        self.texts = Rotation(b"text-", 1, OPERATIONS_PER_TEXT)
        self.banks = Rotation(b"bank-", 1, OPERATIONS_PER_BANK)
        self.unbalanced: list[str] = []
        self.added: dict[bytes, int] = {}
        self.perhaps_added: dict[bytes, int] = {}
        self._seed = seed
        self._make_client = make_client

    @property
    def every_key(self) -> list[bytes]:
        """All keys that were ever used."""
        single = (self.keys, self.counters, self.tallies, self.texts)
        accounts = [account for bank in self.banks.all for account in accounts_of(bank)]
        return [key for rotation in single for key in rotation.all] + accounts

    async def run_client(self, number: int, endpoints: Sequence[str], stop: asyncio.Event) -> None:
        """Do one operation after the other until `stop`, on one connection after the other."""
        random = Random(f"{self._seed} client {number}")
        marks = (b"%d.%d" % (number, step) for step in count(1))
        timeout_s = OPERATION_TIMEOUTS_S[number % len(OPERATION_TIMEOUTS_S)]
        while not stop.is_set():
            try:
                async with self._make_client(endpoints, timeout_s=timeout_s) as kv:
                    await self._work(kv, marks, random, stop)
            except Unavailable:  # no node could be reached in time: operations are not begun then
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)

    async def _work(self, kv: Client, marks: Iterator[bytes], random: Random, stop: asyncio.Event) -> None:
        kinds, weights = list(_MIX), list(_MIX.values())
        process = self.recorder.history.new_process()
        for mark in islice(marks, OPERATIONS_PER_CONNECTION):
            if stop.is_set():
                return
            try:
                await self._do(random.choices(kinds, weights)[0], process, kv, mark, random)
            except PaxoskvError as error:
                if leaves_open(error):
                    process = self.recorder.history.new_process()
                await asyncio.sleep(PAUSE_AFTER_ERROR_S)

    async def _do(self, kind: str, process: int, kv: Client, mark: bytes, random: Random) -> None:
        if kind == "count":
            await self._count(process, kv, self.counters.take(random), mark)
            return
        if kind in ("incr", "append", "transfer", "look"):
            await self._add(kind, process, kv, mark, random)
            return
        key = self.keys.take(random)
        if kind == "get":
            await self.recorder.get(process, kv, key)
        elif kind == "put":
            await self.recorder.put(process, kv, key, mark)
        elif kind == "delete":
            await self.recorder.delete(process, kv, key)
        else:
            await self.recorder.cas(process, kv, key, self.recorder.known.get(key), mark)

    async def _add(self, kind: str, process: int, kv: Client, mark: bytes, random: Random) -> None:
        """Do something of which every kind of key knows only one."""
        if kind == "incr":
            await self.recorder.incr(process, kv, self.tallies.take(random), random.choice((1, 1, 3, -2)))
        elif kind == "append":
            await self.recorder.append(process, kv, self.texts.take(random), b"%s," % mark)
        else:
            bank = self.banks.take(random)
            await self._use_bank(kind, process, kv, bank, random)

    async def _use_bank(self, kind: str, process: int, kv: Client, bank: bytes, random: Random) -> None:
        if kind == "transfer":
            giver, taker = random.sample(accounts_of(bank), 2)
            await self.recorder.transfer(process, kv, giver, taker, random.randrange(1, 100))
            return
        total = await self.recorder.look(process, kv, accounts_of(bank))
        if total:
            self.unbalanced.append(f"the accounts of {bank.decode()} held {total} together")

    async def _count(self, process: int, kv: Client, key: bytes, mark: bytes) -> None:
        """Add one to a counter, unless somebody else was faster."""
        before = (await self.recorder.get(process, kv, key)).value
        after = b"%d/%s" % (counter_number(before) + 1, mark)
        try:
            if await self.recorder.cas(process, kv, key, before, after):
                self.added[key] = self.added.get(key, 0) + 1
        except PaxoskvError as error:
            self.perhaps_added[key] = self.perhaps_added.get(key, 0) + leaves_open(error)
            raise
