"""Injects fault after fault, in lanes side by side, and mends everything in the end."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from paxoskv.verifier.faults import FAULTS, Fault, Lane, Need
from paxoskv.verifier.schedule import Episode, plan
from paxoskv.verifier.stage import Stage


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault that was injected. It stood from `stood_ns` to `healing_ns`; injecting and healing take time as well.

    hit: what it hit, in words.
    """

    fault: str
    lane: str
    hit: str
    began_ns: int
    stood_ns: int
    healing_ns: int
    ended_ns: int


def unavailable(fault: Fault, nodes: int, shim_trouble: str | None) -> str | None:
    """Return why a fault cannot be injected here, None if it can."""
    if Need.FIVE_NODES in fault.needs and nodes < 5:
        return f"needs {Need.FIVE_NODES.value}"
    if Need.SHIM in fault.needs and shim_trouble is not None:
        return f"needs {Need.SHIM.value}: {shim_trouble}"
    return None


class Torment:
    """The faults of one run. injections: what was done. current: what stands now, by lane."""

    def __init__(self, stage: Stage, faults: list[Fault], seed: int) -> None:
        self.injections: list[Injection] = []
        self.current: dict[Lane, str] = {}
        self._stage = stage
        self._plans: dict[Lane, Iterator[Episode]] = {
            lane: plan(seed, [fault for fault in faults if fault.lane is lane]) for lane in Lane
        }

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind was injected, in the order of the declarations."""
        counted = Counter(injection.fault for injection in self.injections)
        return {name: counted[name] for name in FAULTS if counted[name]}

    async def run(self, until_s: float) -> None:
        """Inject faults until `until_s`, a time of the loop; what stands then is healed before this returns."""
        async with asyncio.TaskGroup() as group:
            for episodes in self._plans.values():
                group.create_task(self._run_lane(episodes, until_s))

    async def _run_lane(self, episodes: Iterator[Episode], until_s: float) -> None:
        loop = asyncio.get_running_loop()
        for episode in episodes:
            await asyncio.sleep(min(episode.rest_s, max(0.0, until_s - loop.time())))
            if loop.time() >= until_s:
                return
            await self._inject(episode)

    async def _inject(self, episode: Episode) -> None:
        fault = episode.fault
        began_ns = time.monotonic_ns()
        self.current[fault.lane] = fault.name
        async with fault.inject(self._stage, Random(episode.seed)) as hit:
            stood_ns = time.monotonic_ns()
            self.current[fault.lane] = f"{fault.name} ({hit})"
            await asyncio.sleep(episode.hold_s)
            healing_ns = time.monotonic_ns()
        del self.current[fault.lane]
        injection = Injection(fault.name, fault.lane.value, hit, began_ns, stood_ns, healing_ns, time.monotonic_ns())
        self.injections.append(injection)


async def mend(stage: Stage) -> None:
    """Heal every link, disk and clock, let every paused node go on, and start every node that does not run."""
    await stage.cluster.heal()
    await stage.bring_back_all(stage.cluster.nodes)
