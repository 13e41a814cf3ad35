"""The network between the nodes and their clients, as its owner commands it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paxoskv.testbed.links.disturbance import CLIENTS, Disturbance
from paxoskv.testbed.links.process import LINE_BYTES_MAX
from paxoskv.testbed.ports import Ports

_ANSWER_TIMEOUT_S = 120.0
"""Of a stuck process; on a machine that is much too busy a healthy one takes some seconds."""

Direction = tuple[int | str, int | str]
"""(whence, whither), of nodes or CLIENTS."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The ports of one node itself. Nobody but a proxy and the cluster's own probes dials them."""

    client: int
    peer: int


class Network:
    """All proxies. Made by `open`, ended by `close`; one order at a time."""

    def __init__(self, process: asyncio.subprocess.Process, ports: Mapping[Direction, int]) -> None:
        self._process = process
        self._ports = ports
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, nodes: Mapping[int, Addresses], ports: Ports, seed: int) -> Network:
        """Start the proxies of every directed link between `nodes`, and from the clients to each of them."""
        ends: list[tuple[Direction, int]] = [
            ((whence, whither), nodes[whither].peer) for whence in nodes for whither in nodes if whence != whither
        ]
        ends += [((CLIENTS, node), addresses.client) for node, addresses in nodes.items()]
        chosen = {direction: ports.take() for direction, _ in ends}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "paxoskv.testbed.links.process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            start_new_session=True,  # what kills our group must not kill those that clean up after us
        )
        network = cls(process, chosen)
        plan = [[str(end[0]), str(end[1]), chosen[end], target] for end, target in ends]
        try:
            await network._order({"links": plan, "seed": seed})
        except BaseException:
            await network.close()
            raise
        return network

    def port(self, whence: int | str, whither: int | str) -> int:
        """Return where `whence` has to dial in order to reach `whither`."""
        return self._ports[whence, whither]

    async def disturb(self, directions: Iterable[Direction], wish: Disturbance) -> None:
        """Treat each of `directions` as `wish` says, from now on."""
        await self._order({"set": {f"{whence}>{whither}": asdict(wish) for whence, whither in directions}})

    async def heal(self) -> None:
        """Mend every link."""
        await self._order({"heal": True})

    async def guard(self, pid: int) -> None:
        """Have a process killed should this one die without ending it."""
        await self._order({"guard": pid})

    async def sweep(self, directory: Path) -> None:
        """Have a directory removed when the proxies end, also should this process die without ending them."""
        await self._order({"sweep": [str(directory)]})

    async def counts(self) -> dict[str, dict[str, int]]:
        """Return what was done so far, by direction (`1>2`) and kind."""
        counts: dict[str, dict[str, int]] = (await self._order({}))["counts"]
        return counts

    async def close(self) -> None:
        """End the proxies. Guarded processes that still run are killed with them."""
        assert self._process.stdin is not None, "the proxies are started with a pipe"
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give an order and return the answer, which is awaited even if the caller is cancelled meanwhile.

        Raises: RuntimeError if the proxies are gone or stuck.
        """
        return await asyncio.shield(self._exchange(order))

    async def _exchange(self, order: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None, "the proxies are started with a pipe"
        assert stdout is not None, "the proxies are started with a pipe"
        async with self._turn:
            stdin.write(json.dumps(order).encode() + b"\n")
            try:
                async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                    line = await stdout.readline()
            except TimeoutError:
                raise RuntimeError(f"the proxies do not answer within {_ANSWER_TIMEOUT_S:g} s") from None
        if not line:
            raise RuntimeError(f"the proxies ended with exit code {await self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer
