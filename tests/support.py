"""What tests of every package share: awaiting a condition, ports of one's own, and finding forgotten processes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar, overload

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
PORT_MIN = 10_000
"""Below it live well-known services; the ports we choose end where the kernel's own choices begin."""
POLL_S = 0.005
LOOK_S_MAX = 1.0
"""What one look at a condition costs of the patience at most: a machine may stand still in between."""


@overload
async def eventually(condition: Callable[[], Awaitable[T | None]], within_s: float = 10.0, what: str = "") -> T: ...


@overload
async def eventually(condition: Callable[[], T | None], within_s: float = 10.0, what: str = "") -> T: ...


async def eventually(
    condition: Callable[[], T | Awaitable[T | None] | None], within_s: float = 10.0, what: str = ""
) -> T:
    """Return the first true value of `condition`, a function or coroutine function, asked every few milliseconds.

    what: how to call the condition in the failure's message.
    Raises: AssertionError after `within_s`, with the last value seen. An error of `condition` passes through.
    """
    left_s, looked_s = within_s, time.monotonic()
    while True:
        answer = condition()
        value: T | None = await answer if isinstance(answer, Awaitable) else answer
        if value:
            return value
        now_s = time.monotonic()
        left_s -= min(now_s - looked_s, LOOK_S_MAX)
        looked_s = now_s
        if left_s < 0:
            raise AssertionError(f"not within {within_s} s: {what or repr(condition)}; last value: {value!r}")
        await asyncio.sleep(POLL_S)


class PortLease:
    """Loopback ports that no other test has, in this process or another, until `release`.

    A port is a file lock plus a look whether it can be bound. It lies below the range from which the kernel takes
    ports for outgoing connections, so that it stays free between the look and the server's own bind.
    """

    def __init__(self) -> None:
        self._locks = ExitStack()
        self._directory = Path(tempfile.gettempdir()) / f"paxoskv-test-ports-{os.getuid()}"
        self._directory.mkdir(mode=0o700, exist_ok=True)

    def take(self, count: int) -> list[int]:
        """Return `count` different free ports."""
        return [self._block([0]) for _ in range(count)]

    def base(self, nodes: int) -> int:
        """Return a base port for a local cluster: base+i, base+100+i, +200+i and +300+i are free for each node i."""
        return self._block([hundred + node for hundred in (0, 100, 200, 300) for node in range(1, nodes + 1)])

    def release(self) -> None:
        """Give all ports back."""
        self._locks.close()

    def _block(self, offsets: list[int]) -> int:
        for _ in range(1_000):
            first = random.randrange(PORT_MIN, ephemeral_port_min() - max(offsets))
            if self._hold([first + offset for offset in offsets]):
                return first
        raise AssertionError(f"no free block of ports {offsets} between {PORT_MIN} and {ephemeral_port_min()}")

    def _hold(self, ports: list[int]) -> bool:
        """Lock every port of `ports`, or none."""
        with ExitStack() as held:
            for port in ports:
                file = held.enter_context((self._directory / str(port)).open("w"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                if not can_bind(port):
                    return False
            self._locks.push(held.pop_all())
        return True


def can_bind(port: int) -> bool:
    """Say whether a server could listen on `port` of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def ephemeral_port_min() -> int:
    """Return where the kernel's ports for outgoing connections begin."""
    setting = Path("/proc/sys/net/ipv4/ip_local_port_range")
    return max(int(setting.read_text().split()[0]), PORT_MIN + 2_000) if setting.exists() else 32_768


def processes_with(variable: str, value: str) -> dict[int, str]:
    """Return pid -> command line of all other living processes whose environment has `variable=value` (Linux)."""
    mark = f"{variable}={value}".encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # it ended while we looked, or is not ours to look at
            continue
        if mark in environment and command and int(entry.name) != os.getpid():  # a zombie has no command line
            found[int(entry.name)] = command
    return found
