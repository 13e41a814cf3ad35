"""Fixtures of the command line's tests: a command in a thread of its own, fake nodes in the test's loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
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

    def seed(self, values: dict[bytes, bytes]) -> None:
        """Put keys into the nodes' store, in their order."""
        store = self.nodes[0].store
        session = store.apply(commands.open_session())[3]
        for number, (key, value) in enumerate(values.items(), start=1):
            store.apply(commands.put(session, number, number - 1, key, value))

    async def __call__(self, *arguments: str, timeout_s: float = 5.0) -> Outcome:
        given = ("--endpoints", self.endpoints, "--timeout", str(timeout_s), *arguments)
        return await asyncio.to_thread(self._call, *given)


@pytest.fixture
async def shell(call: Call) -> AsyncIterator[Shell]:
    """Commands against three fake nodes with one store; the first one leads."""
    async with fake_cluster(3) as nodes:
        yield Shell(call, nodes)
