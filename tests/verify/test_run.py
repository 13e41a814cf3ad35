"""Whole runs on real processes: a sound cluster passes, a lie fails, and the command says so with its exit code."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paxoskv import Client, PutResult, connect
from paxoskv.checker import judge, read_history
from paxoskv.cli.app import run as run_command
from paxoskv.verifier.faults import FAULTS
from paxoskv.verifier.run import Options, Run
from paxoskv.verifier.verdict import judge_run
from tests.support import processes_with

pytestmark = pytest.mark.cluster

QUICK = "kill,pause,partition-one,loss,duplicate,garbage"
SEED = 20


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command in this process; return its exit code, standard output and standard error."""

    def call_now(*arguments: str) -> tuple[int, str, str]:
        code = run_command(["verify", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call_now


def test_a_short_run_passes_and_leaves_a_history_and_a_page(tmp_path: Path) -> None:
    report, history = tmp_path / "report.html", tmp_path / "history.jsonl"
    arguments = ["--seconds", "10", "--clients", "4", "--faults", QUICK, "--seed", str(SEED), "-o", "json"]
    line = [sys.executable, "-m", "paxoskv", "verify", *arguments, "--report", str(report), "--history", str(history)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert (document["passed"], document["linearizable"], document["digests_equal"]) == (True, True, True)
    assert (document["lost_writes"], document["surprises"], document["seed"]) == (0, [], SEED)
    assert document["ops"] > 100
    assert sum(document["faults"].values()) >= 2
    assert set(document["faults"]) | set(document["not_run"]) == set(QUICK.split(","))
    verdict = judge(read_history(history))
    assert verdict.acceptable is True
    assert verdict.operations == document["ops"]
    assert "paxoskv verify: passed" in report.read_text(encoding="utf-8")


class Liar:
    """A client of the real cluster that reports every put as done and sends none."""

    def __init__(self, endpoints: Any, timeout_s: float) -> None:
        self._client = connect(endpoints, timeout_s=timeout_s)

    async def __aenter__(self) -> Liar:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._client.__aexit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def put(self, key: bytes, value: bytes) -> PutResult:
        seen = await self._client.get(key)
        return PutResult(seen.revision, seen.slot, seen.ballot)


async def test_a_cluster_that_lies_is_found_out(tmp_path: Path) -> None:
    """Acknowledged and not written: the judge has to see it, else no verdict of it is worth anything."""
    options = Options(tmp_path, 3, 3.0, 4, SEED, [FAULTS["delay"]], {})

    def lying(endpoints: Any, timeout_s: float) -> Client:
        liar: Any = Liar(endpoints, timeout_s)
        return liar  # type: ignore[no-any-return]

    evidence = await Run(options, io.StringIO(), lying).evidence()
    verdict = judge_run(evidence)
    assert verdict.linearizable is False
    assert not verdict.passed


def test_a_run_that_failed_says_so_and_keeps_everything(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evidence is sound; the judge is made to find a lost write in it."""
    monkeypatch.setattr(
        "paxoskv.cli.verify.judge_run", lambda evidence: replace(judge_run(evidence), lost_writes=("key: gone",))
    )
    directory = tmp_path / "kept"
    code, out, _ = call("--seconds", "1", "--clients", "1", "--faults", "delay", "--dir", str(directory))
    assert code == 1
    assert out.startswith("verify: FAILED")
    assert "BAD  1 acknowledged writes lost" in out
    assert "lost: key: gone" in out
    assert {"report.html", "history.jsonl", "node1", "node1.log", "node1.toml"} <= set(os.listdir(directory))


def test_a_cluster_that_does_not_start_is_no_verdict(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paxoskv.testbed.process.sys", SimpleNamespace(executable=shutil.which("false")))
    code, out, err = call("--seconds", "1", "--dir", str(tmp_path / "run"))
    assert (code, out) == (3, "")
    assert "node 1 does not start" in err


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    mark = f"interrupted-{os.getpid()}-{tmp_path.name}"
    line = [sys.executable, "-m", "paxoskv", "verify", "--seconds", "100", "--dir", str(tmp_path / "run")]
    process = subprocess.Popen(
        line, env={**os.environ, "VERIFY_TEST_MARK": mark}, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        wait_for(lambda: len(processes_with("VERIFY_TEST_MARK", mark)) >= 5)  # itself, the proxies, three nodes
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    wait_for(lambda: processes_with("VERIFY_TEST_MARK", mark) == {})


def wait_for(condition: Callable[[], bool], within_s: float = 60) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "not in time"
        time.sleep(0.02)


def test_the_list_names_every_fault(call: Call) -> None:
    code, out, _ = call("--faults", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(FAULTS)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--faults", "kill,earthquake"], "there is no fault 'earthquake'"),
        (["--nodes", "4"], "'4' is not one of '3', '5'"),
        (["--seconds", "0"], "--seconds"),
        (["--exhaustive", "bits"], "--exhaustive"),
        (["--history", "/no/such/directory/h.jsonl"], "cannot write /no/such/directory/h.jsonl"),
        (["--report", "/no/such/directory/r.html"], "cannot write /no/such/directory/r.html"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Call, arguments: list[str], complaint: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert complaint in err


def test_a_directory_with_something_in_it_is_not_used(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    code, _, err = call("--dir", str(tmp_path))
    assert code == 2
    assert "is not empty" in err
    assert (tmp_path / "mine").read_text() == "precious"
