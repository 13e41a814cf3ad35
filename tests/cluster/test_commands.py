"""The command line against real nodes: `paxoskv cluster ...`, keys and bench, by documents and exit codes."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paxoskv.storage.lockfile import holder
from tests.cluster.kit import environment, wipe
from tests.support import LOOPBACK, PortLease, eventually

COMMAND_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Shell:
    """Runs `paxoskv` as a user would, for one cluster directory."""

    def __init__(self, directory: Path, base_port: int) -> None:
        self.directory = directory
        self.base_port = base_port

    def endpoints(self, nodes: int = 3) -> str:
        """Where clients connect."""
        return ",".join(f"{LOOPBACK}:{self.base_port + node}" for node in range(1, nodes + 1))

    async def spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "paxoskv",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )

    async def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        """Run a command to its end."""
        process = await self.spawn(*arguments)
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return Outcome(process.returncode, out, err.decode())

    async def cluster(self, verb: str, *arguments: str) -> Outcome:
        """Run `paxoskv cluster VERB` in our directory, with JSON as its output."""
        return await self("cluster", verb, "--dir", str(self.directory), "-o", "json", *arguments)

    async def up(self, *arguments: str) -> Outcome:
        """Start the cluster detached."""
        return await self.cluster("up", "--detach", "--base-port", str(self.base_port), *arguments)

    async def key(self, verb: str, *arguments: str, stdin: bytes = b"") -> Outcome:
        """Run a command on keys, with JSON as its output."""
        options = ("--endpoints", self.endpoints(), "--timeout", "60", "-o", "json")
        return await self(*options, verb, *arguments, stdin=stdin)

    def pid_of(self, node: int) -> int | None:
        """The process that holds the data directory of a node."""
        data = self.directory / f"node{node}"
        return holder(data) if data.exists() else None

    async def row(self, node: int) -> dict[str, Any]:
        """Return what `cluster status` says of a node."""
        rows = (await self.cluster("status")).document["nodes"]
        row: dict[str, Any] = next(row for row in rows if row["node"] == node)
        return row


@pytest.fixture
async def shell(tmp_path: Path, ports: PortLease) -> AsyncIterator[Shell]:
    """A directory and ports for a cluster; nothing of it runs when the test is over."""
    shell = Shell(tmp_path / "cluster", ports.base(5))
    yield shell
    if (shell.directory / "cluster.json").exists():
        await shell.cluster("down")


async def test_a_cluster_from_its_birth_to_its_end(shell: Shell) -> None:
    born = await shell.up()
    assert born.code == 0, born
    assert born.document["leader"] in (1, 2, 3)
    assert [row["process"] for row in born.document["nodes"]] == ["running"] * 3
    assert [row["pid"] for row in born.document["nodes"]] == [shell.pid_of(node) for node in (1, 2, 3)]
    assert (await shell.key("put", "k", "v")).code == 0

    again = await shell.up()
    assert (again.code, [row["pid"] for row in again.document["nodes"]]) == (
        0,
        [row["pid"] for row in born.document["nodes"]],
    )
    assert "already running" in again.err

    down = await shell.cluster("down")
    assert (down.code, down.document["wiped"]) == (0, False)
    assert down.document["nodes"] == [{"node": node, "end": "stopped"} for node in (1, 2, 3)]
    status = await shell.cluster("status")
    assert (status.code, status.document["leader"]) == (3, None)
    assert {row["process"] for row in status.document["nodes"]} == {"down"}
    assert (await shell.key("get", "k", "--timeout", "0.5")).code == 3

    assert (await shell.cluster("up", "--detach")).code == 0, "what was chosen at birth needs no flags"
    assert (await shell.key("get", "k")).document["value"] == "v"
    assert (await shell.cluster("down", "--wipe")).document["wiped"] is True
    assert not shell.directory.exists()
    assert (await shell.cluster("status")).code == 2


async def test_nodes_are_killed_started_paused_and_resumed(shell: Shell) -> None:
    leader = (await shell.up()).document["leader"]
    pid = shell.pid_of(leader)
    killed = await shell.cluster("kill", str(leader))
    assert (killed.code, killed.document) == (0, {"node": leader, "done": "killed", "pid": pid})
    assert shell.pid_of(leader) is None
    twice = await shell.cluster("kill", str(leader))
    assert (twice.code, twice.document["code"]) == (1, "not_running")

    async def another_leads() -> bool:
        status = await shell.cluster("status")
        return bool(status.code == 0 and status.document["leader"] not in (None, leader))

    await eventually(another_leads, 60, "another leader")
    dead = await shell.row(leader)
    assert (dead["process"], dead["pid"], dead["healthy"]) == ("down", None, False)
    assert (await shell.key("put", "k", "v")).code == 0

    started = await shell.cluster("start", str(leader))
    assert (started.code, started.document["done"]) == (0, "started")
    assert started.document["pid"] == shell.pid_of(leader) != pid
    assert (await shell.cluster("start", str(leader))).document["done"] == "already runs"
    assert (await shell.cluster("pause", str(leader))).document["done"] == "paused"
    paused = await shell.row(leader)
    assert (paused["process"], paused["healthy"]) == ("paused", False)
    assert (await shell.cluster("resume", str(leader))).document["done"] == "resumed"
    assert (await shell.row(leader))["process"] == "running"
    assert (await shell.cluster("kill", "4")).code == 2


async def test_leases_for_reads_are_agreed_on_at_birth(shell: Shell) -> None:
    assert (await shell.up("--lease-reads", "--nodes", "1")).code == 0
    assert (await shell.key("put", "k", "v")).code == 0
    assert (await shell.key("get", "k", "--consistency", "lease")).document["value"] == "v"
    assert (await shell.key("range", "k", "--consistency", "lease")).document["count"] == 1
    assert (await shell.cluster("up", "--detach")).code == 0, "what was chosen at birth needs no flags"
    assert (await shell.cluster("down", "--wipe")).code == 0

    assert (await shell.up("--nodes", "1")).code == 0
    refused = await shell.key("get", "k", "--consistency", "lease")
    assert (refused.code, "--lease-reads" in refused.err) == (2, True)
    other = await shell.cluster("up", "--detach", "--lease-reads")
    assert (other.code, other.document["code"]) == (2, "usage")
    assert "was born without --lease-reads" in other.err


async def test_five_nodes(shell: Shell) -> None:
    born = await shell.up("--nodes", "5")
    assert born.code == 0, born
    assert len(born.document["nodes"]) == 5
    other = await shell.cluster("up", "--detach", "--nodes", "3")
    assert (other.code, other.document["code"]) == (2, "usage")
    assert "was born with --nodes 5, not 3" in other.err
    await shell.cluster("pause", "2")
    assert (await shell.cluster("down", "--wipe")).code == 0, "a paused node ends as well"
    assert not shell.directory.exists()


async def test_a_port_in_use_stops_the_birth_before_anything_is_made(shell: Shell) -> None:
    with socket.create_server((LOOPBACK, shell.base_port + 102)):
        outcome = await shell.up()
    assert (outcome.code, outcome.document["code"]) == (2, "usage")
    assert f"node 2 cannot listen on {LOOPBACK}:{shell.base_port + 102} for peers" in outcome.err
    assert [shell.pid_of(node) for node in (1, 2, 3)] == [None] * 3
    assert (await shell.up()).code == 0


async def test_a_node_whose_directory_was_emptied_is_not_started_again(shell: Shell) -> None:
    await shell.up()
    await shell.cluster("kill", "3")
    wipe(shell.directory / "node3")
    outcome = await shell.cluster("start", "3")
    assert (outcome.code, outcome.document["code"]) == (5, "corrupt")
    assert "its promises are lost" in outcome.err
    assert (await shell.key("put", "k", "v")).code == 0


@asynccontextmanager
async def foreground(shell: Shell) -> AsyncIterator[asyncio.subprocess.Process]:
    """`cluster up` in the foreground, until it has told who leads."""
    process = await shell.spawn(
        "cluster", "up", "--dir", str(shell.directory), "--base-port", str(shell.base_port), "-o", "json"
    )
    try:
        while (await event_of(process))["event"] != "leader":
            continue
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def event_of(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Return the next event that the foreground tells."""
    assert process.stdout is not None
    async with asyncio.timeout(COMMAND_TIMEOUT_S):
        line = await process.stdout.readline()
    assert line, "the foreground ended"
    event: dict[str, Any] = json.loads(line)
    return event


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_foreground_ends_with_all_its_nodes_and_finds_the_data_again(
    shell: Shell, number: signal.Signals
) -> None:
    async with foreground(shell) as process:
        assert (await shell.key("put", "k", "v")).code == 0
        process.send_signal(number)
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            assert await process.wait() == 0
    assert [shell.pid_of(node) for node in (1, 2, 3)] == [None] * 3
    async with foreground(shell):
        assert (await shell.key("get", "k")).document["value"] == "v"
        await shell.cluster("down")


