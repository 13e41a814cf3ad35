"""A whole node in the test's own loop: how it begins, how it ends, and with which reason when it must (P37, P38)."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest

import paxoskv
from paxoskv.errors import OutcomeUnknown, Unavailable
from paxoskv.kv import commands, requests
from paxoskv.kv.machine import Machine
from paxoskv.net import protocol
from paxoskv.node import server
from paxoskv.node.config import NodeConfig
from paxoskv.node.exits import BUG, OK, QUARANTINED, USAGE, NodeFailure
from paxoskv.node.process import run
from paxoskv.node.server import serve
from paxoskv.storage.journal import Journal
from tests.cluster.wire import plain_client, wire
from tests.support import LOOPBACK, PortLease, eventually


def config_in(directory: Path, ports: PortLease, members: int = 1) -> NodeConfig:
    """Return the configuration of node 1; further members exist on the list only."""
    client, *peers = ports.take(1 + members)
    cluster = {number: f"{LOOPBACK}:{port}" for number, port in enumerate(peers, 1)}
    return NodeConfig(
        node=1,
        directory=directory / "data",
        cluster=cluster,
        listen_client=f"{LOOPBACK}:{client}",
        bootstrap=True,
    )


def port_of(config: NodeConfig) -> int:
    """The client port."""
    return int(config.listen_client.rpartition(":")[2])


class Running:
    """A node that runs as a task. stop: set to end it."""

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(serve(config, self.stop))

    async def answers(self) -> bool:
        """Whether it answers clients."""
        assert not self.task.done(), self.task
        try:
            return bool((await paxoskv.node_status(self.config.listen_client))["role"] == "leader")
        except Unavailable:
            return False

    async def end(self) -> None:
        """Stop it as SIGTERM would. Raises: NodeFailure."""
        self.stop.set()
        async with asyncio.timeout(20):
            await self.task


@asynccontextmanager
async def running(config: NodeConfig) -> AsyncIterator[Running]:
    """A node of a cluster of one that leads itself, stopped at the end."""
    node = Running(config)
    await eventually(node.answers, 20, "a node that leads itself")
    yield node
    if not node.task.done():
        await node.end()


async def failure_of(config: NodeConfig) -> NodeFailure:
    """Start a node that must end by itself; return its reason."""
    with pytest.raises(NodeFailure) as caught:
        async with asyncio.timeout(20):
            await serve(config, asyncio.Event())
    return caught.value


async def test_a_node_alone_is_a_cluster_and_keeps_its_data(tmp_path: Path, ports: PortLease) -> None:
    config = config_in(tmp_path, ports)
    async with running(config), paxoskv.connect(config.listen_client) as kv:
        await kv.put("k", "v")
    async with running(config), paxoskv.connect(config.listen_client) as kv:
        assert (await kv.get("k")).value == b"v"


async def test_the_status_counts_leases_and_watches(tmp_path: Path, ports: PortLease) -> None:
    config = config_in(tmp_path, ports)
    async with running(config), plain_client(port_of(config)) as client:
        session = (await client.request(protocol.WRITE, commands.open_session()))[2][3]
        await client.request(protocol.WRITE, requests.grant(session, 1, 0, 60_000))
        await client.request(protocol.WRITE, commands.put(session, 2, 1, b"k", b"v"))
        await client.request(protocol.WRITE, requests.compact(session, 3, 2, 1))
        assert (await client.request(protocol.WATCH, b"", b"", 0, 0))[0] == protocol.OK
        _, status = await client.request(protocol.STATUS)
        counted = [status[field] for field in ("leases", "watches", "watches_behind", "compacted_revision")]
        assert counted == [1, 1, 0, 1]


async def test_after_its_end_nothing_of_it_is_left(tmp_path: Path, ports: PortLease) -> None:
    config = config_in(tmp_path, ports)
    before = asyncio.all_tasks()
    async with running(config):
        assert asyncio.all_tasks() != before
    assert asyncio.all_tasks() == before
    for address in (config.listen_client, config.listen_peer):
        with socket.create_server((LOOPBACK, int(address.rpartition(":")[2]))):
            pass
    with closing(sqlite3.connect(config.directory / "journal.db")) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)


async def test_a_write_in_flight_at_the_end_is_finished(tmp_path: Path, ports: PortLease) -> None:
    """P37: what can be finished is: nobody is left in doubt by an orderly end."""
    config = config_in(tmp_path, ports)
    async with running(config) as node, plain_client(port_of(config)) as client:
        session = (await client.request(protocol.WRITE, commands.open_session()))[2][3]
        numbers = [
            client.ask(protocol.WRITE, commands.put(session, seq, 0, b"k%d" % seq, b"v")) for seq in range(1, 51)
        ]
        first = await client.answer(numbers[0])
        ending = asyncio.create_task(node.end())
        said = {items[0]: items[1] for items in await client.until_closed() if items[0]}
        await ending
    assert first[0] == protocol.OK
    assert {number: said[number] for number in numbers[1:]} == dict.fromkeys(numbers[1:], protocol.OK)


async def test_a_node_that_ends_takes_no_more_clients(tmp_path: Path, ports: PortLease) -> None:
    config = config_in(tmp_path, ports)
    async with running(config) as node:
        async with wire(port_of(config)) as silent:
            await node.end()
            assert await silent.until_closed() == []
        with pytest.raises(ConnectionRefusedError):
            async with wire(port_of(config)):
                pass


async def test_a_node_without_a_quorum_ends_too(
    tmp_path: Path, ports: PortLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "DRAIN_TIMEOUT_S", 0.1)
    node = Running(config_in(tmp_path, ports, members=3))
    async with paxoskv.connect(node.config.listen_client, timeout_s=20) as kv:
        putting = asyncio.create_task(kv.put("k", "v"))
        await node.end()
        putting.cancel()
        with pytest.raises((asyncio.CancelledError, Unavailable, OutcomeUnknown)):
            await putting


async def test_a_dead_task_ends_the_node_with_its_reason(
    tmp_path: Path, ports: PortLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P38: better no node than half a node."""
    config = config_in(tmp_path, ports)
    async with running(config) as node:
        monkeypatch.setattr("paxoskv.node.proposals.Proposals.on_timer", lambda self: 1 // 0)
        with pytest.raises(NodeFailure) as caught:
            async with asyncio.timeout(20):
                await node.task
    assert (caught.value.code, "ZeroDivisionError" in str(caught.value)) == (BUG, True)
    monkeypatch.undo()
    async with running(config):
        pass


@pytest.mark.parametrize("whose", ["clients", "peers"])
async def test_a_port_that_is_taken_between_the_check_and_the_start_is_named(
    tmp_path: Path, ports: PortLease, whose: str
) -> None:
    """The ports are bound first and opened after the replay: two starting nodes may both get that far."""
    config = config_in(tmp_path, ports)
    address = config.listen_client if whose == "clients" else config.listen_peer
    with socket.socket() as rival:
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        rival.bind((LOOPBACK, int(address.rpartition(":")[2])))
        starting = asyncio.create_task(failure_of(config))
        await asyncio.sleep(0)  # it has bound both ports and waits for its journal
        rival.listen()
        failure = await starting
    assert failure.code == USAGE
    assert f"cannot listen on {address} for {whose}: Address already in use" in str(failure)


async def test_a_directory_without_a_journal_is_not_begun_by_accident(tmp_path: Path, ports: PortLease) -> None:
    failure = await failure_of(replace(config_in(tmp_path, ports), bootstrap=False))
    assert failure.code == QUARANTINED
    assert "start it once with --bootstrap" in str(failure)


def test_a_process_that_cannot_start_says_why_and_returns_its_code(
    tmp_path: Path, ports: PortLease, capfd: pytest.CaptureFixture[str]
) -> None:
    config = config_in(tmp_path, ports)
    with socket.create_server((LOOPBACK, port_of(config))):
        assert run(config) == USAGE
    assert "Choose another port" in capfd.readouterr().err
    assert "Traceback" not in capfd.readouterr().err


def test_a_process_ends_at_sigterm(tmp_path: Path, ports: PortLease, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes as soon as the handler is there."""
    real = server.replay

    async def replay_and_stop(journal: Journal, machine: Machine) -> None:
        await real(journal, machine)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(server, "replay", replay_and_stop)
    assert run(config_in(tmp_path, ports)) == OK
