"""Whole runs of the simulator: they pass, they repeat themselves, and they see what is broken on purpose."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from paxoskv.simulator import CATALOGUE, MARKS, Plan, draw, run_plan, run_seed, run_seeds

HASHES = """
from paxoskv.simulator import run_seed
print([run_seed(seed).trace_hash for seed in range(1, 7)])
"""


@pytest.mark.parametrize("seed", range(1, 41))
def test_nothing_is_broken_by_any_fault(seed: int) -> None:
    result = run_seed(seed)
    assert result.passed, result.violation


@pytest.mark.parametrize("seed", range(1, 6))
def test_without_faults_nothing_is_lost_or_unknown(seed: int) -> None:
    result = run_seed(seed, kinds=())
    assert result.passed, result.violation
    assert not result.faults
    assert not result.marks["quarantine"]


def test_a_seed_always_lives_the_same_life() -> None:
    first, second = run_seed(11), run_seed(11)
    assert first.trace_hash == second.trace_hash
    assert (first.events, first.messages, first.marks) == (second.events, second.messages, second.marks)
    assert first.trace_hash != run_seed(12).trace_hash


def test_a_life_does_not_depend_on_the_order_of_sets() -> None:
    """P44: the same traces under two values of PYTHONHASHSEED, each in a process of its own."""
    outputs = set()
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", HASHES]
        outputs.add(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
    assert len(outputs) == 1, outputs


def test_several_processes_find_what_one_finds() -> None:
    alone = run_seeds(range(1, 9), 3, tuple(CATALOGUE), jobs=1)
    together = run_seeds(range(1, 9), 3, tuple(CATALOGUE), jobs=2)
    assert (alone.passed, alone.failed, alone.messages) == (together.passed, together.failed, together.messages)
    assert (alone.faults, alone.marks) == (together.faults, together.marks)


def test_the_faults_happen() -> None:
    """A simulator whose clients never succeeded, or whose nodes never failed, would prove nothing."""
    totals = run_seeds(range(1, 31), None, tuple(CATALOGUE), jobs=1)
    assert totals.operations > 2_000
    assert len(totals.faults) > 35
    assert len([mark for mark in MARKS if totals.marks[mark]]) > 50


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("rotten votes", "phase 1 meets a faulty slot"),
        ("rotten votes", "phase 1 waits for a faulty slot"),
        ("rotten votes", "promise repeated"),
        ("rotten votes", "parts of two answers"),
        ("late promises", "stale promise"),
    ],
)
def test_faults_made_for_elections_bring_what_is_rare(kind: str, mark: str) -> None:
    assert any(run_seed(seed, kinds=(kind,)).marks[mark] for seed in range(1, 101))


def test_a_plan_survives_being_written_down() -> None:
    plan = draw(5)
    assert Plan.from_json(plan.to_json()) == plan
    assert run_plan(Plan.from_json(plan.to_json())).trace_hash == run_seed(5).trace_hash


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 99, "events": []}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Plan.from_json(text)
