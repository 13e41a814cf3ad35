"""Which node to talk to: the leader if it can be reached, else any node, since every node takes every request."""

from __future__ import annotations

import asyncio
from random import Random

from paxoskv.client.backoff import backoff_s
from paxoskv.client.channel import Channel
from paxoskv.client.connection import Connection, dial
from paxoskv.client.endpoints import Endpoint
from paxoskv.errors import PaxoskvError, ProtocolMismatch, Unavailable

_LEADER_PAUSE_S = 1.0
_LEADER_PAUSE_S_MAX = 30.0


class Navigator:
    """Keeps the channel connected while it is busy, and moves it to the leader.

    dial_timeout_s: for one attempt to connect, greetings included.
    The first welcome fixes the cluster: a node of another one is refused, since its sessions mean nothing here (P34).
    """

    def __init__(
        self, channel: Channel, endpoints: tuple[Endpoint, ...], dial_timeout_s: float, random: Random
    ) -> None:
        self._channel = channel
        self._endpoints = endpoints
        self._dial_timeout_s = dial_timeout_s
        self._random = random
        self._cluster: str | None = None
        self._last: Connection | None = None
        self._problems: dict[Endpoint, PaxoskvError] = {}
        self._connections: dict[Connection, None] = {}

    async def enter(self, timeout_s: float) -> None:
        """Make the first connection, to the leader if it is known.

        Raises: ProtocolMismatch if that is what all endpoints have to offer, Unavailable after `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                failures = 0
                while not await self._connect_to_any():
                    self._check_worth_trying()
                    failures += 1
                    await asyncio.sleep(backoff_s(failures, self._random))
        except TimeoutError:
            raise Unavailable(f"no node answered within {timeout_s:g} s ({self._channel.trouble})") from None
        await self._go_to_leader()

    async def run(self) -> None:
        """Serve the channel's calls for attention until cancelled."""
        attention = self._channel.attention
        pause_s = _LEADER_PAUSE_S
        while True:
            if self._channel.connection is None:
                await self._reconnect()
            reached = await self._go_to_leader()
            try:
                async with asyncio.timeout(None if reached else pause_s):
                    await attention.wait()
            except TimeoutError:
                pause_s = min(2 * pause_s, _LEADER_PAUSE_S_MAX)
            else:
                attention.clear()
                pause_s = _LEADER_PAUSE_S

    async def wait_closed(self) -> None:
        """Wait until no connection made here is left in the event loop. All of them must have been given up."""
        for connection in list(self._connections):
            await connection.wait_gone()

    async def _reconnect(self) -> None:
        """Connect to some node, as long as anybody waits for it. No pause before the first try after good service."""
        last = self._last
        failures = 0 if last is None or last.proven else 1
        if last is not None:
            self._note(last.endpoint, Unavailable(f"{last.endpoint}: {last.closed_because}"))
        while self._channel.is_busy and self._channel.connection is None:
            if failures:
                await asyncio.sleep(backoff_s(failures, self._random))
            failures += 1
            await self._connect_to_any()

    async def _connect_to_any(self) -> bool:
        """Try every candidate once; return whether one took us."""
        candidates = self._candidates()
        for endpoint in candidates:
            if await self._connect(endpoint):
                return True
            problems = [self._problems[one] for one in candidates if one in self._problems]
            self._channel.trouble = "; ".join(str(problem) for problem in problems)
        return False

    async def _go_to_leader(self) -> bool:
        """Move to the leader, if the present node names another. Return whether nothing is left to be wished."""
        endpoint = self._leader_elsewhere()
        if endpoint is None:
            return True
        return await self._connect(endpoint) and self._leader_elsewhere() is None

    def _leader_elsewhere(self) -> Endpoint | None:
        """Return where the leader is, as the present node says, None if this is it or nothing is known."""
        connection = self._channel.connection
        if connection is None or connection.leader == connection.node:
            return None
        return connection.leader_endpoint

    async def _connect(self, endpoint: Endpoint) -> bool:
        """Dial one node and hand it to the channel; note what was wrong if that fails."""
        try:
            connection = await dial(endpoint, self._channel, self._dial_timeout_s)
            self._check(connection)
        except PaxoskvError as problem:
            self._note(endpoint, problem)
            return False
        self._problems.pop(endpoint, None)
        self._connections = dict.fromkeys([*(old for old in self._connections if not old.is_gone), connection])
        self._last = connection
        self._channel.adopt(connection)
        return True

    def _check(self, connection: Connection) -> None:
        """Raises: Unavailable if the connection is lost already, ProtocolMismatch if the cluster is another one."""
        if not connection.is_open:
            raise Unavailable(f"{connection.endpoint}: {connection.closed_because}")
        if self._cluster is None:
            self._cluster = connection.cluster
        elif self._cluster != connection.cluster:
            connection.abort("another cluster")
            raise ProtocolMismatch(
                f"{connection.endpoint} belongs to cluster {connection.cluster:.40}, not {self._cluster:.40}: "
                "name the nodes of one cluster only"
            )

    def _check_worth_trying(self) -> None:
        """Raises: the first ProtocolMismatch if no endpoint had anything better to offer."""
        problems = [self._problems[endpoint] for endpoint in self._endpoints]
        if all(isinstance(problem, ProtocolMismatch) for problem in problems):
            raise problems[0]

    def _candidates(self) -> list[Endpoint]:
        """Return where to try, in order: the leader last heard of, the listed nodes after the one just left.

        Nodes that failed or were left come after the others, the one for which that is longest ago first. So a few
        nodes that take every connection and can do nothing else do not hold us among them for ever.
        """
        last = self._last
        known = list(self._endpoints)
        if last is None:
            return known
        if last.endpoint in known:
            at = known.index(last.endpoint) + 1
            known = known[at:] + known[:at]
        if last.leader_endpoint is not None and last.leader_endpoint != last.endpoint:
            known.insert(0, last.leader_endpoint)
        rank = {endpoint: place for place, endpoint in enumerate(self._problems, start=1)}
        return sorted(dict.fromkeys(known), key=lambda one: rank.get(one, 0))

    def _note(self, endpoint: Endpoint, problem: PaxoskvError) -> None:
        """Remember what was wrong with a node; the latest problem stands last."""
        self._problems.pop(endpoint, None)
        self._problems[endpoint] = problem
