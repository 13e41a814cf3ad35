"""SIGTERM: what is in flight is finished or failed in so many words, and the process ends with code 0 (P37, R7)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from paxoskv.kv import commands
from paxoskv.net import protocol
from tests.cluster.kit import Cluster
from tests.cluster.wire import PlainClient, plain_client
from tests.cluster.workload import Workload, check
from tests.support import PortLease

WARM = 200
IN_FLIGHT = 200
TOLD = {protocol.OK, protocol.UNAVAILABLE, protocol.OUTCOME_UNKNOWN, protocol.SHUTTING_DOWN}


async def test_the_leader_is_stopped_under_load(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
            leader = await cluster.leader()
            assert await leader.stop() == 0
            await load.progress(WARM)
            leader.start()
            await leader.serves()
            await load.progress(WARM)
        await check(cluster, load.account)


async def test_a_rolling_restart_under_load(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            for node in cluster:
                await load.progress(WARM)
                assert await node.stop() == 0
                node.start()
                await node.serves()
        await check(cluster, load.account)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_is_in_flight_gets_an_answer_or_a_goodbye(
    tmp_path: Path, ports: PortLease, number: signal.Signals
) -> None:
    """A client whose connection ends after a goodbye knows that the rest is unknown; nothing ends in silence."""
    async with Cluster(tmp_path, ports) as cluster:
        leader = await cluster.leader()
        async with plain_client(leader.client_port) as client:
            session = (await client.request(protocol.WRITE, commands.open_session()))[2][3]
            keys = {
                client.ask(protocol.WRITE, commands.put(session, seq, 0, b"k%d" % seq, b"v" * 500)): b"k%d" % seq
                for seq in range(1, IN_FLIGHT + 1)
            }
            await client.receive()  # the node is at work
            leader.send(number)
            statuses = await _statuses(client)
        assert await leader.ended() == 0
        assert set(statuses.values()) <= TOLD
        leader.start()
        await cluster.all_serve()
        async with cluster.connect() as kv:
            found = {entry.key: entry async for entry in kv.scan("k")}
        assert {entry.version for entry in found.values()} <= {1}
        for request, status in statuses.items():
            assert status != protocol.OK or keys[request] in found, f"{keys[request]!r} was acknowledged and is lost"
            surely_not = status in (protocol.UNAVAILABLE, protocol.SHUTTING_DOWN)
            assert not (surely_not and keys[request] in found), f"{keys[request]!r} was not to happen, and did"


async def test_a_node_without_a_quorum_ends_as_well(tmp_path: Path, ports: PortLease) -> None:
    """It cannot finish what is in flight: it says that the outcome is unknown, and goes."""
    async with Cluster(tmp_path, ports) as cluster:
        leader = await cluster.leader()
        followers = await cluster.followers()
        async with plain_client(leader.client_port) as client:
            session = (await client.request(protocol.WRITE, commands.open_session()))[2][3]
            for node in followers:
                node.pause()
            number = client.ask(protocol.WRITE, commands.put(session, 1, 0, b"k", b"v"))
            leader.send(signal.SIGTERM)
            statuses = await _statuses(client)
            assert statuses.get(number, protocol.OUTCOME_UNKNOWN) != protocol.OK
        assert await leader.ended() == 0


async def test_all_nodes_stop_at_once_and_find_everything_again(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        async with Workload(cluster) as load:
            await load.progress(WARM)
            for node in cluster:
                node.send(signal.SIGTERM)
                node.send(signal.SIGTERM)  # impatience changes nothing
            assert [await node.ended() for node in cluster] == [0, 0, 0]
            cluster.start()
            await cluster.all_serve()
            await load.progress(WARM)
        await check(cluster, load.account)


async def test_a_node_that_is_stopped_while_it_starts_ends_well(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        node = cluster[1]
        for _ in range(3):
            assert await node.stop() == 0
            node.start()
            await node.speaks("replayed")
        assert await node.stop() == 0
        node.start()
        await cluster.agreement()


async def _statuses(client: PlainClient) -> dict[int, int]:
    """Read until the connection ends, which a goodbye has to precede; return the status of every answered request."""
    said = await client.until_closed()
    answers = {items[0]: items[1] for items in said if items[0]}
    assert any(items[:2] == (0, protocol.GOODBYE) for items in said), f"no goodbye among {said[-3:]}"
    return answers
