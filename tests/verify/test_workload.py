"""What clients do and how it is recorded, against a store in memory that can be told to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from types import TracebackType
from typing import Any, Self, cast

import pytest

from paxoskv import (
    AppendResult,
    BadRequest,
    CasResult,
    Client,
    CountResult,
    DeleteResult,
    GetResult,
    OutcomeUnknown,
    Overloaded,
    PutResult,
    TxnResult,
    Unavailable,
    ops,
)
from paxoskv.checker import HistoryWriter, judge
from paxoskv.client import Entry
from paxoskv.errors import InternalError, PaxoskvError
from paxoskv.kv import operations
from paxoskv.verifier.recorder import Recorder, leaves_open
from paxoskv.verifier.workload import Rotation, Workload, accounts_of, counter_number
from tests.support import eventually

BALLOT = (1, 1)


class Store:
    """One copy that does one thing at a time; `trouble` may raise before a write is applied or after it."""

    def __init__(self, trouble: Callable[[str], PaxoskvError | None] = lambda when: None) -> None:
        self.values: dict[bytes, tuple[bytes, int]] = {}
        self.revision = 0
        self.slot = 0
        self.clients = 0
        self._trouble = trouble

    def connect(self, endpoints: object, timeout_s: float) -> Client:
        self.clients += 1
        return cast(Client, Memory(self))

    def raise_perhaps(self, when: str) -> None:
        error = self._trouble(when)
        if error is not None:
            raise error


class Memory:
    """A client of a `Store`, with the calls that the workload makes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __aenter__(self) -> Self:
        self._store.raise_perhaps("connect")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    async def get(self, key: bytes) -> GetResult:
        await asyncio.sleep(0)
        self._store.raise_perhaps("read")
        found = self._store.values.get(key)
        entry = None if found is None else Entry(key, found[0], found[1], found[1], 1, 0)
        return GetResult(entry, self._store.revision, self._store.slot, BALLOT)

    async def put(self, key: bytes, value: bytes) -> PutResult:
        place = await self._write(lambda: self._set(key, value))
        return PutResult(*place, BALLOT)

    async def delete(self, key: bytes) -> DeleteResult:
        existed = False

        def remove() -> None:
            nonlocal existed
            existed = self._store.values.pop(key, None) is not None
            self._store.revision += existed

        place = await self._write(remove)
        return DeleteResult(existed, *place, BALLOT)

    async def cas(self, key: bytes, value: bytes, *, expect: bytes | None = None, absent: bool = False) -> CasResult:
        held: tuple[bytes, int] | None = None
        succeeded = False

        def compare() -> None:
            nonlocal held, succeeded
            held = self._store.values.get(key)
            succeeded = held is None if absent else held is not None and held[0] == expect
            if succeeded:
                self._set(key, value)

        place = await self._write(compare)
        current = None if succeeded or held is None else Entry(key, held[0], held[1], held[1], 1, 0)
        return CasResult(succeeded, *place, BALLOT, current)

    async def incr(self, key: bytes, by: int) -> CountResult:
        place = await self._write(lambda: self._add(key, by))
        return CountResult(int(self._store.values[key][0]), *place, BALLOT)

    async def append(self, key: bytes, suffix: bytes) -> AppendResult:
        place = await self._write(lambda: self._set(key, self._store.values.get(key, (b"", 0))[0] + suffix))
        return AppendResult(len(self._store.values[key][0]), *place, BALLOT)

    async def txn(self, *, then: Sequence[ops.Operation[Any]]) -> TxnResult:
        """Increments and gets, at one revision."""
        results: list[Any] = []

        def change() -> None:
            revision = self._store.revision
            for op, key, *arguments in (one.encode(b"") for one in then):
                if op == operations.INCR:
                    self._store.revision = revision
                    self._add(key, arguments[0])
                    results.append(int(self._store.values[key][0]))
                else:
                    found = self._store.values.get(key)
                    results.append(None if found is None else Entry(key, found[0], found[1], found[1], 1, 0))

        place = await self._write(change)
        return TxnResult(True, tuple(results), tuple(then), *place, BALLOT)

    def _add(self, key: bytes, by: int) -> None:
        self._set(key, b"%d" % (int(self._store.values.get(key, (b"0", 0))[0]) + by))

    async def _write(self, change: Callable[[], None]) -> tuple[int, int]:
        await asyncio.sleep(0)
        self._store.raise_perhaps("before")
        self._store.slot += 1
        change()
        self._store.raise_perhaps("after")
        return self._store.revision, self._store.slot

    def _set(self, key: bytes, value: bytes) -> None:
        self._store.revision += 1
        self._store.values[key] = (value, self._store.revision)


async def work(
    store: Store, *, clients: int = 4, operations: int = 3000, until: Callable[[Workload], bool] = lambda workload: True
) -> tuple[Workload, HistoryWriter]:
    """Let some clients do about so many operations, or more if `until` does not hold by then."""
    history = HistoryWriter()
    workload = Workload(history, seed=5, make_client=store.connect)
    stop = asyncio.Event()

    async def end() -> None:
        await eventually(lambda: workload.recorder.operations >= operations and until(workload), 120.0)
        stop.set()

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(workload.run_client(number, [], stop))
        group.create_task(end())
    return workload, history


