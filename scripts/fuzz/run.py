"""Runs batches of all targets, in this process or in several, and adds up what became of the inputs."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from random import Random

from scripts.fuzz.clients import CLIENTS
from scripts.fuzz.decoders import DECODERS
from scripts.fuzz.noise import Noise
from scripts.fuzz.ports import PORTS
from scripts.fuzz.target import Tally, Target

TARGETS: tuple[Target, ...] = (*DECODERS, *PORTS, *CLIENTS)
BATCHES_PER_JOB = 10


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something escaped. batch: what repeats it, with the same seed and target."""

    target: str
    batch: int
    message: str
    traceback: str


@dataclass(slots=True)
class Outcome:
    """What some batches of one target came to. memory_bytes: by how much the peak of the process rose."""

    target: str
    tally: Tally = field(default_factory=Tally)
    wall_s: float = 0.0
    memory_bytes: int = 0
    flaws: list[Flaw] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Add other batches of the same target."""
        self.tally.add(other.tally)
        self.wall_s += other.wall_s
        self.memory_bytes = max(self.memory_bytes, other.memory_bytes)
        self.flaws += other.flaws


@dataclass(frozen=True, slots=True)
class Job:
    """Batches first..first + count - 1 of one target under one seed."""

    target: str
    seed: int
    first: int
    count: int


def run_job(job: Job) -> Outcome:
    """Run the batches of a job; the first flaw of a batch ends that batch alone."""
    target = next(one for one in TARGETS if one.name == job.target)
    outcome = Outcome(job.target)
    began_s, before_bytes = time.monotonic(), peak_bytes()
    for batch in range(job.first, job.first + job.count):
        noise = Noise(Random(f"{job.seed}/{job.target}/{batch}"))
        try:
            asyncio.run(target.run(noise, target.inputs, outcome.tally))
        except Exception as error:  # noqa: BLE001 (whatever escapes is what we look for)
            message = f"{type(error).__name__}: {error}"
            outcome.flaws.append(Flaw(job.target, batch, message, "".join(traceback.format_exception(error))))
        outcome.memory_bytes = max(outcome.memory_bytes, peak_bytes() - before_bytes)
    outcome.wall_s = time.monotonic() - began_s
    return outcome


def jobs_for(targets: Sequence[Target], inputs: int, seed: int, first: int) -> Iterator[Job]:
    """Yield jobs of about `inputs` inputs in all, the targets in turn, so that a run cut short has seen them all."""
    share = max(inputs // len(targets), 1)
    batches = {target.name: -(-share // target.inputs) for target in targets}
    at = 0
    while any(at < count for count in batches.values()):
        for name, count in batches.items():
            if at < count:
                yield Job(name, seed, first + at, min(BATCHES_PER_JOB, count - at))
        at += BATCHES_PER_JOB


def run_jobs(jobs: Sequence[Job], processes: int, told: Callable[[Outcome], None]) -> dict[str, Outcome]:
    """Run all jobs, several at a time; `told` hears of each. Returns the outcomes by target."""
    total: dict[str, Outcome] = {}

    def take(outcome: Outcome) -> None:
        total.setdefault(outcome.target, Outcome(outcome.target)).add(outcome)
        told(outcome)

    if processes == 1:
        for job in jobs:
            take(run_job(job))
        return total
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for outcome in pool.map(run_job, jobs):
            take(outcome)
    return total


def peak_bytes() -> int:
    """Return the most memory that this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
