"""The process of all proxies of one cluster. Orders come as lines of JSON on stdin, each answered by one on stdout.

The first line is the plan; then `{"set": {"1>2": {"cut": true}, ...}}` changes what it names, `{"heal": true}` mends
everything, `{"guard": PID}` names a process that must not outlive the owner of the cluster, `{"sweep": [DIRECTORY]}`
directories that must not. Every answer is `{"counts": {"1>2": {"frames": 12, ...}, ...}}`. When the input ends the
owner is gone: every guarded process that still runs is killed, the directories are removed, and this process ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from random import Random
from typing import Any

from paxoskv.testbed.links.disturbance import CLIENTS, HEALTHY, Direction, Disturbance
from paxoskv.testbed.links.link import Link

LINE_BYTES_MAX = 1 << 20


class Proxies:
    """All links of a cluster. plan: [[dialler, target, port, target_port], ...], the ends named like `1` or `c`."""

    def __init__(self, plan: Iterable[tuple[str, str, int, int]], seed: int) -> None:
        self._directions: dict[str, Direction] = {}
        self._guarded: list[int] = []
        self._swept: list[str] = []
        self._seed = seed
        self._links = [
            Link(port, target_port, self._direction(dialler, target), self._direction(target, dialler))
            for dialler, target, port, target_port in plan
        ]

    async def start(self) -> None:
        """Listen on every link."""
        for link in self._links:
            await link.apply()

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order and return the answer."""
        if order.get("heal"):
            await self._set(dict.fromkeys(self._directions, HEALTHY))
        await self._set({name: Disturbance(**wish) for name, wish in order.get("set", {}).items()})
        if "guard" in order:
            self._guard(order["guard"])
        self._swept += order.get("sweep", [])
        return {"counts": {name: direction.counts for name, direction in self._directions.items()}}

    def clean_up(self) -> None:
        """Kill and remove what the owner has left behind."""
        self._kill_guarded()
        for directory in self._swept:
            shutil.rmtree(directory, ignore_errors=True)  # the owner may be at it as well

    def _kill_guarded(self) -> None:
        """Kill what the owner has left behind. A handle names a process even after its number is reused."""
        for handle in self._guarded:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)

    async def _set(self, wishes: dict[str, Disturbance]) -> None:
        for name, wish in wishes.items():
            self._directions[name].disturbance = wish
        for link in self._links:
            if link.forward.name in wishes or link.backward.name in wishes:
                await link.apply()

    def _guard(self, pid: int) -> None:
        """Take a handle of a process, and drop those of processes that have ended."""
        if not hasattr(os, "pidfd_open"):  # elsewhere than on Linux nobody is guarded
            return
        ended = {handle for handle in self._guarded if select.select([handle], [], [], 0)[0]}
        for handle in ended:
            os.close(handle)
        self._guarded = [handle for handle in self._guarded if handle not in ended]
        with suppress(ProcessLookupError):
            self._guarded.append(os.pidfd_open(pid))

    def _direction(self, whence: str, whither: str) -> Direction:
        name = f"{whence}>{whither}"
        if name not in self._directions:
            self._directions[name] = Direction(name, Random(f"{self._seed} {name}"), CLIENTS in (whence, whither))
        return self._directions[name]


async def _main() -> None:
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    plan = json.loads(await reader.readline())
    proxies = Proxies(plan["links"], plan["seed"])
    try:
        await proxies.start()
        _say({"counts": {}})
        while line := await reader.readline():
            _say(await proxies.obey(json.loads(line)))
    finally:
        proxies.clean_up()


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, who ends us when it is done
    try:
        import uvloop
    except ImportError:
        asyncio.run(_main())
    else:
        uvloop.run(_main())