async def test_every_kind_of_operation_is_recorded_and_one_store_is_linearizable() -> None:
    _, history = await work(Store())
    verdict = judge(history.operations())
    assert verdict.acceptable is True
    assert verdict.revisions.status == "ok"
    assert {op.f for op in history.operations()} == {"put", "get", "delete", "cas", "incr", "append", "txn"}
    refused = [op for op in history.operations() if op.f == "cas" and op.outcome == "fail"]
    assert refused
    assert all(op.error is None for op in refused)


async def test_values_never_come_twice() -> None:
    _, history = await work(Store())
    written = [
        op.value if isinstance(op.value, bytes) else (op.value or (None, None))[1]
        for op in history.operations()
        if op.f != "incr"
    ]
    values = [value for value in written if value is not None]
    assert len(values) == len(set(values)) > 1000


async def test_counters_count_what_was_acknowledged() -> None:
    store = Store()
    workload, _ = await work(store)
    assert sum(workload.added.values()) > 50
    for key, added in workload.added.items():
        assert counter_number(store.values[key][0]) == added
    assert workload.perhaps_added == {}


async def test_accounts_hold_nothing_together_unless_a_transaction_is_torn() -> None:
    store = Store()
    workload, _ = await work(store)
    banks = [accounts_of(bank) for bank in workload.banks.all]
    assert len(banks) > 2
    assert all(sum(int(store.values.get(one, (b"0", 0))[0]) for one in accounts) == 0 for accounts in banks)
    assert workload.unbalanced == []

    class Torn(dict[bytes, tuple[bytes, int]]):
        def __setitem__(self, key: bytes, value: tuple[bytes, int]) -> None:
            if not key.startswith(b"bank-") or key not in self or value[1] % 3:
                super().__setitem__(key, value)

    store.values = Torn()
    workload, history = await work(store, until=lambda workload: bool(workload.unbalanced))
    assert workload.unbalanced
    assert judge(history.operations()).acceptable is False


async def test_keys_give_way_to_fresh_ones() -> None:
    store = Store()
    workload, history = await work(store, operations=6000)
    per_key: dict[bytes, int] = {}
    for op in history.operations():
        per_key[op.key] = per_key.get(op.key, 0) + 1
    assert max(per_key.values()) <= 500  # pitfalls, D: longer histories are not decided for certain
    assert set(per_key) <= set(workload.every_key)
    assert store.clients > 4  # and clients come and go


async def test_failures_are_recorded_as_what_they_are() -> None:
    random = Random(1)
    kinds = (Unavailable("no leader"), Overloaded("busy", 0.1), BadRequest("no"))

    def trouble(when: str) -> PaxoskvError | None:
        if random.random() > 0.05:
            return None
        return (
            random.choice(kinds) if when in ("before", "read") else OutcomeUnknown("lost") if when == "after" else None
        )

    workload, history = await work(Store(trouble))
    assert judge(history.operations()).acceptable is True
    outcomes = {op.outcome for op in history.operations()}
    assert outcomes == {"ok", "fail", "info"}
    assert workload.recorder.unknown == sum(op.outcome == "info" for op in history.operations())
    assert sum(workload.perhaps_added.values()) > 0


async def test_a_client_that_cannot_connect_tries_again() -> None:
    failures = iter([Unavailable("nobody"), Unavailable("nobody")])
    store = Store(lambda when: next(failures, None) if when == "connect" else None)
    await work(store, clients=1, operations=10)
    assert store.clients == 3


async def test_a_store_that_forgets_is_found_out() -> None:
    """The recorder writes down what was promised: the judge sees the lie."""
    store = Store()
    original = store.values

    class Forgetful(dict[bytes, tuple[bytes, int]]):
        def __setitem__(self, key: bytes, value: tuple[bytes, int]) -> None:
            if value[1] % 100 or key not in self:
                super().__setitem__(key, value)

    store.values = Forgetful(original)
    _, history = await work(store)
    assert judge(history.operations()).acceptable is False


@pytest.mark.parametrize(
    ("error", "is_open"),
    [
        (OutcomeUnknown("?"), True),
        (InternalError("?"), True),
        (Unavailable("?"), False),
        (Overloaded("?", 0.1), False),
        (BadRequest("?"), False),
    ],
)
def test_an_unforeseen_error_leaves_a_write_open(error: PaxoskvError, is_open: bool) -> None:
    assert leaves_open(error) == is_open


async def test_a_failed_read_is_no_unknown_write() -> None:
    history = HistoryWriter()
    recorder = Recorder(history)
    kv = Store(lambda when: OutcomeUnknown("?") if when == "read" else None).connect([], 1)
    with pytest.raises(OutcomeUnknown):
        await recorder.get(history.new_process(), kv, b"k")
    assert [op.outcome for op in history.operations()] == ["fail"]
    assert (recorder.operations, recorder.unknown) == (1, 0)


def test_rotation_counts_every_use() -> None:
    rotation = Rotation(b"k-", hot=2, operations=10)
    random = Random(1)
    used: dict[bytes, int] = {}
    for _ in range(100):
        key = rotation.take(random)
        used[key] = used.get(key, 0) + 1
    assert sum(used.values()) == 100
    assert max(used.values()) == 10
    assert list(dict.fromkeys(rotation.all)) == rotation.all


@pytest.mark.parametrize(("value", "number"), [(None, 0), (b"1/0.1", 1), (b"123/7.9", 123)])
def test_counters_tell_their_number(value: Any, number: int) -> None:
    assert counter_number(value) == number
