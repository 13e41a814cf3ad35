"""Watches on real nodes: any of them serves them, and another goes on where the last one stopped (P29)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paxoskv.kv import commands, requests
from paxoskv.net import protocol
from tests.cluster.kit import Cluster
from tests.cluster.wire import PlainClient, plain_client
from tests.support import PortLease, eventually


async def told(client: PlainClient, watch: int, last: int) -> tuple[list[tuple[int, bytes]], int]:
    """Return (revision, key) of what a watch is told, up to the revision `last` at least, and how far that is."""
    changes: list[tuple[int, bytes]] = []
    while True:
        kind, until, events, *_ = await client.answer(watch)
        assert kind == protocol.EVENTS, (kind, until, events)
        changes += [(revision, key) for revision, group in events for key, _, _ in group]
        if until >= last:
            return changes, until


async def begin(client: PlainClient, from_revision: int) -> int:
    """Watch everything from a revision on; return the watch."""
    watch = client.ask(protocol.WATCH, b"", b"", from_revision, 0)
    assert (await client.answer(watch))[0] == protocol.OK
    return watch


async def test_a_watch_is_resumed_at_another_node_without_loss_or_copy(tmp_path: Path, ports: PortLease) -> None:
    """The node that served it is killed, and so is a leader that somebody wrote through."""
    async with Cluster(tmp_path, ports) as cluster:
        leader = await cluster.leader()
        first, second = await cluster.followers()
        async with cluster.connect() as kv:
            async with plain_client(first.client_port) as client:
                watch = await begin(client, 1)
                for number in range(20):
                    await kv.put(f"k{number}", "v")
                changes, last = await told(client, watch, 20)
            cluster.kill(first.number)
            for number in range(20, 40):
                await kv.put(f"k{number}", "v")
            cluster.start(first.number)
            async with plain_client(second.client_port) as client:
                watch = await begin(client, last + 1)
                more, last = await told(client, watch, 40)
                changes += more
                cluster.kill(leader.number)
                for number in range(40, 60):
                    await kv.put(f"k{number}", "v")
                more, last = await told(client, watch, 60)
                changes += more
        assert changes == [(number + 1, b"k%d" % number) for number in range(60)]


async def test_a_lease_outlives_a_leader_and_its_end_is_told_everywhere(tmp_path: Path, ports: PortLease) -> None:
    """P18: failover extends it, and then it expires all the same, by the log."""
    async with Cluster(tmp_path, ports) as cluster:
        leader = await cluster.leader()
        follower = (await cluster.followers())[0]
        async with plain_client(follower.client_port) as client:

            async def ask(kind: int, *fields: Any) -> Any:
                status, *answer = await client.request(kind, *fields)
                return answer if status == protocol.OK else None

            session = (await ask(protocol.WRITE, commands.open_session()))[1][3]
            lease = (await ask(protocol.WRITE, requests.grant(session, 1, 0, 1_500)))[1][3]
            assert await ask(protocol.WRITE, commands.put(session, 2, 1, b"k", b"v", lease)) is not None
            cluster.kill(leader.number)
            found = await eventually(lambda: ask(protocol.GET, protocol.LINEARIZABLE, b"k"), 30, "a leader")
            assert found[3] is not None, "it lives on"
            watch = client.ask(protocol.WATCH, b"k", b"k\0", 2, 0)
            assert (await client.answer(watch))[0] == protocol.OK
            assert await told(client, watch, 2) == ([(2, b"k")], 2)
            assert (await ask(protocol.LEASE, protocol.LINEARIZABLE, lease))[3] is None
