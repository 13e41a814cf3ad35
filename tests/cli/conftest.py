"""Fixtures of the command line's tests: a command in a thread of its own, fake nodes in the test's loop."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from paxoskv.cli.app import run
from paxoskv.kv import commands
from tests.client.fake import FakeNode, fake_cluster


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; anything before or after it is an error."""
        return json.loads(self.out)


Call = Callable[..., Outcome]
PATIENCE_S = 110.0
"""Just below what `faulthandler_timeout` allows a test."""
Process = asyncio.subprocess.Process
Spawn = Callable[..., Awaitable[Process]]


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes, *, is_terminal: bool = False) -> None:
    """Let the command find `data` on its standard input, and perhaps take that for a terminal."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: is_terminal))


@pytest.fixture
def call(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run one command line in this process."""
    monkeypatch.delenv("PAXOSKV_ENDPOINTS", raising=False)

    def call_now(*arguments: str) -> Outcome:
        capfdbinary.readouterr()
        code = run(arguments)
        captured = capfdbinary.readouterr()
        return Outcome(code, captured.out, captured.err.decode())

    return call_now


class Shell:
    """Runs commands against fake nodes, in a thread, so that the nodes can answer meanwhile."""

    def __init__(self, call: Call, nodes: list[FakeNode]) -> None:
        self._call = call
        self.nodes = nodes
        self.endpoints = ",".join(node.endpoint for node in nodes)

    def value(self, key: bytes) -> bytes | None:
        """Return what the nodes hold under `key`."""
        record = self.nodes[0].store.machine.get(key)
        return None if record is None else record[0]

    def keys(self, prefix: bytes) -> list[bytes]:
        """Return the keys that the nodes hold under `prefix`."""
        records, _ = self.nodes[0].store.machine.range(prefix, prefix + b"\xff", 1000, True, 1 << 20)
        return [key for key, _ in records]

    def seed(self, values: dict[bytes, bytes]) -> None:
        """Put keys into the nodes' store, in their order."""
        store = self.nodes[0].store
        session = store.apply(commands.open_session())[3]
        for number, (key, value) in enumerate(values.items(), start=1):
            store.apply(commands.put(session, number, number - 1, key, value))

    def delete(self, key: bytes) -> None:
        """Delete a key from the nodes' store."""
        store = self.nodes[0].store
        session = store.apply(commands.open_session())[3]
        store.apply(commands.delete(session, 1, 0, key))

    async def __call__(self, *arguments: str, timeout_s: float = 5.0) -> Outcome:
        given = ("--endpoints", self.endpoints, "--timeout", str(timeout_s), *arguments)
        return await asyncio.to_thread(self._call, *given)


@pytest.fixture
async def shell(call: Call) -> AsyncIterator[Shell]:
    """Commands against three fake nodes with one store; the first one leads."""
    async with fake_cluster(3) as nodes:
        yield Shell(call, nodes)


@pytest.fixture
async def spawn(shell: Shell) -> AsyncIterator[Spawn]:
    """Commands in processes of their own, against the nodes of `shell`: those that signals are sent to."""
    processes: list[Process] = []

    async def spawn_now(*arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "paxoskv", "--endpoints", shell.endpoints, "--timeout", "60", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield spawn_now
    for process in processes:
        if process.returncode is None:  # not killed: then it could not end its own command, which has our pipes
            process.terminate()
    for process in processes:
        await ending(process)


async def line(process: Process) -> bytes:
    """Return the next line that a process prints; empty at the end."""
    assert process.stdout is not None, "spawned with a pipe"
    async with asyncio.timeout(PATIENCE_S):
        return await process.stdout.readline()


async def ending(process: Process) -> tuple[int, bytes, str]:
    """Wait for a process; return its exit code and the rest of its output."""
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode is not None, "it has ended"
    return process.returncode, out, err.decode()
