"""The plan of faults: made by the seed alone, every kind once before any comes again."""

from __future__ import annotations

from itertools import islice

import pytest

from paxoskv.node.config import load
from paxoskv.verifier.faults import FAULTS, Lane, Need
from paxoskv.verifier.schedule import plan, tuning
from paxoskv.verifier.torment import unavailable

ALL = list(FAULTS.values())
REQUIRED = {
    "kill",
    "kill-all",
    "pause",
    "restart-loop",
    "partition-one",
    "partition-halves",
    "partition-oneway",
    "quorum-loss",
    "constrained",
    "chained",
    "flap",
    "delay",
    "loss",
    "duplicate",
    "reorder",
    "corrupt",
    "slow-fsync",
    "hung-fsync",
    "fsync-error",
    "disk-full",
    "clock-step",
    "clock-skew",
    "flip-bytes",
    "truncate",
    "emptied-directory",
    "swapped-directories",
    "stale-backup",
    "blocked-log-pipe",
    "sigterm",
    "rolling-restart",
    "second-process",
    "garbage",
}


def test_every_kind_that_was_promised_is_there() -> None:
    assert set(FAULTS) >= REQUIRED
    assert len(FAULTS) >= 28  # pitfalls C.0: real-process fault kinds


@pytest.mark.parametrize("name", FAULTS)
def test_a_declaration_is_complete(name: str) -> None:
    fault = FAULTS[name]
    assert fault.name == name
    assert fault.description
    assert fault.pitfall
    assert 0 <= fault.hold_s[0] <= fault.hold_s[1] <= 10


def test_the_same_seed_makes_the_same_plan_and_another_one_another() -> None:
    first, again, other = (list(islice(plan(seed, ALL), 100)) for seed in (1, 1, 2))
    assert first == again != other


def test_every_kind_comes_once_before_any_comes_again() -> None:
    episodes = list(islice(plan(3, ALL), 2 * len(ALL)))
    for deck in (episodes[: len(ALL)], episodes[len(ALL) :]):
        assert sorted(episode.fault.name for episode in deck) == sorted(FAULTS)
    assert [episode.fault for episode in episodes[: len(ALL)]] != [episode.fault for episode in episodes[len(ALL) :]]


def test_faults_stand_as_long_as_declared() -> None:
    for episode in islice(plan(4, ALL), 300):
        assert episode.fault.hold_s[0] <= episode.hold_s <= episode.fault.hold_s[1]


def test_the_seed_tunes_the_nodes_and_every_tuning_is_a_configuration() -> None:
    assert tuning(1) == tuning(1)
    drawn = [tuning(seed) for seed in range(60)]
    assert {settings["window"] for settings in drawn} == {1, 2, 16}
    for settings in drawn:
        flags = {key: str(value) for key, value in settings.items()}
        load({"node": "1", "dir": "d", "cluster": "1=127.0.0.1:1", **flags}, {})


def test_without_faults_there_is_no_plan() -> None:
    assert list(plan(1, [])) == []


def test_both_lanes_have_work() -> None:
    assert {fault.lane for fault in ALL} == set(Lane)


def test_what_cannot_be_injected_says_why() -> None:
    assert "needs 5 nodes" in str(unavailable(FAULTS["quorum-loss"], 3, None))
    assert unavailable(FAULTS["quorum-loss"], 5, None) is None
    assert "no compiler" in str(unavailable(FAULTS["disk-full"], 5, "no compiler"))
    assert unavailable(FAULTS["disk-full"], 3, None) is None
    without_shim = [fault for fault in ALL if Need.SHIM not in fault.needs and Need.FIVE_NODES not in fault.needs]
    assert all(unavailable(fault, 3, "no compiler") is None for fault in without_shim)
