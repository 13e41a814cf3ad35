"""Watches of real clusters: no event is lost, doubled, split or told out of order, whatever dies (P29)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from random import Random

import pytest

import paxoskv
from paxoskv import ops, testing
from tests.support import eventually

PATIENCE_S = 120.0
WRITERS = 4


@pytest.fixture
def cluster() -> Iterator[testing.AsyncCluster]:
    """Three nodes."""
    with testing.cluster() as cluster:
        yield cluster.aio


class Record:
    """All that a watch told, and whether it may have."""

    def __init__(self) -> None:
        self.batches: list[paxoskv.Batch] = []
        self.state: dict[bytes, paxoskv.Entry] = {}

    def take(self, batch: paxoskv.Batch) -> None:
        """Check a revision against all before it: ordered, unique, atomic, with the right previous entries."""
        assert not self.batches or batch.revision > self.batches[-1].revision, "ordered and unique"
        keys = [event.key for event in batch.events]
        assert keys == sorted(set(keys)), "one event for a key and revision"
        assert [event.is_last for event in batch.events] == [False] * (len(keys) - 1) + [True]
        for event in batch.events:
            assert event.previous == self.state.get(event.key), "previous is what was told before"
            assert event.is_create == (event.previous is None)
            if event.entry is None:
                del self.state[event.key]
            else:
                assert event.entry.modified == event.revision
                self.state[event.key] = event.entry
        self.batches.append(batch)

    @property
    def revision(self) -> int:
        """The last one told."""
        return self.batches[-1].revision if self.batches else 0


async def watch_all(kv: paxoskv.Store, record: Record) -> None:
    """Record everything from the first revision on."""
    async for batch in kv.watch("", revision=1, previous=True).batches():
        record.take(batch)


async def write(
    kv: paxoskv.Store, number: int, stop: asyncio.Event, acked: dict[int, set[tuple[bytes, bytes]]]
) -> None:
    """Change keys in every way; note what is acknowledged: revision -> what was put at it."""
    random, values = Random(number), count()
    while not stop.is_set():
        value = f"{number}.{next(values)}".encode()
        keys = [f"{random.randrange(8)}".encode() for _ in range(random.choice((1, 1, 1, 3)))]
        if random.random() < 0.1:
            await kv.delete_range(keys[0])
            continue
        result = await kv.txn(then=[ops.put(key, value) for key in keys])
        acked[result.revision] = {(key, value) for key in keys}


def judge(record: Record, acked: dict[int, set[tuple[bytes, bytes]]], revision: int) -> None:
    """Every revision was told, and what was acknowledged was told as it was written."""
    assert [batch.revision for batch in record.batches] == list(range(1, revision + 1)), "reliable"
    told = {batch.revision: {(event.key, event.value) for event in batch.events} for batch in record.batches}
    assert {at: told[at] for at in acked} == acked


async def test_a_watch_through_the_death_of_every_node_in_turn(cluster: testing.AsyncCluster) -> None:
    stop, acked = asyncio.Event(), dict[int, set[tuple[bytes, bytes]]]()
    async with (
        cluster.client(timeout_s=PATIENCE_S) as writing,
        cluster.client(timeout_s=PATIENCE_S) as one,
        paxoskv.connect(cluster.endpoints.split(",")[::-1], timeout_s=PATIENCE_S) as two,
    ):
        records = [Record(), Record(), Record()]
        watching = [
            asyncio.ensure_future(watch_all(kv, record)) for kv, record in zip((one, two, two), records, strict=True)
        ]
        writers = [asyncio.ensure_future(write(writing, number, stop, acked)) for number in range(WRITERS)]
        for node in cluster.nodes:
            before = len(acked)
            await eventually(lambda before=before: len(acked) > before + 50, PATIENCE_S)  # type: ignore[misc]
            await cluster.kill(node)
            before = len(acked)
            await eventually(lambda before=before: len(acked) > before + 50, PATIENCE_S)  # type: ignore[misc]
            await cluster.restart(node)
            await eventually(lambda node=node: cluster.status(node), PATIENCE_S)  # type: ignore[misc]
        stop.set()
        await asyncio.gather(*writers)
        revision = (await writing.sync()).revision
        for record, task in zip(records, watching, strict=True):
            await eventually(lambda record=record, task=task: task.done() or record.revision == revision, PATIENCE_S)  # type: ignore[misc]
            assert not task.done(), task
            judge(record, acked, revision)
            task.cancel()
        await asyncio.wait(watching)
        assert records[0].batches == records[1].batches == records[2].batches
        assert [entry async for entry in one.scan()] == sorted(records[0].state.values())


async def test_a_watch_leaves_a_node_that_stands_still_or_is_cut_off(cluster: testing.AsyncCluster) -> None:
    """R22, P20: nobody else of this client asks that node anything; only the watch can notice."""
    async with cluster.client(timeout_s=PATIENCE_S) as writing, cluster.client(timeout_s=PATIENCE_S) as kv:
        record = Record()
        watching = asyncio.ensure_future(watch_all(kv, record))
        await writing.put("k", "1")
        await eventually(lambda: record.revision == 1, PATIENCE_S)
        for disturb in ("pause", "partition"):
            connection = kv._wire.channel.connection
            assert connection is not None
            fed_by = connection.node
            others = [node for node in cluster.nodes if node != fed_by]
            if disturb == "pause":
                await cluster.pause(fed_by)
            else:
                await cluster.partition([fed_by], others)
            revision = (await writing.put("k", disturb)).revision
            await eventually(lambda revision=revision: record.revision == revision, PATIENCE_S)  # type: ignore[misc]
            if disturb == "pause":
                await cluster.resume(fed_by)
            else:
                await cluster.heal()
        assert not watching.done()
        watching.cancel()
        await asyncio.wait([watching])
