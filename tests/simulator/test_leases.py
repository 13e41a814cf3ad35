"""Lives with leases for reads (P24): they pass within the bound of the clocks, and are seen to fail beyond it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest

from paxoskv.paxos.lease import Hold, LeaderLease, LeaseTerms
from paxoskv.paxos.replica import Replica
from paxoskv.simulator import CATALOGUE, Plan, draw, run_plan
from paxoskv.simulator.leases import BEYOND_BOUNDS, LeaseWatch, with_leases
from paxoskv.simulator.run import Result

SEEDS = range(1, 201)


def lives(kinds: tuple[str, ...]) -> Iterator[Result]:
    """Live with leases under some kinds of faults, also such as break the bound of the clocks."""
    for seed in SEEDS:
        plan = draw(seed, kinds=kinds)
        leased = with_leases(replace(plan, events=()), Random(seed))
        yield run_plan(replace(leased, events=plan.events))


def first_failure(kinds: tuple[str, ...]) -> Result:
    for result in lives(kinds):
        if not result.passed:
            return result
    raise AssertionError(f"not seen in {len(SEEDS)} seeds")


@pytest.mark.parametrize("seed", range(1, 21))
def test_within_the_bound_every_read_is_linearizable(seed: int) -> None:
    result = run_plan(with_leases(draw(seed), Random(seed)))
    assert result.passed, result.violation


def test_a_share_of_the_seeds_has_leases_and_no_clock_beyond_its_bound() -> None:
    plans = [draw(seed) for seed in range(1, 401)]
    leased = [plan for plan in plans if plan.settings.get("lease_reads")]
    assert 60 < len(leased) < 140
    assert all(plan.habits["lease"] > 0 for plan in leased)
    assert {event.kind for plan in leased for event in plan.events}.isdisjoint(BEYOND_BOUNDS)
    assert set(BEYOND_BOUNDS) < CATALOGUE.keys()
    assert len({plan.settings["clock_drift_max"] for plan in leased}) == 3


def test_lives_of_another_process_have_leases_too() -> None:
    """It was handed a copy of the names of all faults."""
    assert all(draw(seed, kinds=list(CATALOGUE)) == draw(seed) for seed in range(1, 21))


def test_a_fault_that_is_asked_for_by_name_happens() -> None:
    assert not any(draw(seed, kinds=BEYOND_BOUNDS).settings.get("lease_reads") for seed in range(1, 101))


def test_such_a_life_can_be_written_down() -> None:
    plan = next(plan for plan in map(draw, SEEDS) if plan.settings.get("lease_reads"))
    assert Plan.from_json(plan.to_json()) == plan


def test_leases_are_used_and_run_out_and_hold_others_back() -> None:
    """A life in which nobody ever reads under a lease would prove nothing."""
    marks: Counter[str] = Counter()
    for result, _ in zip(lives(("kill", "pause", "isolate", "zombie leader")), range(12), strict=False):
        marks += result.marks
    assert marks["read under a lease"] > 500
    assert marks["leader without a lease has to ask"]
    assert marks["consent held back for a lease"]


def test_beyond_the_bound_somebody_leads_within_a_lease() -> None:
    assert first_failure(("zombie clock",)).rule == "P24"


def test_beyond_the_bound_a_client_reads_what_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody looking into the cores, the clients find out."""
    monkeypatch.setattr(LeaseWatch, "on_step", lambda self, replica: None)
    assert first_failure(("zombie clock",)).rule == "I4"


def without_the_hold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Hold, "is_on", lambda self, now: False)


def without_the_wait_after_a_start(patch: pytest.MonkeyPatch) -> None:
    begin = Hold.__init__
    patch.setattr(Hold, "__init__", lambda self, terms, now: begin(self, terms, float("-inf")))


def without_drift(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LeaseTerms, "leader_s", property(lambda self: self.length_s))


def without_a_quorum(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LeaderLease, "holds", lambda self, commit_slot, now: True)


def with_leases_that_outlive_the_leadership(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Replica,
        "has_lease",
        lambda self, now: bool(self._leader) or (self.grants_leases and self._election.leader is None),
    )


BUGS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], tuple[str, ...]]] = {
    "acceptors hold nothing back": (without_the_hold, ("hasty restart",)),
    "a restarted acceptor does not wait": (without_the_wait_after_a_start, ("hasty restart",)),
    "the errors of clocks are ignored": (without_drift, ("hasty restart", "clock drift")),
    "a leader counts on itself": (without_a_quorum, ("zombie leader",)),
    "whoever once led reads": (with_leases_that_outlive_the_leadership, ("zombie leader", "kill", "isolate")),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_broken_rule_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_it, kinds = BUGS[name]
    break_it(monkeypatch)
    assert first_failure(kinds).rule in ("P24", "I4")
