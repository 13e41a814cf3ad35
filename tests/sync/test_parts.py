"""What a blocking client makes: leases, watches, views and recipes, from threads without an event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, assert_type

import pytest

import paxoskv
from paxoskv import ops, sync
from paxoskv.sync.thread import LoopThread
from tests.client.fake import FakeNode
from tests.sync.kit import await_true, interrupt_when

PATIENCE_S = 60.0

T = TypeVar("T")


@pytest.fixture
def kv(node: FakeNode) -> Iterator[sync.Client]:
    """A client."""
    with sync.connect(node.endpoint) as kv:
        yield kv


@pytest.fixture
def aside() -> Iterator[Callable[[Callable[[], T]], Callable[[], T]]]:
    """Begin a call on a thread of its own; what is returned waits for its end."""
    with ThreadPoolExecutor(16) as threads:

        def begin(call: Callable[[], T]) -> Callable[[], T]:
            ending = threads.submit(call)
            return lambda: ending.result(PATIENCE_S)

        yield begin


def watches(node: FakeNode) -> int:
    """Return how many watches a node feeds."""
    return sum(len(connection.watches) for connection in node.connections)


def test_a_lease_lives_in_its_block(kv: sync.Client, node: FakeNode) -> None:
    with kv.lease(600) as lease:
        assert_type(lease, sync.Lease)
        kv.put("k", "v", lease=lease)
        kv.txn(then=[ops.put("l", "v", lease=lease)])
        assert kv.time_to_live(lease).keys == (b"k", b"l")
        assert (lease.id, lease.ttl_s, lease.is_lost, lease.lost.is_set(), lease.is_entered) == (
            1,
            600,
            False,
            False,
            True,
        )
        assert lease.lost.wait(0.01) is False
        lease.check()
    assert lease.lost.wait(PATIENCE_S)
    assert lease.is_lost
    assert node.store.machine.keys == 0
    with pytest.raises(paxoskv.LeaseLost):
        lease.check()


def test_a_watch_is_a_loop(kv: sync.Client, node: FakeNode) -> None:
    with kv.watch("a") as events:
        kv.put_many({"a1": "v", "a2": "w"})
        assert assert_type(events.next(PATIENCE_S), paxoskv.Event).value == b"v"
        for event in events:
            assert event.value == b"w"
            break
        assert events.revision == 1
        kv.put("a3", "x")
        for batch in events.batches():
            assert [event.key for event in batch.events] == [b"a3"]
            break
        with pytest.raises(TimeoutError):
            events.next(0.01)
    for event in kv.watch("a", revision=1):
        assert event.key == b"a1"
        break
    await_true(lambda: watches(node) == 0)
    closed = kv.watch("a")
    closed.close()
    with pytest.raises(RuntimeError, match="closed"):
        closed.next()


def test_ctrl_c_ends_a_watch_that_waits(kv: sync.Client, node: FakeNode) -> None:
    """Complaint of users of other clients: a thread that watches cannot be interrupted."""
    pressing = interrupt_when(lambda: await_true(lambda: watches(node) == 1))
    with pytest.raises(KeyboardInterrupt):
        next(iter(kv.watch("")))
    pressing.join(PATIENCE_S)
    await_true(lambda: watches(node) == 0)
    assert kv.put("k", "v").written, "the client stays usable"


def test_ctrl_c_gives_the_place_in_a_line_back(kv: sync.Client, node: FakeNode) -> None:
    with sync.Lock(kv, "name"):
        pressing = interrupt_when(lambda: await_true(lambda: watches(node) == 1))
        with pytest.raises(KeyboardInterrupt):
            sync.Lock(kv, "name").acquire()
        pressing.join(PATIENCE_S)
        await_true(lambda: node.store.machine.leases == 1)


def test_views_are_stores(kv: sync.Client) -> None:
    app = kv.scoped("app/")
    app.put("k", "v")
    assert [entry.key for entry in app.scan()] == [b"k"]
    assert app.with_timeout(PATIENCE_S).get("k").value == b"v"
    assert app.whole_key("k") == b"app/k"
    with pytest.raises(paxoskv.GuardFailed):
        kv.guarded(ops.absent("app/k")).put("x", "y")
    typed = app.typed(paxoskv.JSON)
    assert typed.update("n", lambda value: (value or 0) + 1) == 1
    assert dict(typed.scan("n")) == {b"n": 1}
    with pytest.raises(RuntimeError, match="not entered"):
        sync.connect("127.0.0.1:1").scoped("a").get("k")


def test_one_lock_at_a_time(kv: sync.Client, aside: Callable[[Callable[[], int]], Callable[[], int]]) -> None:
    inside = threading.Lock()

    def visit() -> int:
        with sync.Lock(kv, "name") as lock:
            assert inside.acquire(blocking=False)
            assert kv.txn(compare=[lock.guard], then=[ops.incr("n")]).succeeded
            assert not lock.is_lost
            assert not lock.lost.is_set()
            lock.check()
            inside.release()
            return lock.token

    tokens = [ending() for ending in [aside(visit) for _ in range(10)]]
    assert len(set(tokens)) == 10
    assert kv.get("n").value == b"10"
    assert sync.Lock(kv, "name").holder() is None


def test_other_holdings(kv: sync.Client) -> None:
    with sync.Semaphore(kv, "s", 2), sync.Semaphore(kv, "s", 2), pytest.raises(TimeoutError):
        sync.Semaphore(kv, "s", 2).acquire(timeout_s=0.05)
    lock = sync.RWLock(kv, "rw")
    with lock.read(), lock.read(), pytest.raises(TimeoutError):
        lock.write().acquire(timeout_s=0.05)
    with lock.write() as held:
        assert held.token > 0


def test_an_election(kv: sync.Client) -> None:
    election = sync.Election(kv, "name", value="me")
    seen = election.observe()
    assert next(seen) is None
    with election:
        leader = next(seen)
        assert leader is not None
        assert leader.value == b"me"
        election.proclaim("still me")
        found = election.leader()
        assert found is not None
        assert found.value == b"still me"
    election.campaign(timeout_s=PATIENCE_S)
    election.resign()


def test_a_barrier(kv: sync.Client, aside: Callable[[Callable[[], None]], Callable[[], None]]) -> None:
    gathered = threading.Barrier(3)

    def party() -> None:
        with sync.Barrier(kv, "name", 3):
            gathered.wait(PATIENCE_S)

    for ending in [aside(party) for _ in range(3)]:
        ending()


def test_a_queue(kv: sync.Client) -> None:
    queue = sync.Queue(kv, "name")
    assert (queue.put("1"), queue.put("2"), queue.size()) == (1, 2, 2)
    with queue.claim() as item:
        assert item == paxoskv.Item(1, b"1")
        assert queue.get() == b"2"
    with pytest.raises(TimeoutError):
        queue.get(timeout_s=0.05)
    queue.put("3")

    def fail() -> None:
        with queue.claim(timeout_s=PATIENCE_S):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert queue.get() == b"3"


def test_a_cache_a_registration_and_a_counter(kv: sync.Client) -> None:
    with sync.Cache(kv, "a/") as cache:
        kv.put("a/1", "x")
        assert {key: entry.value for key, entry in cache.refreshed().items()} == {b"a/1": b"x"}
        assert (len(cache), cache["a/1"].value, list(cache)) == (1, b"x", [b"a/1"])
        assert cache.revision >= 1
    with sync.Registration(kv, "web", "me") as registration:
        assert [entry.key for entry in sync.Registration.members(kv, "web")] == [registration.key]
    assert sync.Registration.members(kv, "web") == []
    counter = sync.Counter(kv, "n")
    counter.set(40)
    assert (counter.add(2), counter.value()) == (42, 42)


def test_nothing_is_left_of_what_was_used(node: FakeNode, fakes: LoopThread) -> None:
    before = set(threading.enumerate())
    with sync.connect(node.endpoint) as kv, kv.lease(600), kv.watch("") as watch, sync.Lock(kv, "name"):
        assert watch.next(PATIENCE_S).is_create
    assert set(threading.enumerate()) <= before
    await_true(lambda: not node.connections)
