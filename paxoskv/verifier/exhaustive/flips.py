"""Every byte of every file of one stopped node flipped, once each.

A small cluster writes a little, then node 1 is killed, or stopped in order, and the others are stopped. Each flip is
tried by opening the directory in this process (`opening`). A sample of flips of every outcome is tried for real: the
three nodes start with the damaged directory, and either node 1 ends with exit code 5, or all come to hold the same and
what had been written is there.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from paxoskv import PaxoskvError, connect
from paxoskv.node.exits import QUARANTINED
from paxoskv.verifier.cluster import Cluster
from paxoskv.verifier.exhaustive.crash import Files, read_files
from paxoskv.verifier.exhaustive.crash import write_files as put_files
from paxoskv.verifier.exhaustive.opening import Memory, Outcome, compare, open_files
from paxoskv.verifier.run import CannotRun, agree
from paxoskv.verifier.shim.library import Shim

VICTIM = 1
WRITES = 8
QUIET_S = 1.0
"""Long enough for the peers to hear of everything that is durable."""

REAL_STARTS_PER_KIND = 6
"""Of each outcome in each file, spread over all its flips."""

BATCH = 200
ANSWER_TIMEOUT_S = 60.0
READ_TIMEOUT_S = 30.0
_CLUSTER_SEED = 2
_SETTINGS = {"ballast_bytes": 0}
"""The reserve for a full disk is megabytes of nothing: no byte of it is ever read."""
_NO_SHIM = Shim(Path(), "not used here")


class Flip(NamedTuple):
    """One bit, in one file of the directory as it was left. how: `killed` or `stopped`."""

    how: str
    file: str
    offset: int

    @property
    def bit(self) -> int:
        """Which bit of the byte: all eight have their turn."""
        return 1 << (self.offset + self.offset // 8) % 8

    def apply(self, files: Files) -> dict[str, bytes]:
        """Return the files with the bit flipped."""
        content = bytearray(files[self.file])
        content[self.offset] ^= self.bit
        return {**files, self.file: bytes(content)}

    def __str__(self) -> str:
        return f"{self.file} of a node that was {self.how}, byte {self.offset} ^ {self.bit:#04x}"


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
        self._before: dict[str, Memory] = {}
        self._cluster: Cluster

    async def run(self) -> Tally:
        """Flip every byte and count. Raises: CannotRun if the cluster does not start."""
        self._cluster = await Cluster.found(self._root, 3, _NO_SHIM, _CLUSTER_SEED, _SETTINGS)
        try:
            await self._live()
            found = await self._flip_all()
            for flip, outcome in _sample(found):
                await self._start_really(flip, outcome)
                self._on_progress(self.tally)
        finally:
            await self._cluster.close()
        return self.tally

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
        cluster = self._cluster
        others = [node for node in cluster.nodes if node != VICTIM]
        for node in others:
            await cluster.terminate(node)
        self._left[how] = read_files(cluster.member(VICTIM).directory)
        self._others[how] = {node: read_files(cluster.member(node).directory) for node in others}
        memory = await open_files(self._root / "before", self._left[how], cluster.config(VICTIM).cluster_id, VICTIM)
        if isinstance(memory, Exception):
            raise CannotRun(f"the directory of a node that was {how} is not opened: {memory}")
        self._before[how] = memory

    async def _serve(self) -> None:
        """Start all nodes that do not run. Raises: CannotRun if one of them does not answer."""
        for node in self._cluster.nodes:
            await self._cluster.start(node)
        for node in self._cluster.nodes:
            if not await self._cluster.wait_until_it_answers(node, ANSWER_TIMEOUT_S):
                raise CannotRun(f"node {node} does not start: its log is {self._cluster.member(node).log}")

    # Flips in this process

    def _flips(self) -> Iterator[Flip]:
        for how, files in self._left.items():
            for name, content in sorted(files.items()):
                yield from (Flip(how, name, offset) for offset in range(0, len(content), self._every))

    async def _flip_all(self) -> list[tuple[Flip, Outcome]]:
        """Try every flip, on all cores."""
        flips = list(self._flips())
        self.tally.bytes_in_all = sum(len(content) for files in self._left.values() for content in files.values())
        cluster_id = self._cluster.config(VICTIM).cluster_id
        loop = asyncio.get_running_loop()
        found: list[tuple[Flip, Outcome]] = []
        with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_ignore_interrupts) as pool:
            pending = {
                loop.run_in_executor(
                    pool,
                    _try_flips,
                    self._root,
                    batch,
                    self._left[batch[0].how],
                    self._before[batch[0].how],
                    cluster_id,
                )
                for batch in _batches(flips)
            }
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for batch in done:
                    for flip, outcome, why in batch.result():
                        self._count(flip, outcome, why)
                        found.append((flip, outcome))
                self._on_progress(self.tally)
        return sorted(found, key=lambda pair: pair[0])

    def _count(self, flip: Flip, outcome: Outcome, why: str) -> None:
        self.tally.flips += 1
        self.tally.outcomes[outcome.value] += 1
        self.tally.by_file.setdefault(f"{flip.file} ({flip.how})", Counter())[outcome.value] += 1
        if not outcome.is_right:
            self.tally.violations.append(f"{flip}: {why}")

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
            self.tally.violations.append(f"{flip}: {expected.value} when opened, but in reality {outcome}: {words}")
        for node in cluster.nodes:
            await cluster.kill(node)

    def _real_outcome(self, exit_code: int | None, held: asyncio.Task[str]) -> str:
        if exit_code is not None:
            return "quarantined" if exit_code == QUARANTINED else f"ends with exit code {exit_code}"
        return held.result()

    async def _all_hold_the_same(self) -> str:
        """Return `serves` if all nodes come to hold the same, and what was written; else what is wrong."""
        states = await agree(self._cluster)
        if states is None or len(set(states.values())) > 1:
            return f"does not come to hold the same: {states}"
        try:
            async with connect(self._cluster.endpoints, timeout_s=READ_TIMEOUT_S) as kv:
                found = {entry.key.decode(): entry.value.decode() async for entry in kv.scan()}
        except PaxoskvError as error:
            return f"does not serve: {error}"
        wanted = {f"key-{place}": f"value {place}" for place in range(WRITES)}
        return "serves" if found == wanted else f"serves what was not written: {found}"


def _sample(found: Sequence[tuple[Flip, Outcome]]) -> Iterator[tuple[Flip, Outcome]]:
    """Yield some flips of every outcome in every file."""
    kinds: dict[tuple[str, str, Outcome], list[Flip]] = {}
    for flip, outcome in found:
        kinds.setdefault((flip.how, flip.file, outcome), []).append(flip)
    for (_, _, outcome), flips in kinds.items():
        if outcome.is_right:
            count = min(REAL_STARTS_PER_KIND, len(flips))
            yield from ((flips[place * len(flips) // count], outcome) for place in range(count))


def _batches(flips: Sequence[Flip]) -> Iterator[list[Flip]]:
    """Yield pieces of the flips, each of one state of the directory."""
    for how in dict.fromkeys(flip.how for flip in flips):
        own = [flip for flip in flips if flip.how == how]
        yield from (own[at : at + BATCH] for at in range(0, len(own), BATCH))


def _try_flips(
    root: Path, flips: Sequence[Flip], files: Files, before: Memory, cluster: str
) -> list[tuple[Flip, Outcome, str]]:
    """Try some flips in a process of its own."""

    async def try_them() -> list[tuple[Flip, Outcome, str]]:
        results = []
        for flip in flips:
            after = await open_files(root / f"flip-{os.getpid()}", flip.apply(files), cluster, VICTIM)
            outcome = compare(before, after)
            results.append((flip, outcome, "" if outcome.is_right else _difference(before, after)))
        return results

    return asyncio.run(try_them())


def _difference(before: Memory, after: Memory | Exception) -> str:
    """Return, in words, what a node remembers that it should not, or not any more."""
    if isinstance(after, Exception):
        return repr(after)
    names: Mapping[str, tuple[object, object]] = {
        name: (getattr(before, name), getattr(after, name))
        for name in ("identity", "promised", "seq", "lives", "votes")
    }
    return ", ".join(f"{name} {old} became {new}" for name, (old, new) in names.items() if old != new)[:400]


def _ignore_interrupts() -> None:
    """Ctrl-C is for the verifier, which ends its pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
