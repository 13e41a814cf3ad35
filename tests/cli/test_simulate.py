"""`paxoskv simulate`: what it prints, with which exit code, and that a saved failure can be run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paxoskv.cli import app, simulate
from paxoskv.kv.sessions import Session
from paxoskv.simulator import CATALOGUE, MARKS, run_seed

KINDS = "reset,kill"
FIELDS = {
    "seeds",
    "first_seed",
    "passed",
    "failed",
    "fault_kinds",
    "messages",
    "simulated_s",
    "wall_s",
    "marks_hit",
    "marks",
}
"""Of `simulate`, in section 10 of the design: part of the interface."""


def run(*arguments: str) -> int:
    return app.run(["simulate", *arguments])


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    printed = capsys.readouterr().out
    loaded = json.loads(printed)
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(autouse=True)
def few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """To shrink a plan far takes a minute."""
    monkeypatch.setattr(simulate, "SHRINKING_RUNS_MAX", 25)


@pytest.fixture
def forgetful_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions keep no replies: a bug that the simulator sees in its first seeds."""
    monkeypatch.setattr(Session, "keep", lambda self, seq, reply: None)


def first_failing() -> str:
    """Return the first seed that fails under a bug: which one that is changes with everything that draws."""
    return str(next(seed for seed in range(1, 100) if not run_seed(seed, kinds=KINDS.split(",")).passed))


def test_seeds_that_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--seeds", "3", "--first-seed", "5", "--nodes", "3", "--jobs", "2", "-o", "json") == 0
    d = document(capsys)
    assert d.keys() >= FIELDS
    assert (d["seeds"], d["first_seed"], d["passed"], d["failed"]) == (3, 5, 3, [])
    assert d["fault_kinds"] == len(CATALOGUE) >= 30
    assert d["marks"] == len(MARKS) >= 60
    assert d["messages"] > 100
    assert d["marks_hit"] + len(d["marks_missed"]) == d["marks"]


def test_the_text_names_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--seeds", "2", "--faults", "kill,rot", "--jobs", "1") == 0
    printed = capsys.readouterr().out
    assert "2 of 2 seeds passed, from seed 1 on" in printed
    assert "faults of 2 kinds" in printed


def test_without_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--seeds", "1", "--faults", "none", "--jobs", "1", "-o", "json") == 0
    d = document(capsys)
    assert (d["fault_kinds"], d["faults_injected"]) == (0, 0)


@pytest.mark.usefixtures("forgetful_sessions")
def test_a_failing_seed_has_exit_code_1_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    seed = first_failing()
    assert run("--seeds", "1", "--first-seed", seed, "--faults", KINDS, "--jobs", "1", "-o", "json") == 1
    d = document(capsys)
    assert (d["passed"], d["failed"]) == (0, [int(seed)])
    assert "I6" in d["violations"][seed] or "I5" in d["violations"][seed]


@pytest.mark.usefixtures("forgetful_sessions")
def test_a_failure_is_shrunk_saved_and_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    assert run("--seed", first_failing(), "--faults", KINDS, "--save", str(file), "-o", "json") == 1
    d = document(capsys)
    assert d["saved"] == str(file)
    assert d["shrunk"]["faults"] <= sum(d["faults"].values())
    assert run("--replay", str(file), "-o", "json") == 1
    assert document(capsys)["violation"] == d["shrunk"]["violation"]


def test_a_plan_that_passes_again_has_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "keep", lambda self, seq, reply: None)
        assert run("--seed", first_failing(), "--faults", KINDS, "--save", str(file)) == 1
    assert run("--replay", str(file)) == 0
    assert "passed" in capsys.readouterr().out


def test_a_story_tells_messages_and_faults(capsys: pytest.CaptureFixture[str]) -> None:
    seed = next(seed for seed in range(1, 100) if run_seed(seed).faults)
    assert run("--seed", str(seed), "--trace") == 0
    printed = capsys.readouterr().out
    assert "Accepted" in printed
    assert "FAULT" in printed
    assert f"seed {seed} passed" in printed


def test_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list-faults", "-o", "json") == 0
    d = document(capsys)
    assert [fault["name"] for fault in d["faults"]] == list(CATALOGUE)
    assert d["marks"] == MARKS
    assert run("--list-faults") == 0
    assert "zombie leader" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--faults", "gremlins"], "no fault called 'gremlins'"),
        (["--nodes", "4"], "'4' is not one of"),
        (["--seeds", "0"], "--seeds"),
        (["--trace"], "--seed or --replay"),
        (["--save", "x"], "--seed or --replay"),
        (["--replay", "/nowhere"], "does not exist"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert told in capsys.readouterr().err


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    file.write_text('{"format": 7}')
    assert run("--replay", str(file)) == 2
    assert "cannot be replayed" in capsys.readouterr().err
