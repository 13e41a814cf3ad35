"""Many seeds, on several processes: each reads seeds from its standard input and writes results to its output."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock

from paxoskv.simulator.run import Result, run_seed


@dataclass(slots=True)
class Totals:
    """The sum of many results. failed: seed -> what went wrong."""

    passed: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    messages: int = 0
    operations: int = 0
    simulated_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        """Count one more run."""
        if result.passed:
            self.passed += 1
        else:
            self.failed[result.seed] = result.violation
        self.messages += result.messages
        self.operations += result.operations
        self.simulated_s += result.simulated_s
        self.faults += result.faults
        self.marks += result.marks


class WorkerDied(Exception):
    """A process that ran seeds has ended: its error is on our standard error."""


def run_seeds(
    seeds: Iterable[int],
    nodes: int | None,
    kinds: Sequence[str],
    jobs: int,
    on_result: Callable[[Result], None] = lambda result: None,
) -> Totals:
    """Run every seed and return the sum; `on_result` hears of each as it ends, in any order. Raises: WorkerDied."""
    totals = Totals()
    results = _one_by_one(seeds, nodes, kinds) if jobs == 1 else _side_by_side(seeds, nodes, kinds, jobs)
    for result in results:
        totals.add(result)
        on_result(result)
    return totals


def _one_by_one(seeds: Iterable[int], nodes: int | None, kinds: Sequence[str]) -> Iterator[Result]:
    for seed in seeds:
        yield run_seed(seed, nodes, kinds)


def _side_by_side(seeds: Iterable[int], nodes: int | None, kinds: Sequence[str], jobs: int) -> Iterator[Result]:
    """One thread per process gives it the next seed as soon as it has a result of the one before."""
    left, lock = iter(seeds), Lock()
    results: SimpleQueue[Result | BaseException | None] = SimpleQueue()

    def next_seed() -> int | None:
        with lock:
            return next(left, None)

    def drive() -> None:
        try:
            with _Worker(nodes, kinds) as worker:
                while (seed := next_seed()) is not None:
                    results.put(worker.run(seed))
        except BaseException as error:
            results.put(error)
            raise
        results.put(None)

    with ThreadPoolExecutor(jobs, thread_name_prefix="simulate") as threads:
        for _ in range(jobs):
            threads.submit(drive)
        running = jobs
        while running:
            result = results.get()
            if isinstance(result, Result):
                yield result
            elif result is None:
                running -= 1
            else:
                left = iter(())
                raise result


class _Worker:
    """A process that runs one seed after another."""

    def __init__(self, nodes: int | None, kinds: Sequence[str]) -> None:
        command = [sys.executable, "-m", "paxoskv.simulator.worker", json.dumps([nodes, list(kinds)])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, seed: int) -> Result:
        """Return the result of one seed. Raises: WorkerDied."""
        requests, results = self._process.stdin, self._process.stdout
        assert requests is not None, "a worker reads from a pipe"
        assert results is not None, "a worker writes to a pipe"
        requests.write(f"{seed}\n")
        requests.flush()
        line = results.readline()
        if not line:
            raise WorkerDied(f"the process that ran seed {seed} ended with code {self._process.wait()}")
        return Result.from_json(line)
