"""One command, one client: connect, ask, leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from paxoskv.cli.options import ClientOptions
from paxoskv.client import Client, connect

Result = TypeVar("Result")


def perform(client: ClientOptions, work: Callable[[Client], Awaitable[Result]]) -> Result:
    """Run `work` with a connected client in an event loop of its own. Raises: PaxoskvError."""
    return asyncio.run(connected(client, work))


async def connected(client: ClientOptions, work: Callable[[Client], Awaitable[Result]]) -> Result:
    """Run `work` with a connected client in the running loop. Raises: PaxoskvError."""
    async with connect(client.endpoints, timeout_s=client.timeout_s) as kv:
        return await work(kv)
