"""Judges mutants, several at a time, each in a copy of the repository of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from scripts.mutants.mutant import DoesNotApply, Mutant
from scripts.mutants.workplace import TIMEOUT, BrokenRun, Finding, Seeds, Workplace

SUITES = ("tests/paxos", "tests/paper", "tests/kv", "tests/net", "tests/fuzz", "tests/storage", "tests/node")
LAST_SUITES = ("tests/client",)
"""What a mutant meets that survived the tests it names, the quick ones first."""

KILLED, SURVIVED, INVALID = "killed", "survived", "invalid"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant.

    status: KILLED by a test or by a seed; SURVIVED everything; INVALID if it could not be judged: the code has moved,
            does not run, or the tests did not come to an end. A test that hangs, by contrast, has seen something.
    test, message: the first test that failed, or why there is no verdict.
    seeds: None if the simulated world was not asked.
    """

    mutant: Mutant
    status: str
    test: str
    message: str
    seeds: Seeds | None
    wall_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """timeout_s: for one run of tests. seeds: lives in the simulated world, 0 for none; seeds_s: for all of them."""

    timeout_s: float
    seeds: int
    seeds_s: float


def judge_all(
    repository: Path, mutants: Sequence[Mutant], limits: Limits, jobs: int, told: Callable[[Verdict], None]
) -> list[Verdict]:
    """Return a verdict for each mutant, in their order; `told` hears of each as soon as it is there."""
    places: SimpleQueue[Workplace] = SimpleQueue()

    def judge_here(mutant: Mutant) -> Verdict:
        place = places.get()
        try:
            verdict = judge(place, mutant, limits)
        finally:
            places.put(place)
        told(verdict)
        return verdict

    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="paxoskv-mutants-")))
        everywhere = [Workplace(repository, directory / str(number)) for number in range(jobs)]
        for place in everywhere:
            places.put(place)
        pool = ThreadPoolExecutor(jobs)
        stack.callback(pool.shutdown)
        for place in everywhere:
            stack.callback(place.stop)  # an interrupted run does not wait for its tests
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        return list(pool.map(judge_here, mutants))


def judge(place: Workplace, mutant: Mutant, limits: Limits) -> Verdict:
    """Let one mutant meet its tests, the simulated world and, if it still lives, all other tests.

    What killed it has to pass without it: a test that fails anyhow has seen nothing.
    """
    began_s = time.monotonic()
    seeds: Seeds | None = None
    status, test, message = INVALID, "", ""
    try:
        with place.inhabited_by(mutant):
            finding = place.first_failure(mutant.tests, limits.timeout_s)
            if mutant.simulated and limits.seeds:
                seeds = place.seeds_to_kill(limits.seeds, limits.seeds_s)
            seed = seeds.failed if seeds is not None else None
            if finding is None and seed is None:
                finding = place.first_failure((*SUITES, *LAST_SUITES), limits.timeout_s)
        if finding is not None:
            test, message = finding.test, finding.message
            status = KILLED if _passes(place, finding, limits) else INVALID
        elif seed is not None:
            status = KILLED if _survives_to(place, seed, limits) else INVALID
        else:
            status = SURVIVED
    except (DoesNotApply, SyntaxError, BrokenRun) as error:
        message = str(error)
    return Verdict(mutant, status, test, message, seeds, time.monotonic() - began_s)


def _passes(place: Workplace, finding: Finding, limits: Limits) -> bool:
    """Whether the test passes in the place as it is, with all of its parameters."""
    if finding.test == TIMEOUT:
        return False
    again = place.first_failure([finding.test.partition("[")[0]], limits.timeout_s)
    if again is not None:
        raise BrokenRun(f"without the mutant {again.test} fails as well: {again.message}")
    return True


def _survives_to(place: Workplace, seed: int, limits: Limits) -> bool:
    """Whether nothing is wrong up to `seed` in the place as it is."""
    again = place.seeds_to_kill(seed, limits.seeds_s)
    if again is not None and again.failed is not None:
        raise BrokenRun(f"without the mutant seed {again.failed} fails as well: {again.message}")
    return True
