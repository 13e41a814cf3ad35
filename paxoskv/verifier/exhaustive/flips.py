"""Every byte of every file of one stopped node flipped, once each.

A small cluster writes a little, then node 1 is killed, or stopped in order, and the others are stopped. Each flip is
tried by opening the directory without starting a node (`flip`, `opening`). A sample of flips of every outcome is tried
for real: the three nodes start with the damaged directory, and either node 1 ends with exit code 5, or all come to hold
the same and what had been written is there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from paxoskv import PaxoskvError, connect
from paxoskv.node.exits import QUARANTINED
from paxoskv.testbed.cluster import Cluster
from paxoskv.testbed.shim.compiled import Shim
from paxoskv.verifier.exhaustive.crash import Files, read_files
from paxoskv.verifier.exhaustive.crash import write_files as put_files
from paxoskv.verifier.exhaustive.flip import LINE_BYTES_MAX, Flip, Found, task_line
from paxoskv.verifier.exhaustive.opening import Outcome
from paxoskv.verifier.run import CannotRun, agree

VICTIM = 1
WRITES = 8
QUIET_S = 1.0
"""Long enough for the peers to hear of everything that is durable."""

REAL_STARTS_PER_KIND = 6
"""Of each outcome in each file, spread over all its flips."""

BATCH = 200
ANSWER_TIMEOUT_S = 120.0
READ_TIMEOUT_S = 60.0
AGREE_TIMEOUT_S = 300.0
"""A correct cluster needs a second; what takes so long on a machine that is much too busy is no violation."""

BALLAST_BYTES = 4096
"""Its bytes mean nothing to anybody; these are flipped as well, the four million of the default are not."""

_CLUSTER_SEED = 2
_NO_SHIM = Shim(Path(), "not used here")


@dataclass(slots=True)
class Tally:
    """What the exhaustive run has shown so far. real: outcomes of real starts. violations: in words."""

    bytes_in_all: int = 0
    flips: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    by_file: dict[str, Counter[str]] = field(default_factory=dict)
    real_starts: int = 0
    real: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class FlipRun:
    """The exhaustive run. root: an empty directory, best in memory. every: only each so-many-th byte.

    on_progress: called again and again.
    """

    def __init__(self, root: Path, every: int, on_progress: Callable[[Tally], None]) -> None:
        self.tally = Tally()
        self._root = root
        self._every = every
        self._on_progress = on_progress
        self._left: dict[str, Files] = {}
        self._others: dict[str, dict[int, Files]] = {}
        self._cluster: Cluster

    async def run(self) -> Tally:
        """Flip every byte and count. Raises: CannotRun if the cluster does not start."""
        small = {"ballast_bytes": BALLAST_BYTES}
        self._cluster = cluster = await Cluster.found(self._root, 3, _NO_SHIM, _CLUSTER_SEED, small)
        cluster.on_end = lambda node, code, words: self._violate(f"node {node} ended with exit code {code}: {words}")
        try:
            await self._live()
            found = await self._flip_all()
            for flip, outcome in sample_of(found):
                await self._start_really(flip, outcome)
                self._on_progress(self.tally)
        finally:
            await cluster.close()
        return self.tally

    def _violate(self, what: str) -> None:
        self.tally.violations.append(what)

    # The life before

    async def _live(self) -> None:
        """Write a little, and take the directories as they are left by a kill and by an orderly stop of the victim."""
        cluster = self._cluster
        await self._serve()
        async with connect(cluster.endpoints, timeout_s=READ_TIMEOUT_S) as kv:
            for place in range(WRITES):
                await kv.put(f"key-{place}", f"value {place}")
        await asyncio.sleep(QUIET_S)
        await cluster.kill(VICTIM)
        await self._take("killed")
        await self._serve()
        await asyncio.sleep(QUIET_S)
        await cluster.terminate(VICTIM)
        await self._take("stopped")

    async def _take(self, how: str) -> None:
        """Stop the peers, and keep what all three have left."""
        cluster = self._cluster
        others = [node for node in cluster.nodes if node != VICTIM]
        for node in others:
            await cluster.terminate(node)
        self._left[how] = read_files(cluster.member(VICTIM).directory)
        self._others[how] = {node: read_files(cluster.member(node).directory) for node in others}

    async def _serve(self) -> None:
        """Start all nodes that do not run. Raises: CannotRun if one of them does not answer."""
        for node in self._cluster.nodes:
            await self._cluster.start(node)
        for node in self._cluster.nodes:
            if not await self._cluster.wait_until_it_answers(node, ANSWER_TIMEOUT_S):
                raise CannotRun(f"node {node} does not start: its log is {self._cluster.member(node).log}")

    # Flips without a node

    def _flips(self) -> Iterator[Flip]:
        for how, files in self._left.items():
            for name, content in sorted(files.items()):
                yield from (Flip(how, name, offset) for offset in range(0, len(content), self._every))

    async def _flip_all(self) -> list[tuple[Flip, Outcome]]:
        """Try every flip, by as many processes as there are cores."""
        flips = list(self._flips())
        self.tally.bytes_in_all = sum(len(content) for files in self._left.values() for content in files.values())
        batches = iter([flips[at : at + BATCH] for at in range(0, len(flips), BATCH)])
        found: list[tuple[Flip, Outcome]] = []
        task = task_line(self._root, self._cluster.config(VICTIM).cluster_id, VICTIM, self._left)

        async def work() -> None:
            async with _trier(task) as trier:
                for batch in batches:
                    for flip, answer in zip(batch, await _ask(trier, batch), strict=True):
                        outcome = Outcome(answer.outcome)
                        self._count(flip, outcome, answer.why)
                        found.append((flip, outcome))
                    self._on_progress(self.tally)

        async with asyncio.TaskGroup() as group:
            for _ in range(os.cpu_count() or 1):
                group.create_task(work())
        return sorted(found, key=lambda pair: pair[0])

    def _count(self, flip: Flip, outcome: Outcome, why: str) -> None:
        self.tally.flips += 1
        self.tally.outcomes[outcome.value] += 1
        self.tally.by_file.setdefault(f"{flip.file} ({flip.how})", Counter())[outcome.value] += 1
        if not outcome.is_right:
            self._violate(f"{flip}: {why}")

    # Flips for real

    async def _start_really(self, flip: Flip, expected: Outcome) -> None:
        """Start the three nodes with one byte flipped; what comes of it has to agree with what the opening said."""
        cluster = self._cluster
        put_files(cluster.member(VICTIM).directory, flip.apply(self._left[flip.how]))
        for node, files in self._others[flip.how].items():
            put_files(cluster.member(node).directory, files)
        victim = await cluster.start(VICTIM, may_end=True)
        for node in self._others[flip.how]:
            await cluster.start(node)
        ended = asyncio.create_task(victim.wait())
        held = asyncio.create_task(self._all_hold_the_same())
        try:
            await asyncio.wait([ended, held], return_when=asyncio.FIRST_COMPLETED)
            outcome = self._real_outcome(victim.exit_code, held)
        finally:
            for task in (ended, held):
                task.cancel()
            await asyncio.wait([ended, held])
        self.tally.real_starts += 1
        self.tally.real[outcome] += 1
        wanted = "quarantined" if expected in (Outcome.REFUSED, Outcome.DISOWNED) else "serves"
        if outcome != wanted:
            words = victim.last_words()
            self._violate(f"{flip}: {expected.value} when opened, but in reality {outcome}: {words}")
        for node in cluster.nodes:
            await cluster.kill(node)

    def _real_outcome(self, exit_code: int | None, held: asyncio.Task[str]) -> str:
        if exit_code is not None:
            return "quarantined" if exit_code == QUARANTINED else f"ends with exit code {exit_code}"
        return held.result()

    async def _all_hold_the_same(self) -> str:
        """Return `serves` if all nodes come to hold the same, and what was written; else what is wrong."""
        states = await agree(self._cluster, AGREE_TIMEOUT_S)
        if states is None or len(set(states.values())) > 1:
            return f"does not come to hold the same: {states}"
        try:
            async with connect(self._cluster.endpoints, timeout_s=READ_TIMEOUT_S) as kv:
                found = {entry.key.decode(): entry.value.decode() async for entry in kv.scan()}
        except PaxoskvError as error:
            return f"does not serve: {error}"
        wanted = {f"key-{place}": f"value {place}" for place in range(WRITES)}
        return "serves" if found == wanted else f"serves what was not written: {found}"


def sample_of(found: Sequence[tuple[Flip, Outcome]]) -> Iterator[tuple[Flip, Outcome]]:
    """Yield some flips of every outcome in every file."""
    kinds: dict[tuple[str, str, Outcome], list[Flip]] = {}
    for flip, outcome in found:
        kinds.setdefault((flip.how, flip.file, outcome), []).append(flip)
    for (_, _, outcome), flips in kinds.items():
        if outcome.is_right:
            count = min(REAL_STARTS_PER_KIND, len(flips))
            yield from ((flips[place * len(flips) // count], outcome) for place in range(count))


@asynccontextmanager
async def _trier(task: bytes) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that tries flips (`flip`); it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "paxoskv.verifier.exhaustive.flip",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    assert process.stdin is not None, "the process is started with a pipe"
    process.stdin.write(task)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ask(process: asyncio.subprocess.Process, batch: Sequence[Flip]) -> list[Found]:
    """Have a batch tried. Raises: RuntimeError if the process is gone; its words are on standard error."""
    assert process.stdin is not None, "the process is started with a pipe"
    assert process.stdout is not None, "the process is started with a pipe"
    process.stdin.write(json.dumps(batch).encode() + b"\n")
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"a process that tries flips ended with exit code {await process.wait()}")
    return [Found(*fields) for fields in json.loads(line)]