async def test_the_foreground_tells_of_deaths_and_ends_when_nobody_is_left(shell: Shell) -> None:
    async with foreground(shell) as process:
        await shell.cluster("kill", "2")
        while (event := await event_of(process))["event"] != "ended":
            continue
        assert (event["node"], event["exit_code"]) == (2, -signal.SIGKILL)
        await shell.cluster("down")
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            assert await process.wait() in (0, 3)


async def test_keys(shell: Shell) -> None:
    await shell.up()
    assert (await shell.key("put", "a/1", "one")).document == {"revision": 1, "slot": pytest.approx(3, abs=3)}
    assert (await shell.key("put", "a/2", "-", stdin=b"\xff\x00")).document["revision"] == 2
    encoded = base64.b64encode(b"a/3").decode()
    assert (await shell.key("put", "--base64", encoded, base64.b64encode(b"three").decode())).code == 0

    one = (await shell.key("get", "a/1")).document
    assert {name: one[name] for name in ("key", "value", "created", "modified", "version", "lease")} == {
        "key": "a/1",
        "value": "one",
        "created": 1,
        "modified": 1,
        "version": 1,
        "lease": 0,
    }
    assert (await shell.key("get", "a/2")).document["value_base64"] == "/wA="
    assert (await shell("--endpoints", shell.endpoints(), "get", "a/1")).out == b"one\n"
    absent = await shell.key("get", "b")
    assert (absent.code, absent.document["value"]) == (1, None)
    stale = await shell.key("get", "a/1", "--consistency", "stale")
    assert stale.code in (0, 1)

    page = (await shell.key("range", "a/", "--limit", "2")).document
    assert ([entry["key"] for entry in page["entries"]], page["more"]) == (["a/1", "a/2"], True)
    rest = (await shell.key("range", "a/", "--after", "a/2")).document
    assert ([entry["value"] for entry in rest["entries"]], rest["more"]) == (["three"], False)

    assert (await shell.key("cas", "a/1", "uno", "--expect", "one")).code == 0
    failed = await shell.key("cas", "a/1", "due", "--expect", "one")
    assert (failed.code, failed.document["succeeded"], failed.document["current"]["value"]) == (1, False, "uno")
    assert (await shell.key("cas", "new", "v", "--absent")).code == 0
    assert (await shell.key("cas", "new", "v", "--absent")).code == 1

    assert (await shell.key("delete", "a/1")).document["deleted"] is True
    gone = await shell.key("delete", "a/1")
    assert (gone.code, gone.document["deleted"]) == (1, False)
    assert (await shell.key("put", "", "v")).code == 2
    too_large = await shell.key("put", "k" * 5000, "v")
    assert (too_large.code, too_large.document["code"]) == (2, "too_large")
    too_large = await shell.key("put", "k", "-", stdin=b"x" * (2 << 20))
    assert (too_large.code, too_large.document["code"]) == (2, "too_large")


