"""Runs every plan that once failed: each was shrunk by `paxoskv simulate --seed N --save FILE`, and passes since."""

from __future__ import annotations

from pathlib import Path

import pytest

from paxoskv.simulator import CATALOGUE, Plan, run_plan
from paxoskv.simulator.knobs import KNOBS, turned
from paxoskv.simulator.world import World

PLANS = sorted((Path(__file__).parent / "regressions").glob("*.json"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_what_once_failed_passes(path: Path) -> None:
    result = run_plan(Plan.from_json(path.read_text(encoding="utf-8")))
    assert result.passed, result.violation


def test_there_are_plans_and_they_name_known_faults() -> None:
    assert PLANS
    for path in PLANS:
        assert {event.kind for event in Plan.from_json(path.read_text(encoding="utf-8")).events} <= CATALOGUE.keys()


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_exists(knob: str) -> None:
    """A constant that was renamed would make a run fail; here it is named."""
    with turned({knob: KNOBS[knob][0]}, {}, World(seed=1)):
        pass
