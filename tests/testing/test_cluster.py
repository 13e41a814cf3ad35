"""A cluster for tests: everything that can be done to it shows, and can be undone."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import paxoskv
from paxoskv import testing
from paxoskv.testbed.shim import compiled
from tests.support import eventually

PATIENCE_S = 60.0
SETTINGS = {"election_timeout_s": 1.0, "election_jitter_s": 0.5}
"""A machine busy with other tests lets a node stand still for longer than the default timeout now and then."""


@pytest.fixture(scope="module")
def shared() -> Iterator[testing.Cluster]:
    """Three nodes for all tests of this module."""
    with testing.cluster(settings=SETTINGS) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: testing.Cluster) -> Iterator[testing.Cluster]:
    """The shared nodes, mended after each test."""
    yield shared
    shared.restore()


def test_a_write_survives_the_death_of_the_leader(cluster: testing.Cluster) -> None:
    with cluster.client(timeout_s=PATIENCE_S) as kv:
        before = kv.put("death", "v").revision
        leader = cluster.leader()
        cluster.kill(leader)
        assert kv.get("death").value == b"v"
        assert kv.put("death", "w").revision == before + 1
        assert cluster.status(leader) is None
        assert cluster.leader() != leader
        cluster.restart(leader)
        told = cluster.status(leader)
        assert told is not None
        assert told["revision"] >= before + 1, "it has caught up"


def test_restart_of_a_node_that_runs_is_a_kill_and_a_start(cluster: testing.Cluster) -> None:
    cluster.restart(2)
    restarted, other = cluster.status(2), cluster.status(3)
    assert restarted is not None
    assert other is not None
    assert restarted["uptime_s"] < other["uptime_s"]


def test_a_paused_leader_is_replaced_and_goes_on_as_a_follower(cluster: testing.Cluster) -> None:
    with cluster.client(timeout_s=PATIENCE_S) as kv:
        leader = cluster.leader()
        cluster.pause(leader)
        kv.put("pause", "v")
        assert cluster.status(leader) is None
        assert cluster.leader() != leader
        cluster.resume(leader)
        asyncio.run(eventually(lambda: cluster.status(leader), PATIENCE_S))


def test_a_leader_that_is_cut_off_is_replaced_and_learns_it_when_healed(cluster: testing.Cluster) -> None:
    leader = cluster.leader()
    others = [node for node in cluster.nodes if node != leader]
    cluster.partition([leader], clients=others)
    with cluster.client(timeout_s=PATIENCE_S) as kv:
        assert kv.put("partition", "v").ballot[1] in others
    cut_off = cluster.status(leader)
    assert cut_off is not None, "only links are cut: whoever asks it directly gets an answer"
    cluster.heal()

    def follows() -> bool:
        told = cluster.status(leader)
        return told is not None and told["leader"] in others

    asyncio.run(eventually(follows, PATIENCE_S))


def test_without_a_quorum_nothing_is_acknowledged(cluster: testing.Cluster) -> None:
    cluster.partition([1], [2], [3])
    with cluster.client(timeout_s=1.0) as kv, pytest.raises((paxoskv.Unavailable, paxoskv.OutcomeUnknown)):
        kv.put("split", "v")
    with pytest.raises(TimeoutError, match="no leader within 0 s"):
        asyncio.run(eventually(lambda: cluster.leader(within_s=0) is None, PATIENCE_S))
    cluster.heal()
    with cluster.client(timeout_s=PATIENCE_S) as kv:
        assert kv.put("split", "w").revision > 0


def test_clients_that_reach_nobody_are_told(cluster: testing.Cluster) -> None:
    cluster.partition(clients=[])
    with pytest.raises(paxoskv.Unavailable), cluster.client(timeout_s=0.5):
        pytest.fail("no node can be reached")


def test_a_slow_disk_is_slow_until_it_is_healed(cluster: testing.Cluster) -> None:
    """All disks, and for longer than an election timeout: leaders give up, and nothing is acknowledged (P18)."""
    for node in cluster.nodes:
        cluster.slow_disk(node, 30.0)
    with cluster.client(timeout_s=1.0) as kv, pytest.raises((paxoskv.Unavailable, paxoskv.OutcomeUnknown)):
        kv.put("slow", "v")
    cluster.heal()
    with cluster.client(timeout_s=PATIENCE_S) as kv:
        assert kv.put("slow", "w").revision > 0


def test_restore_brings_back_whatever_was_done(cluster: testing.Cluster) -> None:
    cluster.kill(1)
    cluster.pause(2)
    cluster.partition([3])
    cluster.restore()
    assert all(cluster.status(node) is not None for node in cluster.nodes)
    with cluster.client(timeout_s=PATIENCE_S) as kv:
        kv.put("restored", "v")


def test_mistakes_are_told(cluster: testing.Cluster) -> None:
    for call in (cluster.kill, cluster.restart, cluster.pause, cluster.resume, cluster.status, cluster.log):
        with pytest.raises(ValueError, match="there is no node 4: this cluster has nodes 1 to 3"):
            call(4)
    with pytest.raises(ValueError, match="there is no node 0"):
        cluster.partition([0], [1])
    with pytest.raises(ValueError, match="in one group only"):
        cluster.partition([1, 2], [2, 3])
    with pytest.raises(ValueError, match="choose 0 to 60"):
        cluster.slow_disk(1, -1)
    cluster.kill(1)
    with pytest.raises(ValueError, match="does not run"):
        cluster.pause(1)
    with pytest.raises(ValueError, match="10 nodes: choose 1 to 9"):
        testing.cluster(10)


async def test_the_same_cluster_for_asyncio_in_any_loop(cluster: testing.Cluster) -> None:
    """The cluster lives in no loop of a test: one that outlives many loops serves each of them."""
    aio = cluster.aio
    async with aio.client(timeout_s=PATIENCE_S) as kv:
        leader = await aio.leader()
        await aio.kill(leader)
        await kv.put("asyncio", "v")
        assert await aio.leader() != leader
        await asyncio.gather(aio.restart(leader), kv.put("asyncio", "w"))
        assert (await kv.get("asyncio")).value == b"w"
    assert (aio.nodes, aio.endpoints) == ([1, 2, 3], cluster.endpoints)


async def test_async_with_gives_the_asyncio_face_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads = set(threading.enumerate())
    opening = testing.cluster(1, settings={"log_level": "debug"})
    async with opening as cluster, cluster.client(timeout_s=PATIENCE_S) as kv:
        await kv.put("k", "v")
        assert await cluster.leader() == 1
        assert "serving" in cluster.log(1)
        assert os.listdir(tmp_path)
    assert os.listdir(tmp_path) == []
    assert set(threading.enumerate()) <= threads
    with pytest.raises(RuntimeError, match="entered once"):
        await opening.__aenter__()
    with pytest.raises(RuntimeError, match="the cluster is closed"):
        await cluster.leader()


def test_a_node_that_ends_by_itself_fails_the_test(tmp_path: Path) -> None:
    def story() -> None:
        with testing.cluster(1, directory=tmp_path) as cluster:
            pid = int((tmp_path / "node1" / "lock").read_text())
            os.kill(pid, signal.SIGTERM)
            member = cluster._aio._cluster.member(1)
            asyncio.run(eventually(lambda: not member.runs, PATIENCE_S))

    with pytest.raises(AssertionError, match="node 1 ended by itself with exit code 0"):
        story()
    assert (tmp_path / "node1" / "journal.db").exists(), "a directory that was given stays"


def test_settings_that_a_node_refuses_are_told_with_its_words() -> None:
    threads = set(threading.enumerate())
    with pytest.raises(ValueError, match="unknown setting colour"):
        testing.cluster(1, settings={"colour": "blue"}).__enter__()
    assert set(threading.enumerate()) <= threads


def test_without_a_compiler_disks_cannot_be_slowed_and_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "COMPILERS", ())
    with testing.cluster(1) as cluster:
        with pytest.raises(testing.CannotSlowDisk, match="needs a C compiler"):
            cluster.slow_disk(1, 0.1)
        cluster.heal()
