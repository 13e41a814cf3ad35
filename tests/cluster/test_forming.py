"""A cluster comes together, and any of its nodes serves any request."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from paxoskv.kv import commands
from paxoskv.net import protocol
from tests.cluster.kit import Cluster, Status
from tests.cluster.wire import PlainClient, plain_client
from tests.support import PortLease, eventually

NUMBERS = ("commit_slot", "applied_slot", "checkpoint_slot", "compacted_slot", "revision", "keys", "sessions")
W, G, R, S = protocol.WRITE, protocol.GET, protocol.RANGE, protocol.STATUS
LIN, STALE = protocol.LINEARIZABLE, protocol.STALE


@pytest.mark.parametrize("count", [1, 3, 5])
async def test_a_cluster_forms_and_tells_about_itself(tmp_path: Path, ports: PortLease, count: int) -> None:
    """With the default timing."""
    async with Cluster(tmp_path, ports, count, patience=()) as cluster:
        async with cluster.connect() as kv:
            for number in range(10):
                await kv.put(f"k{number}", "v")

        async def settled() -> list[Status] | None:
            """Return what the nodes say once they all know each other, one leader, and the same log."""
            told = [await node.status() for node in cluster]
            shared = {(row["leader"], *row["ballot"], row["applied_slot"], row["digest"]) for row in told}
            acquainted = all(len(row["peers"]) == count - 1 for row in told)
            return told if len(shared) == 1 and acquainted and told[0]["leader"] else None

        rows = await eventually(settled, 60, "a cluster that has settled")
    assert [row["node"] for row in rows] == list(cluster.nodes)
    assert [row["endpoint"] for row in rows] == [node.endpoint for node in cluster]
    assert len({row["cluster"] for row in rows}) == 1
    assert sorted(row["role"] for row in rows) == ["follower"] * (count - 1) + ["leader"]
    assert {(row["revision"], row["keys"], row["healthy"], row["error"]) for row in rows} == {(10, 10, True, None)}
    for row in rows:
        assert all(type(row[name]) is int and row[name] >= 0 for name in NUMBERS), row
        assert row["ballot"][1] == row["leader"]
        assert sorted(row["peers"]) == [node for node in cluster.nodes if node != row["node"]]


@pytest.mark.parametrize("count", [3, 5])
async def test_any_node_serves_any_request(tmp_path: Path, ports: PortLease, count: int) -> None:
    """Followers pass writes on to the leader, and answer linearizable reads themselves."""
    async with Cluster(tmp_path, ports, count) as cluster:
        leader = await cluster.leader()
        for node in cluster:
            key = b"by/%d" % node.number
            async with plain_client(node.client_port) as client:
                session = (await _done(client, W, commands.open_session()))[1][3]
                for seq, value in enumerate((b"first", b"second"), 1):
                    await _done(client, W, commands.put(session, seq, seq - 1, key, value))
                *_, record = await _done(client, G, LIN, key)
                assert (record[0], record[3]) == (b"second", 2)
                ballot, reply = await _done(client, W, commands.cas(session, 3, 2, key, b"third", 0, b"first"))
                assert (reply[0], reply[3][0], ballot[1]) == (1, b"second", leader.number)
                await _done(client, W, commands.delete(session, 4, 3, key))
                await _done(client, W, commands.put(session, 5, 4, key, b"last"))
                await _done(client, W, commands.close_session(session, 6, 5))
        for node in cluster:
            async with plain_client(node.client_port) as client:
                *_, pairs, _, resume = await _done(client, R, LIN, b"by/", b"by0", 0, 0)
                assert [(key, record[0]) for key, record in pairs] == [
                    (b"by/%d" % number, b"last") for number in cluster.nodes
                ]
                assert resume is None
                assert (await _done(client, S))[0]["node"] == node.number
        await cluster.agreement()


async def test_a_write_that_is_sent_again_anywhere_gets_its_first_reply(tmp_path: Path, ports: PortLease) -> None:
    """P25: one session and number, whichever node it goes through, at the same time or one after the other."""
    async with Cluster(tmp_path, ports) as cluster:
        clients = {node.number: await PlainClient.dial(node.client_port) for node in cluster}
        for client in clients.values():
            await client.hello()
        session = (await _done(clients[1], W, commands.open_session()))[1][3]
        for seq in range(1, 31):
            put = commands.put(session, seq, seq - 1, b"k", b"%d" % seq)
            answers = await asyncio.gather(*(_done(client, W, put) for client in clients.values()))
            assert len({answer[1] for answer in answers}) == 1, answers
        for client in clients.values():
            *_, record = await _done(client, G, LIN, b"k")
            assert (record[0], record[3]) == (b"30", 30)
            await client.close()


async def test_a_read_after_a_write_sees_it_on_every_node(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster, cluster.connect() as kv:
        clients = [await PlainClient.dial(node.client_port) for node in cluster]
        for client in clients:
            await client.hello()
        for number in range(100):
            await kv.put("k", str(number))
            reads = await asyncio.gather(*(_done(client, G, LIN, b"k") for client in clients))
            assert [record[0] for *_, record in reads] == [b"%d" % number] * 3
        for client in clients:
            await client.close()


async def test_a_stale_read_needs_no_leader(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        async with cluster.connect() as kv:
            await kv.put("k", "v")
        await cluster.agreement()
        last, *others = cluster
        cluster.kill(*(node.number for node in others))
        async with plain_client(last.client_port) as client:
            *_, record, age_ms = await _done(client, G, STALE, b"k")
            assert record[0] == b"v"
            assert 0 <= age_ms < 60_000


async def test_clients_of_a_follower_are_told_who_leads_now(tmp_path: Path, ports: PortLease) -> None:
    async with Cluster(tmp_path, ports) as cluster:
        follower = (await cluster.followers())[0]

        async def welcomed() -> tuple[PlainClient, int] | None:
            """Return a client, and who leads according to its welcome, once somebody does."""
            client = await PlainClient.dial(follower.client_port)
            _, _, _, node, leader, endpoint = await client.hello()
            assert node == follower.number
            if leader in (0, node):
                await client.close()
                return None
            assert endpoint == cluster[leader].endpoint
            return client, leader

        client, leader = await eventually(welcomed, 60, "a welcome that names a leader")
        cluster[leader].kill()
        successor = leader
        while successor in (0, leader):
            news = await client.receive()
            assert news is not None
            zero, kind, successor, endpoint = news
            assert (zero, kind) == (0, protocol.LEADER)
        assert endpoint == cluster[successor].endpoint
        await client.close()


async def _done(client: PlainClient, kind: int, *fields: Any) -> tuple[Any, ...]:
    """Request until it is done; return what follows the status. Sent again, a write is the same write."""
    while True:
        status, *rest = await client.request(kind, *fields)
        if status == protocol.OK:
            return tuple(rest)
        assert status in (protocol.UNAVAILABLE, protocol.OUTCOME_UNKNOWN), rest
        await asyncio.sleep(rest[1] / 1000)
