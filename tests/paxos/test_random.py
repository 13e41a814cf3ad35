"""Short random lives, seed by seed; a failure names its seed, which repeats it: `chaos.run(seed)`."""

from __future__ import annotations

import pytest

from tests.paxos import chaos

SEEDS = range(1, 241)


@pytest.mark.parametrize("seed", SEEDS)
def test_safe_under_faults_and_live_after_them(seed: int) -> None:
    chaos.run(seed)


def test_the_faults_happen() -> None:
    """A harness that never crashed or elected anybody would prove nothing."""
    lives = [chaos.run(seed).cluster for seed in range(1, 13)]
    assert max(max(node.life for node in cluster.nodes.values()) for cluster in lives) > 3
    assert max(cluster.oracle.ballots_used for cluster in lives) > 5
    assert max(len(cluster.chosen) for cluster in lives) > 100
    assert any(node.replica.log.compacted_slot for cluster in lives for node in cluster.nodes.values())
    assert {"ready", "failed"} <= {fate for cluster in lives for fate in cluster.reads_done.values()}


def test_a_seed_repeats_itself() -> None:
    first, second = chaos.run(7).cluster, chaos.run(7).cluster
    assert first.chosen == second.chosen
    assert first.reads_done == second.reads_done
