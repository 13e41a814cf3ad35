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
    test, message: the first test that failed. seeds: None if the simulated world was not asked.
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


class Unsound(RuntimeError):
    """The tests fail without any mutant: no verdict would mean anything."""


def check_baseline(repository: Path, tests: Sequence[str], timeout_s: float, jobs: int) -> None:
    """Run `tests` on an unchanged copy, with everything that only a copy can break. Raises: Unsound."""
    with TemporaryDirectory(prefix="paxoskv-mutants-") as directory:
        place = Workplace(repository, Path(directory) / "unchanged")
        try:
            options = ["-n", str(jobs)] if jobs > 1 else []
            finding = place.first_failure(tests, timeout_s, *options)
        except BrokenRun as error:
            raise Unsound(f"the tests cannot run on an unchanged copy: {error}") from error
    if finding is not None:
        raise Unsound(f"without any mutant {finding.test} fails: {finding.message}")


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
    """Let one mutant meet its tests, the simulated world and, if it still lives, all other tests."""
    began_s = time.monotonic()
    finding: Finding | None = None
    seeds: Seeds | None = None
    try:
        with place.inhabited_by(mutant):
            finding = place.first_failure(mutant.tests, limits.timeout_s)
            if mutant.simulated and limits.seeds:
                seeds = place.seeds_to_kill(limits.seeds, limits.seeds_s)
            if finding is None and (seeds is None or seeds.failed is None):
                finding = place.first_failure((*SUITES, *LAST_SUITES), limits.timeout_s)
    except (DoesNotApply, SyntaxError, BrokenRun) as error:
        return Verdict(mutant, INVALID, "", str(error), seeds, time.monotonic() - began_s)
    wall_s = time.monotonic() - began_s
    if finding is not None and finding.test == TIMEOUT:
        return Verdict(mutant, INVALID, "", finding.message, seeds, wall_s)
    if finding is not None:
        return Verdict(mutant, KILLED, finding.test, finding.message, seeds, wall_s)
    status = KILLED if seeds is not None and seeds.failed is not None else SURVIVED
    return Verdict(mutant, status, "", "", seeds, wall_s)
