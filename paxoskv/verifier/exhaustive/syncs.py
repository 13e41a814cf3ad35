"""A kill at every sync: a node lives through a script and dies when it begins its k-th sync, for every k.

Three nodes, of which the third has not been started yet: so every acknowledged write stands on the victim's disk and
on its partner's alone. When the victim is dead the partner dies too. Then the victim, with what its disk has kept, and
the newcomer have to have every acknowledged write. Later the partner comes back and all three must hold the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from paxoskv import Client, PaxoskvError, connect
from paxoskv.testbed.cluster import Cluster
from paxoskv.testbed.links.disturbance import HEALTHY, Disturbance
from paxoskv.testbed.shim.compiled import prepare
from paxoskv.testbed.shim.page import Page
from paxoskv.verifier.exhaustive.crash import Files, Loss, read_files, remains_of, write_files
from paxoskv.verifier.run import CannotRun, agree

VICTIM, PARTNER, NEWCOMER = 1, 2, 3
SMALL_WRITES = 12
LARGE_WRITES = 12
LARGE_BYTES = 6000
LAST_WRITES = 4
IDLE_S = 0.3
"""Long enough for the journal to be checkpointed."""

CUT_S = 1.0
"""Long enough for a leader to step down: then promises are written."""

WRITE_TIMEOUT_S = 60.0
READ_TIMEOUT_S = 60.0
AGREE_TIMEOUT_S = 300.0
"""A correct cluster needs a second; what takes so long on a machine that is much too busy is no violation."""


BALLAST_BYTES = 1 << 16
"""Enough to be made with all its syncs; copies of the default's megabytes would take their time."""

_CLUSTER_SEED = 1


@dataclass(slots=True)
class Tally:
    """What the exhaustive run has shown so far.

    syncs: of the whole script. points: syncs at which the victim died. unreached: syncs that did not come this time,
    since more was written together. restarts: one per point and kind of loss.
    acknowledged: writes that had to be found again, over all restarts. violations: in words.
    """

    syncs: int = 0
    points: int = 0
    unreached: int = 0
    restarts: int = 0
    acknowledged: int = 0
    violations: list[str] = field(default_factory=list)


