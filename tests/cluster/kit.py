"""Real clusters: one process a node, with a directory, a log and ports of its own; signals; what the nodes agree on.

Nothing here trusts a node: what a test learns comes from exit codes, from logs and through the client port.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paxoskv
from paxoskv.errors import PaxoskvError
from tests.support import LOOPBACK, PortLease, eventually

START_TIMEOUT_S = 60.0
"""For starting and for electing: a loaded machine is slow, a broken cluster never gets there."""
END_TIMEOUT_S = 60.0
STATUS_TIMEOUT_S = 2.0
LOG_TAIL_CHARS = 3_000
PEER_PORT_OFFSET = 100
PATIENCE = ("--election-timeout-s", "1.5", "--election-jitter-s", "0.5")
"""A machine busy with other tests lets a node stand still for longer than the default timeout now and then."""

Status = dict[str, Any]


class NodeProcess:
    """One node, running or not.

    flags: given at every start, after those that make it this node. through: a command that executes what follows it.
    """

    def __init__(self, number: int, directory: Path, base_port: int, members: str, flags: Sequence[str] = ()) -> None:
        self.number = number
        self.directory = directory
        self.log = directory.parent / f"{directory.name}.log"
        self.client_port = base_port + number
        self.peer_port = base_port + PEER_PORT_OFFSET + number
        self.members = members
        self.flags = list(flags)
        self.through: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._is_doomed = False
        self._log_offset = 0

    @property
    def endpoint(self) -> str:
        """Where clients connect."""
        return f"{LOOPBACK}:{self.client_port}"

    @property
    def is_running(self) -> bool:
        """Whether the process lives, paused or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The living process."""
        process = self.process
        assert process is not None, f"node {self.number} was never started"
        assert process.poll() is None, f"node {self.number} ended with {process.returncode}: {self.tail()}"
        return process

    @property
    def rss_bytes(self) -> int:
        """Resident memory of the process (Linux)."""
        pages = int(Path(f"/proc/{self.running.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def start(self, *flags: str) -> None:
        """Start the process; it does not serve yet. The one before must not have ended of its own accord."""
        assert not self.is_running, f"node {self.number} runs already"
        complaint = self.clean_up()
        assert complaint is None, f"{complaint}: {self.tail()}"
        self._is_doomed = False
        command = [*mortal(), *self.through, sys.executable, "-m", "paxoskv", "node", "--node", str(self.number)]
        command += [
            "--dir",
            str(self.directory),
            "--cluster",
            self.members,
            "--listen-client",
            self.endpoint,
            *self.flags,
            *flags,
        ]
        with self.log.open("ab") as output:
            self._log_offset = output.tell()
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                start_new_session=True,
            )

    def send(self, number: int) -> None:
        """Signal the process."""
        self.running.send_signal(number)

    def kill(self) -> None:
        """End the process as a crash would, and wait until it is gone."""
        process = self.running
        self._is_doomed = True
        process.kill()
        process.wait(END_TIMEOUT_S)

    def pause(self) -> None:
        """Stop its clock; its connections stay open and silent."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self.send(signal.SIGCONT)

    async def stop(self) -> int:
        """Ask the process to end, and return its exit code."""
        self.send(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait for the end of the process, whatever brings it about, and return its exit code."""
        self._is_doomed = True
        process = self.process
        assert process is not None, f"node {self.number} was never started"
        await eventually(lambda: process.poll() is not None, END_TIMEOUT_S, f"end of node {self.number}")
        code: int = process.returncode
        return code

    def said(self) -> str:
        """Return what it has logged since its last start."""
        return self.log.read_bytes()[self._log_offset :].decode(errors="replace")

    async def speaks(self, text: str) -> None:
        """Wait until it has logged `text` since its last start."""
        await eventually(lambda: text in self.said(), START_TIMEOUT_S, f"{text!r} from node {self.number}")

    def tail(self) -> str:
        """Return the end of its log, earlier lives included."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return f"--- node {self.number}: ...{text[-LOG_TAIL_CHARS:]}"

    async def try_status(self) -> Status | None:
        """Return what it says about itself, None while it does not answer."""
        try:
            return await paxoskv.node_status(self.endpoint, timeout_s=STATUS_TIMEOUT_S)
        except PaxoskvError:
            return None

    async def status(self) -> Status:
        """Wait until it answers clients; return what it says about itself."""
        return await eventually(self._answer, START_TIMEOUT_S, f"answer of node {self.number}")

    async def serves(self) -> None:
        """Wait until it answers clients."""
        await self.status()

    async def _answer(self) -> Status | None:
        assert self.is_running, f"node {self.number} ended: {self.tail()}"
        return await self.try_status()

    def clean_up(self) -> str | None:
        """End the process, paused or not; return what was wrong with an end that nobody had asked for."""
        process = self.process
        if process is None:
            return None
        code = process.poll()
        if code is None:
            process.kill()
            process.wait(END_TIMEOUT_S)
        elif not self._is_doomed:
            return f"node {self.number} ended by itself with exit code {code}"
        return None


class Cluster:
    """Nodes 1 to `count` of one cluster. Entering starts them and waits for a leader; leaving kills what is left.

    A node that ended without being told to fails the test; a failing test shows the end of every log.
    flags: for every node, besides `patience`. absent: members that are not started at entry.
    """

    def __init__(
        self,
        directory: Path,
        ports: PortLease,
        count: int = 3,
        flags: Sequence[str] = (),
        patience: Sequence[str] = PATIENCE,
        absent: Sequence[int] = (),
    ) -> None:
        base_port = ports.base(count)
        self._absent = absent
        self.members = ",".join(
            f"{number}={LOOPBACK}:{base_port + PEER_PORT_OFFSET + number}" for number in range(1, count + 1)
        )
        self.nodes = {
            number: NodeProcess(number, directory / f"node{number}", base_port, self.members, [*patience, *flags])
            for number in range(1, count + 1)
        }

    async def __aenter__(self) -> Self:
        present = [node for node in self if node.number not in self._absent]
        try:
            self.start(*(node.number for node in present), bootstrap=True)
            for node in present:
                await node.serves()
            await self.leader()
        except BaseException:
            self.clean_up()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        complaints = self.clean_up()
        story = "\n".join([*complaints, *(node.tail() for node in self)])
        if error is not None:
            error.add_note(story)
        elif complaints:
            raise AssertionError(story)

    def __getitem__(self, number: int) -> NodeProcess:
        return self.nodes[number]

    def __iter__(self) -> Iterator[NodeProcess]:
        return iter(self.nodes.values())

    @property
    def endpoints(self) -> str:
        """All nodes, for `paxoskv.connect`."""
        return ",".join(node.endpoint for node in self)

    @property
    def majority(self) -> int:
        """How many nodes must live for the cluster to serve."""
        return len(self.nodes) // 2 + 1

    def connect(self, timeout_s: float = 60.0) -> paxoskv.Client:
        """Return a client of the cluster, for `async with`."""
        return paxoskv.connect(self.endpoints, timeout_s=timeout_s)

    def start(self, *numbers: int, bootstrap: bool = False) -> None:
        """Start the nodes named, all that do not run if none is."""
        for node in self._named(numbers):
            if not node.is_running:
                node.start(*(["--bootstrap"] if bootstrap else []))

    def kill(self, *numbers: int) -> None:
        """Kill the nodes named, all that run if none is: all get the signal before any is waited for."""
        doomed = [node for node in self._named(numbers) if node.is_running]
        for node in doomed:
            node.send(signal.SIGSTOP)
        for node in doomed:
            node.kill()

    async def all_serve(self) -> None:
        """Wait until every node answers clients."""
        for node in self:
            await node.serves()

    async def leader(self, among: Iterable[int] | None = None) -> NodeProcess:
        """Wait until one node leads and a majority follows it; return it. among: nodes to ask, all if None."""
        asked = [self[number] for number in among] if among is not None else list(self)
        return await eventually(lambda: self._elected(asked), START_TIMEOUT_S, "a leader")

    async def followers(self) -> list[NodeProcess]:
        """Wait for a leader that every node which answers follows; return the other nodes.

        A node that has not heard of a leader yet turns a write down, and a client without retries hears it.
        """
        leader = await eventually(lambda: self._elected(list(self), by_all=True), START_TIMEOUT_S, "followers")
        return [node for node in self if node is not leader]

    async def _elected(self, asked: Sequence[NodeProcess], *, by_all: bool = False) -> NodeProcess | None:
        """Return who leads, followed by a majority; by_all: and by every node that answers. None if nobody is."""
        told = [status for node in asked if (status := await node.try_status())]
        leading = [status for status in told if status["role"] == "leader"]
        if not leading:
            return None
        best = max(leading, key=lambda status: tuple(status["ballot"]))
        follow = sum(status["leader"] == best["node"] for status in told)
        enough = follow >= self.majority and (not by_all or follow == len(told))
        return self[best["node"]] if enough else None

    async def agreement(self, within_s: float = 60.0) -> tuple[int, str]:
        """Wait until all nodes answer and have applied the same log; return (applied_slot, digest).

        At one applied slot there is one digest: two of them are a divergence, which no patience repairs.
        """
        digests: dict[int, str] = {}

        async def agree() -> tuple[int, str] | None:
            told = [status for node in self if (status := await node.try_status())]
            for status in told:
                known = digests.setdefault(status["applied_slot"], status["digest"])
                assert known == status["digest"], f"replicas differ at slot {status['applied_slot']}: {told}"
            states = {(status["applied_slot"], status["digest"]) for status in told}
            settled = all(status["commit_slot"] == status["applied_slot"] for status in told)
            return states.pop() if settled and len(states) == 1 and len(told) == len(self.nodes) else None

        return await eventually(agree, within_s, "agreement of all replicas")

    def clean_up(self) -> list[str]:
        """End every process; return what was wrong with those that had ended by themselves."""
        return [complaint for node in self if (complaint := node.clean_up())]

    def _named(self, numbers: Sequence[int]) -> list[NodeProcess]:
        return [self[number] for number in numbers] if numbers else list(self)


@cache
def mortal() -> tuple[str, ...]:
    """Return the command that lets a node die with its test, also with one that is killed; empty if there is none."""
    command = ("setpriv", "--pdeathsig", "KILL")
    if shutil.which(command[0]) is None:
        return ()
    done = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if done.returncode == 0 else ()


def environment() -> dict[str, str]:
    """Return our environment without what would configure a node or a client."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PAXOSKV_")}


def votes_in(directory: Path) -> int:
    """Return how many votes the journal of a node that does not run holds."""
    with closing(sqlite3.connect(f"{(directory / 'journal.db').as_uri()}?mode=ro", uri=True)) as connection:
        count: int = connection.execute("SELECT count(*) FROM votes").fetchone()[0]
    return count


def wipe(directory: Path) -> None:
    """Empty a data directory, as a replaced disk would be."""
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
