"""Starts that must be refused: each with its exit code and a line for the operator, and no harm done (P3, P34, R26)."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kit import Cluster, NodeProcess, votes_in, wipe
from tests.support import LOOPBACK, PortLease

USAGE = 2
QUARANTINED = 5


@pytest.fixture
def node(tmp_path: Path, ports: PortLease) -> Iterator[NodeProcess]:
    """The node of a cluster of one."""
    node = Cluster(tmp_path, ports, count=1)[1]
    yield node
    node.clean_up()


async def test_the_second_process_on_a_directory_is_refused(tmp_path: Path, ports: PortLease) -> None:
    """The first one does not even notice."""
    async with Cluster(tmp_path, ports) as cluster:
        first, second = cluster[1], _twin(cluster[1], ports)
        second.start()
        assert await second.ended() == USAGE
        assert f"is in use by process {first.running.pid}" in second.said()
        async with cluster.connect() as kv:
            await kv.put("k", "v")
        await cluster.agreement()


@pytest.mark.parametrize("whose", ["clients", "peers"])
async def test_a_port_in_use_is_named(node: NodeProcess, whose: str) -> None:
    port = node.client_port if whose == "clients" else node.peer_port
    with socket.create_server((LOOPBACK, port)):
        node.start("--bootstrap")
        assert await node.ended() == USAGE
    assert f"cannot listen on {LOOPBACK}:{port} for {whose}: Address already in use" in node.said()
    node.start("--bootstrap")
    await node.serves()
    assert await node.stop() == 0


async def test_a_wiped_directory_is_refused_with_the_remedy(tmp_path: Path, ports: PortLease) -> None:
    """Its promises are gone, so it must not vote; the others go on without it."""
    async with Cluster(tmp_path, ports) as cluster, cluster.connect() as kv:
        await kv.put("k", "v")
        victim = cluster[1]
        victim.kill()
        wipe(victim.directory)
        victim.start()
        assert await victim.ended() == QUARANTINED
        assert "its promises are lost and it must be replaced by a new node" in victim.said()
        await kv.put("k", "w")


async def test_a_node_that_was_emptied_and_bootstrapped_again_is_known_by_its_incarnation(
    tmp_path: Path, ports: PortLease
) -> None:
    """It looks like a founding member, with the right list and --bootstrap; its peers remember its former life (P3)."""
    async with Cluster(tmp_path, ports) as cluster, cluster.connect() as kv:
        await kv.put("k", "v")
        victim = cluster[1]
        victim.kill()
        wipe(victim.directory)
        victim.start("--bootstrap")
        assert await victim.ended() == QUARANTINED
        assert "in another incarnation" in victim.said()
        assert "replace the node" in victim.said()
        assert votes_in(victim.directory) == 0, "it has learnt or voted"
        await kv.put("k", "w")
        assert all(node.is_running for node in cluster if node is not victim)


async def test_a_whole_cluster_remembers_incarnations_across_its_restart(tmp_path: Path, ports: PortLease) -> None:
    """The memory of a node's life is durable, not a matter of who happens to run."""
    async with Cluster(tmp_path, ports) as cluster:
        cluster.kill()
        wipe(cluster[3].directory)
        cluster[3].start("--bootstrap")
        await cluster[3].serves()
        cluster.start(1, 2)
        assert await cluster[3].ended() == QUARANTINED
        assert (await cluster.leader([1, 2])).number in (1, 2)


async def test_directories_of_two_nodes_that_were_swapped_are_refused(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        one, two = cluster[1], cluster[2]
        cluster.kill(1, 2)
        _swap(one.directory, two.directory)
        cluster.start(1, 2)
        assert (await one.ended(), await two.ended()) == (QUARANTINED, QUARANTINED)
        assert "belongs to node 2" in one.said()
        assert "not to node 1" in one.said()
        _swap(one.directory, two.directory)
        cluster.start(1, 2)
        await cluster.agreement()


async def test_the_directory_of_another_cluster_is_refused(node: NodeProcess) -> None:
    node.start("--bootstrap")
    await node.serves()
    assert await node.stop() == 0
    node.start("--cluster-token", "another")
    assert await node.ended() == QUARANTINED
    assert "of cluster " in node.said()
    assert "the cluster list it was founded with" in node.said()


async def test_a_node_of_another_cluster_finds_no_friends(tmp_path: Path, ports: PortLease) -> None:
    """Same addresses, other token: refused by name on both sides, and nobody is harmed (H10)."""
    async with Cluster(tmp_path, ports) as cluster:
        stranger = cluster[3]
        stranger.kill()
        wipe(stranger.directory)
        stranger.start("--bootstrap", "--cluster-token", "another")
        await stranger.serves()
        await stranger.speaks("check --cluster and its token")
        assert (await stranger.status())["leader"] == 0
        async with cluster.connect() as kv:
            await kv.put("k", "v")
        assert await stranger.stop() == 0


@pytest.mark.parametrize("born", [False, True], ids=["new", "born"])
async def test_a_read_only_directory_is_refused(node: NodeProcess, born: bool) -> None:
    """Nothing is lost by it: the operator has to correct the permissions, which is exit code 2."""
    through = _without_privileges()
    if born:
        node.start("--bootstrap")
        await node.serves()
        assert await node.stop() == 0
        for file in node.directory.iterdir():
            file.chmod(0o444)
    else:
        node.directory.mkdir()
    node.directory.chmod(0o555)
    node.through = through
    node.start(*([] if born else ["--bootstrap"]))
    assert await node.ended() == USAGE
    assert "Permission denied" in node.said()
    assert str(node.directory) in node.said()


def _without_privileges() -> list[str]:
    """Return the command that takes from a process of root the power to ignore permissions."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root ignores permissions, and there is no setpriv (util-linux) to give that up")
    return ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]


def _twin(node: NodeProcess, ports: PortLease) -> NodeProcess:
    """The same node on the same directory, with ports of its own and another log."""
    base_port = ports.base(node.number)
    members = f"{node.number}={LOOPBACK}:{base_port + 100 + node.number}"
    twin = NodeProcess(node.number, node.directory, base_port, members, node.flags)
    twin.log = node.log.with_suffix(".twin.log")
    return twin


def _swap(one: Path, two: Path) -> None:
    aside = one.with_suffix(".aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