async def test_status_and_a_lost_quorum(shell: Shell) -> None:
    await shell.up()

    async def healthy() -> bool:
        status = await shell("--endpoints", shell.endpoints(), "status", "-o", "json")
        assert len(status.document["nodes"]) == 3
        return status.code == 0

    await eventually(healthy, 60, "a healthy cluster")
    await asyncio.gather(shell.cluster("kill", "1"), shell.cluster("kill", "2"))
    lost = await shell.key("get", "k", "--timeout", "1")
    assert (lost.code, lost.document["code"]) == (3, "unavailable")
    assert (await shell.cluster("status")).code == 3
    assert (await shell.key("get", "k", "--consistency", "stale")).code == 1


@pytest.mark.parametrize("op", ["put", "get"])
async def test_a_second_of_bench(shell: Shell, op: str) -> None:
    await shell.up()
    flags = ["--clients", "8", "--seconds", "1", "--warmup", "0.2", "--keys", "100", "--value-size", "64"]
    outcome = await shell.key("bench", "--op", op, *flags)
    assert outcome.code == 0, outcome
    document = outcome.document
    assert (document["op"], document["clients"], document["value_size"], document["nodes"]) == (op, 8, 64, 3)
    assert (document["ops"] > 0, document["errors"]) == (True, 0)
    assert 0 < document["p50_ms"] <= document["p99_ms"] <= document["p999_ms"] <= document["max_ms"]
