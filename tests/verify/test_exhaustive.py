"""The exhaustive runs in a short form, and that they would see a journal which does not keep its word."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from paxoskv.cli.app import run as run_command
from paxoskv.testbed.shim.compiled import prepare
from paxoskv.verifier.exhaustive import flips, syncs
from paxoskv.verifier.exhaustive.crash import Loss
from paxoskv.verifier.exhaustive.syncs import Ledger, SyncRun, Tally
from paxoskv.verifier.run import CannotRun

pytestmark = pytest.mark.cluster

HASTY = """
import paxoskv.storage.connection as module
module.SETTINGS = tuple(
    (name, "NORMAL", 1) if name == "synchronous" else (name, value, expected)
    for name, value, expected in module.SETTINGS
)
"""
"""Run by Python when a node starts: the journal then takes a commit for durable that was never synced (P7)."""


@pytest.fixture(autouse=True, scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without the library syncs cannot be counted."""
    trouble = prepare(tmp_path_factory.mktemp("probe")).trouble
    if trouble is not None:
        pytest.skip(f"no library under nodes here: {trouble}")


def quietly(tally: Tally) -> None:
    """Nobody looks."""


async def run_at(root: Path, choose: Callable[[int], list[int]]) -> Tally:
    return await SyncRun(root, choose, quietly).run()


async def test_a_kill_at_a_sync_loses_nothing(tmp_path: Path) -> None:
    tally = await run_at(tmp_path, lambda count: [count * 3 // 4])
    assert tally.violations == []
    assert (tally.points, tally.restarts) == (1, len(Loss))
    assert tally.syncs > 30
    assert tally.acknowledged > 0


async def test_a_journal_that_does_not_sync_its_commits_is_found_out(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(HASTY)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setattr(syncs, "AGREE_TIMEOUT_S", 5.0)
    monkeypatch.setattr(syncs, "Loss", [Loss.LOST])
    tally = await run_at(tmp_path, lambda count: [count - 2])
    assert any("was acknowledged and is gone" in what for what in tally.violations), tally


async def test_a_script_that_cannot_be_followed_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was tried, nothing has passed."""
    monkeypatch.setattr(syncs, "WRITE_TIMEOUT_S", 0.05)
    monkeypatch.setattr("paxoskv.testbed.process.sys", SimpleNamespace(executable=shutil.which("false")))
    with pytest.raises(CannotRun, match="came to no end"):
        await run_at(tmp_path, lambda count: [1])


async def test_a_sync_that_does_not_come_is_not_counted_as_passed(tmp_path: Path) -> None:
    tally = await run_at(tmp_path, lambda count: [count + 1000])
    assert (tally.points, tally.unreached, tally.restarts) == (0, 1, 0)


def test_a_run_without_a_single_kill_does_not_pass(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pretend(self: SyncRun) -> Tally:
        return Tally(syncs=50)

    monkeypatch.setattr(SyncRun, "run", pretend)
    assert run_command(["verify", "--exhaustive", "syncs", "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def test_the_ledger_knows_what_was_promised() -> None:
    ledger = Ledger()
    ledger.acknowledged = {"a": "1", "b": "2"}
    ledger.open = {"c": "3", "d": "4"}
    assert list(ledger.contradictions({"a": "1", "b": "2", "c": "3"})) == []
    assert list(ledger.contradictions({"a": "1"})) == ["b was acknowledged and is gone"]
    assert list(ledger.contradictions({"a": "1", "b": "9"})) == [
        "b was acknowledged and is changed",
        "b holds what was never written there",
    ]
    assert list(ledger.contradictions({"a": "1", "b": "2", "e": "5"})) == ["e holds what was never written there"]


def test_the_command_prints_counts_of_flips(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_of = flips.sample_of
    monkeypatch.setattr(flips, "sample_of", lambda found: list(sample_of(found))[:2])
    code = run_command(["verify", "--exhaustive", "bytes", "--every", "2000", "-o", "json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document["violations"]
    outcomes = ("harmless", "repaired", "refused", "disowned", "crashed", "silent")
    assert sum(document[name] for name in outcomes) == document["flips"]
    assert document["flips"] > document["bytes"] // 2000
    assert (document["silent"], document["crashed"], document["violations"]) == (0, 0, [])
    assert sum(document["real"].values()) == document["real_starts"] == 2


def test_the_command_prints_counts_of_kills_and_fails_on_violations(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pretend(self: SyncRun) -> Tally:
        return Tally(syncs=50, points=5, restarts=15, acknowledged=400, violations=["sync 7: gone"])

    monkeypatch.setattr(SyncRun, "run", pretend)
    code = run_command(["verify", "--exhaustive", "syncs", "--every", "10"])
    out = capsys.readouterr().out
    assert code == 1
    assert "killed at 5 of the 50 syncs" in out
    assert "400 acknowledged writes were looked for in 15 restarts: 1 violations" in out
    assert "sync 7: gone" in out
