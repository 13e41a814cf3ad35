"""Damage in the journal of a node that did not run: repaired from the peers or refused, never silent (P4, P5, R12)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.kit import Cluster, NodeProcess, Status
from tests.cluster.workload import Workload, check
from tests.support import PortLease, eventually

QUARANTINED = 5
CHANGES = 200


async def test_damaged_and_lost_votes_are_repaired_from_the_peers(tmp_path: Path, ports: PortLease) -> None:
    """Under load; afterwards the state is the same everywhere, and so are the records."""
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(CHANGES)
            victim = (await cluster.followers())[0]
            assert await victim.stop() == 0
            hurt(victim.directory, "UPDATE votes SET value = zeroblob(length(value)) WHERE slot IN (2, 20, 21)")
            hurt(victim.directory, "UPDATE votes SET round = round + 1 WHERE slot = 30")
            hurt(victim.directory, "DELETE FROM votes WHERE slot BETWEEN 40 AND 44")
            victim.start()
            await load.progress(CHANGES)
            await victim.speaks("records of the journal are damaged")
            status = await eventually(lambda: repaired(victim), 30, "a repaired node")
            assert status["repaired_rows"] == 9
        await check(cluster, load.account)
        assert await victim.stop() == 0
        victim.start()
        await victim.serves()
        assert "damaged" not in victim.said()


async def test_damage_at_every_node_is_repaired_as_long_as_one_has_the_record(tmp_path: Path, ports: PortLease) -> None:
    """All start at once; each lost other slots."""
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(CHANGES)
        for node in cluster:
            assert await node.stop() == 0
            slots = range(node.number + 1, 60, 3)
            hurt(node.directory, f"UPDATE votes SET value = x'00' WHERE slot IN {tuple(slots)}")
        cluster.start()
        for node in cluster:
            await eventually(partial(repaired, node), 60, f"repair of node {node.number}")
        await check(cluster, load.account)


async def test_a_node_alone_with_a_damaged_chosen_vote_is_refused(tmp_path: Path, ports: PortLease) -> None:
    """There is no peer that could tell the value."""
    async with Cluster(tmp_path, ports, count=1) as cluster:
        async with cluster.connect() as kv:
            for number in range(5):
                await kv.put(b"k", b"%d" % number)
        node = cluster[1]
        assert await node.stop() == 0
        hurt(node.directory, "UPDATE votes SET value = x'00' WHERE slot = 3")
        node.start()
        assert await node.ended() == QUARANTINED
        assert "the chosen value in slot 3 is damaged or lost, and this node has no peer" in node.said()


@pytest.mark.parametrize(
    "which", ["meta SET checksum = checksum + 1 WHERE name = 'promise'", "peers SET node = node + 5"]
)
async def test_a_damaged_promise_or_peer_is_refused(tmp_path: Path, ports: PortLease, which: str) -> None:
    """What it promised, and whom it may believe, nobody else can tell."""
    async with Cluster(tmp_path, ports) as cluster:
        node = (await cluster.followers())[0]
        assert await node.stop() == 0
        hurt(node.directory, f"UPDATE {which}")
        node.start()
        assert await node.ended() == QUARANTINED
        assert "replace" in node.said()
        async with cluster.connect() as kv:
            await kv.put(b"k", b"v")


async def test_damage_under_a_running_node_is_found_and_repaired(tmp_path: Path, ports: PortLease) -> None:
    """The leader's, while it leads: the values have left its memory, so the peers tell them."""
    async with Cluster(tmp_path, ports, flags=["--scrub-s", "0.2"]) as cluster:
        leader = await cluster.leader()
        async with cluster.connect() as kv:
            for number in range(120):  # more than the tail that a node keeps in memory
                await kv.put(b"k%d" % number, b"value %04d;" % number + bytes(100 << 10))
            file = leader.directory / "journal.db"
            await eventually(lambda: find(file, b"value 0007;"), 20, "a checkpoint of the journal")
            for number in (7, 8, 20):
                change(file, find(file, b"value %04d;" % number), b"VALUE")
            await eventually(lambda: repaired_rows(leader, 3), 60, "three rows written anew")
            await kv.put(b"k", b"v")
        assert "records were damaged since they were written" in leader.said()
        status = await eventually(partial(repaired, leader), 20, "a repaired leader")
        assert status["scrubbed_rows"] > 120
        assert status["last_scrub_s"] is not None
        assert await leader.stop() == 0
        leader.start()
        await leader.serves()
        assert "damaged" not in leader.said()


def find(file: Path, text: bytes) -> int:
    """Return where `text` stands in a file, 0 if nowhere."""
    return max(file.read_bytes().find(text), 0)


def change(file: Path, at: int, data: bytes) -> None:
    """Write over a file that others have open."""
    assert at > 0
    with file.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


async def repaired_rows(node: NodeProcess, least: int) -> bool:
    """Whether a node has written so many damaged rows anew."""
    return bool((await node.status())["repaired_rows"] >= least)


def hurt(directory: Path, sql: str) -> None:
    """Change the journal of a node that was stopped in order."""
    with closing(sqlite3.connect(directory / "journal.db", isolation_level=None)) as connection:
        assert connection.execute(sql).rowcount > 0, f"nothing was changed by {sql}"


async def repaired(node: NodeProcess) -> Status | None:
    """Return the status of a node that says that nothing is damaged any more, None as long as it does not."""
    status = await node.try_status()
    return status if status and status["healthy"] and not status["faulty_slots"] else None
