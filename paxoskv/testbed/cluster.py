"""A throwaway cluster of real processes: its files, its ports, and the life and death of its nodes."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paxoskv.client import node_status
from paxoskv.errors import PaxoskvError
from paxoskv.node.config import NodeConfig, load
from paxoskv.storage.journal import Journal
from paxoskv.storage.lockfile import DirectoryLock
from paxoskv.testbed.links.disturbance import CLIENTS
from paxoskv.testbed.links.network import Addresses, Network
from paxoskv.testbed.ports import LOOPBACK, Ports
from paxoskv.testbed.process import NodeProcess
from paxoskv.testbed.shim.compiled import Shim
from paxoskv.testbed.shim.page import Page

STATUS_TIMEOUT_S = 0.5
STOP_TIMEOUT_S = 60.0
_POLL_S = 0.02

OnEnd = Callable[[int, int, str], None]
"""Called with (node, exit code, last words) when a node ends that nobody meant to end."""


class Member:
    """The files and addresses of one node.

    page: of its disk and clocks, None without the shim. durable: where the shim keeps what a power failure would leave.
    """

    def __init__(self, root: Path, number: int, addresses: Addresses, page: Page | None) -> None:
        self.number = number
        self.durable: Path | None = None
        self.directory = root / f"node{number}"
        self.config_file = root / f"node{number}.toml"
        self.log = root / f"node{number}.log"
        self.addresses = addresses
        self.page = page
        self.process: NodeProcess | None = None
        self.is_paused = False

    @property
    def runs(self) -> bool:
        """Whether it has a process, be it paused."""
        return self.process is not None and self.process.runs


class Cluster:
    """All nodes and the network between them. Made by `found`, ended by `close`.

    on_end: who is told of a node that ended by itself.
    """

    def __init__(self, members: Mapping[int, Member], network: Network, ports: Ports, shim: Shim) -> None:
        self.network = network
        self.on_end: OnEnd = lambda node, code, words: None
        self._members = dict(members)
        self._ports = ports
        self._shim = shim
        self._meant: set[NodeProcess] = set()
        self._watchers: set[asyncio.Task[None]] = set()

    @classmethod
    async def found(
        cls, root: Path, count: int, shim: Shim, seed: int, settings: Mapping[str, object] | None = None
    ) -> Cluster:
        """Make `count` nodes in `root`, with their journals, and the proxies between them. No node runs yet.

        settings: of every node, besides its addresses.
        """
        ports = Ports()
        addresses = {node: Addresses(ports.take(), ports.take()) for node in range(1, count + 1)}
        try:
            network = await Network.open(addresses, ports, seed)
        except BaseException:
            ports.release()
            raise
        pages = {node: Page(root / f"node{node}.page") if shim.trouble is None else None for node in addresses}
        members = {node: Member(root, node, addresses[node], pages[node]) for node in addresses}
        cluster = cls(members, network, ports, shim)
        try:
            for member in members.values():
                member.config_file.write_text(cluster._config_text(member, settings or {}))
            await asyncio.gather(*(_make_journal(cluster.config(node)) for node in members))
        except BaseException:
            await cluster.close()
            raise
        return cluster

    @property
    def nodes(self) -> list[int]:
        """All nodes."""
        return list(self._members)

    @property
    def minority(self) -> int:
        """How many nodes may be broken at the same time for good."""
        return (len(self._members) - 1) // 2

    @property
    def endpoints(self) -> list[str]:
        """Where clients connect: to the proxies."""
        return [f"{LOOPBACK}:{self.network.port(CLIENTS, node)}" for node in self._members]

    def member(self, node: int) -> Member:
        """Return a node's files, addresses and process."""
        return self._members[node]

    def config(self, node: int) -> NodeConfig:
        """Return the configuration of a node."""
        member = self._members[node]
        return load({"dir": str(member.directory)}, {}, member.config_file)

    # Processes

    async def start(self, node: int, *arguments: str, may_end: bool = False) -> NodeProcess:
        """Start a node that does not run; return at once. may_end: whether it is no surprise if it ends by itself."""
        member = self._members[node]
        assert not member.runs, f"node {node} runs already"
        if member.process is not None:
            member.process.dispose()
        environment = {}
        if member.page is not None:
            environment = self._shim.environment(member.page.path, member.directory, member.durable)
        command = ["--config", str(member.config_file), "--dir", str(member.directory), *arguments]
        member.process = process = await NodeProcess.start(command, environment, member.log)
        member.is_paused = False
        if may_end:
            self._meant.add(process)
        await self.network.guard(process.pid)
        watcher = asyncio.create_task(self._watch(member, process), name=f"watch over node {node}")
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return process

    async def kill(self, node: int) -> None:
        """Kill a node, if it runs, and wait until it is gone."""
        if (process := self.expect_end(node)) is not None:
            await process.kill()

    async def terminate(self, node: int, timeout_s: float = STOP_TIMEOUT_S) -> int | None:
        """Ask a node to stop and return its exit code; None if it did not run.

        Raises: TimeoutError, and the node still runs.
        """
        process = self.expect_end(node)
        if process is None:
            return None
        process.send(signal.SIGTERM)
        return await process.wait(timeout_s)

    def expect_end(self, node: int) -> NodeProcess | None:
        """Say that the process of a node may end now, and return it; None if it does not run."""
        process = self._members[node].process
        if process is None or not process.runs:
            return None
        self._meant.add(process)
        return process

    def expect_life(self, process: NodeProcess) -> None:
        """Say that a process whose end was allowed has proved itself: it may not end any more."""
        self._meant.discard(process)

    def pause(self, node: int) -> None:
        """Stop the process of a node, if it runs, in mid-step."""
        member = self._members[node]
        if member.process is not None:
            member.process.send(signal.SIGSTOP)
            member.is_paused = member.runs

    def resume(self, node: int) -> None:
        """Let a paused process go on."""
        member = self._members[node]
        if member.process is not None:
            member.process.send(signal.SIGCONT)
        member.is_paused = False

    async def heal(self) -> None:
        """Mend every link, every disk and clock, and let every paused node go on."""
        await self.network.heal()
        for member in self._members.values():
            if member.page is not None:
                member.page.heal()
            self.resume(member.number)

    async def close(self) -> None:
        """Kill every node and end the network; the files stay."""
        for node in self._members:
            await self.kill(node)
        for task in list(self._watchers):
            await task
        for member in self._members.values():
            if member.process is not None:
                member.process.dispose()
            if member.page is not None:
                member.page.close()
        await self.network.close()
        self._ports.release()

    # What nodes say of themselves

    async def status(self, node: int) -> dict[str, Any] | None:
        """Return what a node says about itself; None if it does not answer. No proxy is involved."""
        endpoint = f"{LOOPBACK}:{self._members[node].addresses.client}"
        try:
            return await node_status(endpoint, timeout_s=STATUS_TIMEOUT_S)
        except PaxoskvError:
            return None

    async def statuses(self) -> dict[int, dict[str, Any] | None]:
        """Return what every node says."""
        answers = await asyncio.gather(*(self.status(node) for node in self._members))
        return dict(zip(self._members, answers, strict=True))

    async def wait_until_it_answers(self, node: int, within_s: float) -> bool:
        """Return whether a node answered within the time; False at once when its process ends."""
        deadline_s = asyncio.get_running_loop().time() + within_s
        while await self.status(node) is None:
            if not self._members[node].runs or asyncio.get_running_loop().time() > deadline_s:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def wait_until_caught_up(self, node: int, within_s: float) -> bool:
        """Return whether a node has applied, within the time, all that others have applied now."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        told = await self.statuses()
        goal = max((answer["applied_slot"] for answer in told.values() if answer is not None), default=0)
        while True:
            answer = await self.status(node)
            if answer is not None and answer["healthy"] and answer["applied_slot"] >= goal:
                return True
            if not self._members[node].runs or loop.time() > deadline_s:
                return False
            await asyncio.sleep(_POLL_S)

    async def wait_for_leader(self, within_s: float) -> int | None:
        """Return the node that leads and that a majority follows; None if there is none within the time."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        while True:
            leader = _leader(await self.statuses())
            if leader is not None or loop.time() > deadline_s:
                return leader
            await asyncio.sleep(_POLL_S)

    # Inside

    def _config_text(self, member: Member, settings: Mapping[str, object]) -> str:
        number = member.number
        listed = {node: f"{LOOPBACK}:{other.addresses.peer}" for node, other in self._members.items()}
        routes = {node: f"{LOOPBACK}:{self.network.port(number, node)}" for node in self._members if node != number}
        values = {
            "node": number,
            "cluster": ",".join(f"{node}={address}" for node, address in listed.items()),
            "cluster_token": "testbed",
            "listen_client": f"{LOOPBACK}:{member.addresses.client}",
            "advertise_client": f"{LOOPBACK}:{self.network.port(CLIENTS, number)}",
            "routes": ",".join(f"{node}={address}" for node, address in routes.items()),
            **settings,
        }
        return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())

    async def _watch(self, member: Member, process: NodeProcess) -> None:
        code = await process.wait()
        if process in self._meant:
            self._meant.discard(process)
        else:
            self.on_end(member.number, code, process.last_words())


def _leader(told: Mapping[int, dict[str, Any] | None]) -> int | None:
    """Return who leads a majority, as far as the nodes say; the old one may not know yet that it does no more."""
    answers = [answer for answer in told.values() if answer is not None]
    leading = {answer["node"] for answer in answers if answer["role"] == "leader"}
    for node in leading:
        if 2 * sum(answer["leader"] == node for answer in answers) > len(told):
            return int(node)
    return None


async def _make_journal(config: NodeConfig) -> None:
    with DirectoryLock(config.directory):
        journal = await Journal.create(config.directory, config.cluster_id, config.node)
        await journal.close()
