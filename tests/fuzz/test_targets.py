"""A short run of the fuzzer over every port and decoder, and that the fuzzer sees (H1 to H3, H14).

`python -m scripts.fuzz` is the long one.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from paxoskv.kv import machine
from paxoskv.net.protocol import ProtocolError
from paxoskv.node.clients import ClientStream
from scripts.fuzz import run as fuzz_run
from scripts.fuzz.noise import Noise
from scripts.fuzz.run import TARGETS, Job, Outcome, jobs_for, run_job, run_jobs
from scripts.fuzz.target import REFUSED, TAKEN, Tally, Target, decoder

ROOT = Path(__file__).parents[2]
NAMES = [target.name for target in TARGETS]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_escapes_and_nothing_is_hoarded(name: str) -> None:
    """Every input ends in an answer, a documented error or a closed connection, and sound clients are served after."""
    outcome = run_job(Job(name, seed=2024, first=0, count=3))
    assert outcome.flaws == []
    assert outcome.tally.outcomes[TAKEN] > 0, "noise that is never understood tests the first check alone"
    assert outcome.tally.outcomes[REFUSED] > 0


def test_a_seed_repeats_itself() -> None:
    first, second = (run_job(Job("peer-port", seed=5, first=2, count=1)) for _ in range(2))
    assert first.tally == second.tally


def breaks_machine(patch: pytest.MonkeyPatch) -> None:
    """A write of an unknown session raises."""
    patch.setattr(machine, "SESSION_EXPIRED", None)
    patch.setattr(machine.Machine, "_reply", lambda self, code, *extra: (code + 0, 0, 0, *extra))


def breaks_requests(patch: pytest.MonkeyPatch) -> None:
    """A request without a number raises something undocumented."""
    original = ClientStream._on_request

    def on_request(self: ClientStream, fields: tuple[object, ...]) -> None:
        if len(fields) < 2:
            raise IndexError("no number")
        original(self, fields)

    patch.setattr(ClientStream, "_on_request", on_request)


def breaks_links(patch: pytest.MonkeyPatch) -> None:
    """Whatever a peer says raises something undocumented."""
    patch.setattr("paxoskv.node.mesh.Mesh.on_payload", _raise_key_error)


def _raise_key_error(*arguments: object) -> None:
    raise KeyError("a peer")


@pytest.mark.parametrize(
    ("name", "break_it"),
    [("commands", breaks_machine), ("client-port", breaks_requests), ("peer-port", breaks_links)],
)
def test_an_error_that_escapes_is_found(
    name: str, break_it: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    outcome = run_job(Job(name, seed=1, first=0, count=3))
    assert outcome.flaws
    assert {flaw.target for flaw in outcome.flaws} == {name}
    assert " out of " in outcome.flaws[0].message, "a finding shows the input"


def test_a_node_that_serves_nobody_afterwards_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.fuzz.town.PATIENCE_TICKS", 30)
    monkeypatch.setattr("paxoskv.node.proposals.Proposals.submit", lambda self, command, waiter: None)
    outcome = run_job(Job("client-port", seed=1, first=0, count=1))
    assert ["no client was served" in flaw.message for flaw in outcome.flaws] == [True]


async def test_a_decoder_may_raise_what_it_documents_and_nothing_else() -> None:
    def take(number: int) -> None:
        if number == 2:
            raise ProtocolError("two")
        if number == 3:
            raise ValueError("three")

    numbers = iter((1, 2, 3))
    run, tally = decoder(lambda noise: next(numbers), take, ProtocolError), Tally()
    with pytest.raises(Exception, match="ValueError: three, out of 3"):
        await run(Noise(Random(1)), 3, tally)
    assert dict(tally.outcomes) == {TAKEN: 1, REFUSED: 1}


def test_jobs_share_the_inputs_among_all_targets() -> None:
    jobs = list(jobs_for(TARGETS, 100_000, seed=1, first=5))
    share = 100_000 // len(TARGETS)
    for target in TARGETS:
        batches = [
            batch for job in jobs if job.target == target.name for batch in range(job.first, job.first + job.count)
        ]
        assert batches == list(range(5, 5 + len(batches)))
        assert 0 <= len(batches) * target.inputs - share < target.inputs


def test_outcomes_of_several_jobs_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(noise: Noise, inputs: int, tally: Tally) -> None:
        for _ in range(inputs):
            tally.count(TAKEN)
        if noise.rng.random() < 0.5:
            raise KeyError("now and then")

    monkeypatch.setattr(fuzz_run, "TARGETS", (Target("fake", 10, run),))
    told: list[Outcome] = []
    total = run_jobs([Job("fake", 1, 0, 30), Job("fake", 1, 30, 30)], 1, told.append)
    assert total["fake"].tally.inputs == 600
    assert len(told) == 2
    assert 5 < len(total["fake"].flaws) < 55


def test_the_command_prints_one_document(tmp_path: Path) -> None:
    options = ["--inputs", "1", "--target", "frames", "--target", "cards", "--jobs", "2", "-o", "json"]
    output = subprocess.check_output([sys.executable, "-m", "scripts.fuzz", *options], cwd=ROOT, timeout=100)
    document = json.loads(output)
    assert document["inputs"] == 2000
    assert document["flaws"] == []
    assert set(document["targets"]) == {"frames", "cards"}


def test_batches_run_inside_a_loop_of_their_own() -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
