"""One node inside this process, on a loop of its own: real port, real journal, no other process."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paxoskv.client import node_status
from paxoskv.errors import PaxoskvError
from paxoskv.node.config import NodeConfig, load
from paxoskv.node.server import serve
from paxoskv.testbed.ports import LOOPBACK, Ports

PATIENCE_S = 60.0
STATUS_TIMEOUT_S = 1.0

SETTINGS = {"heartbeat_s": 0.005, "ballast_bytes": 0, "connections_max": 100}
"""Unless a test says otherwise. The heartbeat is short so that the node leads at once; without peers it costs nothing.
"""

_POLL_S = 0.002


class NodeEngine:
    """The node, on the loop on which `open` was called.

    It is what runs in production: every write is synced, to a temporary directory. settings: by their names in a
    configuration file.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = settings
        self._ports = Ports()
        self._directory: Path
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None]
        self.endpoint = ""

    async def open(self) -> None:
        """Start the node and wait until it leads. Raises: NodeFailure, ConfigError, TimeoutError."""
        self._directory = Path(tempfile.mkdtemp(prefix="paxoskv-"))
        try:
            config = self._config()
            self.endpoint = config.listen_client
            self._serving = asyncio.create_task(serve(config, self._stop), name="node")
            try:
                await self._wait_until_it_leads()
            except BaseException:
                await self._end()
                raise
        except BaseException:
            self._clean_up()
            raise

    async def close(self) -> None:
        """Stop the node in order. Raises: NodeFailure if it had failed meanwhile."""
        try:
            await self._end()
        finally:
            self._clean_up()

    async def status(self) -> dict[str, Any]:
        """Return what the node says about itself, as `paxoskv.node_status` does."""
        return await node_status(self.endpoint, timeout_s=STATUS_TIMEOUT_S)

    def _config(self) -> NodeConfig:
        client, peer = (f"{LOOPBACK}:{self._ports.take()}" for _ in range(2))
        values = {**SETTINGS, **self._settings, "cluster": f"1={peer}", "listen_client": client}
        file = self._directory / "node1.toml"
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        return load({"node": "1", "dir": str(self._directory / "node1"), "bootstrap": True}, {}, file)

    async def _wait_until_it_leads(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await self._leads():
                await asyncio.wait([self._serving], timeout=_POLL_S)

    async def _leads(self) -> bool:
        if self._serving.done():
            self._serving.result()
        try:
            return bool((await self.status())["role"] == "leader")
        except PaxoskvError:
            return False

    async def _end(self) -> None:
        self._stop.set()
        await self._serving

    def _clean_up(self) -> None:
        self._ports.release()
        shutil.rmtree(self._directory)