class Ledger:
    """What was written under which key, each key once: acknowledged, or begun and of unknown end."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, str] = {}
        self.open: dict[str, str] = {}

    async def put(self, kv: Client, key: str, value: str) -> None:
        """Write a key. Raises: PaxoskvError."""
        self.open[key] = value
        await kv.put(key, value)
        self.acknowledged[key] = self.open.pop(key)

    def contradictions(self, found: dict[str, str]) -> Iterator[str]:
        """Yield what is wrong with the keys that were found, in words."""
        for key, value in self.acknowledged.items():
            if found.get(key) != value:
                yield f"{key} was acknowledged and is {'gone' if key not in found else 'changed'}"
        for key, value in found.items():
            if self.acknowledged.get(key, self.open.get(key)) != value:
                yield f"{key} holds what was never written there"


class SyncRun:
    """The exhaustive run. root: an empty directory. on_point: called after each point.

    choose: returns the numbers of the syncs to die at, from 1, out of so many; all of them, but in short forms.
    """

    def __init__(self, root: Path, choose: Callable[[int], Iterable[int]], on_point: Callable[[Tally], None]) -> None:
        self.tally = Tally()
        self._root = root
        self._choose = choose
        self._on_point = on_point
        self._durable = root / "durable"
        self._newborn: dict[int, Files] = {}
        self._where = ""
        self._cluster: Cluster

    async def run(self) -> Tally:
        """Kill at every sync and count. Raises: CannotRun where syncs cannot be intercepted."""
        shim = await asyncio.to_thread(prepare, self._root)
        if shim.trouble is not None:
            raise CannotRun(f"syncs cannot be counted here: {shim.trouble}")
        self._cluster = cluster = await Cluster.found(
            self._root, 3, shim, _CLUSTER_SEED, {"ballast_bytes": BALLAST_BYTES}
        )
        cluster.on_end = lambda node, code, words: self._violate(f"node {node} ended with exit code {code}: {words}")
        self._newborn = {node: read_files(cluster.member(node).directory) for node in (PARTNER, NEWCOMER)}
        try:
            await self._live_to_the_end()
            for number in self._choose(self.tally.syncs):
                await self._die_at(number)
                self._on_point(self.tally)
        finally:
            await cluster.close()
        return self.tally

    @property
    def _page(self) -> Page:
        page = self._cluster.member(VICTIM).page
        assert page is not None, "the library was found to work"
        return page

    def _violate(self, what: str) -> None:
        self.tally.violations.append(f"{self._where}: {what}")

    async def _live_to_the_end(self) -> None:
        """Count the syncs of a whole life. Raises: CannotRun if the script could not be followed to its end."""
        ledger = await self._live_until(0)
        missing = SMALL_WRITES + LARGE_WRITES + LAST_WRITES - len(ledger.acknowledged)
        if missing:
            raise CannotRun(
                f"the script came to no end, {missing} writes were not acknowledged: is the machine too busy?"
            )
        self.tally.syncs = self._page.counters.syncs

    async def _die_at(self, number: int) -> None:
        """Let the victim die at one sync, and go on after every kind of loss."""
        self._where = f"sync {number}"
        ledger = await self._live_until(number)
        if self._page.counters.syncs < number:
            self.tally.unreached += 1
            return
        self.tally.points += 1
        remains = remains_of(self._cluster.member(VICTIM).directory, self._durable)
        partner = read_files(self._cluster.member(PARTNER).directory)
        for loss in Loss:
            self._where = f"sync {number}, what was not synced {loss.value}"
            await self._go_on(ledger, remains.after(loss, Random(f"{number} {loss.value}")), partner)
            self.tally.restarts += 1
            self.tally.acknowledged += len(ledger.acknowledged)

    # Before the crash

    async def _live_until(self, number: int) -> Ledger:
        """Live through the script until the victim dies at a sync, or to the end if `number` is 0; kill the partner."""
        write_files(self._durable, {})
        write_files(self._cluster.member(VICTIM).directory, {})
        for node, files in self._newborn.items():
            write_files(self._cluster.member(node).directory, files)
        self._page.reset()
        self._page.kill_at_sync(number)
        self._cluster.member(VICTIM).durable = self._durable
        victim = await self._cluster.start(VICTIM, "--bootstrap", may_end=True)
        self._cluster.member(VICTIM).durable = None
        await self._cluster.start(PARTNER)
        ledger = Ledger()
        script = asyncio.create_task(self._script(ledger))
        death = asyncio.create_task(victim.wait())
        try:
            await asyncio.wait([script, death], return_when=asyncio.FIRST_COMPLETED)
        finally:
            death.cancel()
            script.cancel()
            await asyncio.wait([script, death])
        if not script.cancelled():
            script.result()
        await self._cluster.kill(VICTIM)
        await self._cluster.kill(PARTNER)
        return ledger

    async def _script(self, ledger: Ledger) -> None:
        """Small writes, large ones together, a pause with a checkpoint, an election, more writes, an orderly end."""
        with suppress(PaxoskvError):
            async with connect(self._cluster.endpoints[:2], timeout_s=WRITE_TIMEOUT_S) as kv:
                for place in range(SMALL_WRITES):
                    await ledger.put(kv, f"small-{place}", f"{place}")
                async with asyncio.TaskGroup() as group:
                    for place in range(LARGE_WRITES):
                        group.create_task(self._put_large(kv, ledger, place))
                await asyncio.sleep(IDLE_S)
                await self._cut()
                for place in range(LAST_WRITES):
                    await ledger.put(kv, f"last-{place}", f"{place}")
        await self._cluster.terminate(VICTIM)

    async def _put_large(self, kv: Client, ledger: Ledger, place: int) -> None:
        with suppress(PaxoskvError):
            await ledger.put(kv, f"large-{place}", f"{place}".rjust(LARGE_BYTES, "."))

    async def _cut(self) -> None:
        """Part the two, so that nobody leads, and let them meet again."""
        both_ways = [(VICTIM, PARTNER), (PARTNER, VICTIM)]
        await self._cluster.network.disturb(both_ways, Disturbance(cut=True))
        try:
            await asyncio.sleep(CUT_S)
        finally:
            await self._cluster.network.disturb(both_ways, HEALTHY)

    # After the crash

    async def _go_on(self, ledger: Ledger, victim: Files, partner: Files) -> None:
        """Start the victim and the newcomer, look for every acknowledged write; then the partner, and compare all."""
        write_files(self._cluster.member(VICTIM).directory, victim)
        write_files(self._cluster.member(PARTNER).directory, partner)
        write_files(self._cluster.member(NEWCOMER).directory, self._newborn[NEWCOMER])
        self._page.reset()
        await self._cluster.start(VICTIM, "--bootstrap")
        await self._cluster.start(NEWCOMER)
        try:
            found = await self._read_all()
            for what in ledger.contradictions(found):
                self._violate(what)
            await self._cluster.start(PARTNER)
            states = await agree(self._cluster, AGREE_TIMEOUT_S)
            if states is None or len(set(states.values())) > 1:
                self._violate(f"the three do not come to hold the same: {states}")
        except PaxoskvError as error:
            self._violate(f"victim and newcomer do not serve: {error}")
        for node in self._cluster.nodes:
            await self._cluster.kill(node)

    async def _read_all(self) -> dict[str, str]:
        """Return every key and value. Raises: PaxoskvError."""
        async with connect(self._cluster.endpoints, timeout_s=READ_TIMEOUT_S) as kv:
            return {entry.key.decode(): entry.value.decode() async for entry in kv.scan()}
