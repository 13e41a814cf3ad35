"""Lives with leases for reads: clocks that drift as far as agreed, and the watch over what leases promise (P24)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from paxoskv.paxos.replica import Replica
from paxoskv.simulator.cluster import Cluster
from paxoskv.simulator.marks import Marks
from paxoskv.simulator.plan import Plan
from paxoskv.simulator.world import World

BEYOND_BOUNDS = ("clock rate", "clock stops", "clock jumps", "zombie clock", "duel")
"""Faults of clocks that no bound on their rates covers: a life with leases has none of them."""

SHARE = 0.25
"""Of lives with leases among those that may have them."""


def perhaps_with_leases(plan: Plan, wanted: Sequence[str]) -> Plan:
    """Return the plan, in a share of the seeds with leases; but not without a fault that was asked for in `wanted`."""
    rng = Random(f"{plan.seed}/leases")
    if rng.random() >= SHARE or any(kind in BEYOND_BOUNDS for kind in wanted):
        return plan
    return with_leases(plan, rng)


def with_leases(plan: Plan, rng: Random) -> Plan:
    """Return the plan with leases, clients that read under them, and no clock beyond its bound."""
    terms = {
        "lease_reads": True,
        "lease_s": plan.settings["election_timeout_s"] * rng.choice((0.5, 0.8, 1.0, 1.0)),
        "clock_drift_max": rng.choice((0.01, 0.1, 0.3)),
    }
    return replace(
        plan,
        settings={**plan.settings, **terms},
        habits={**plan.habits, "lease": rng.choice((0.3, 0.8, 1.0))},
        events=tuple(event for event in plan.events if event.kind not in BEYOND_BOUNDS),
    )


class LeaseWatch:
    """Sees that nobody leads while a leader of a lower ballot has a lease; sharper than any read that it would spoil.

    cluster: set before the first step.
    """

    cluster: Cluster

    def __init__(self, world: World, marks: Marks) -> None:
        self._world = world
        self._marks = marks

    def let_drift(self, rng: Random) -> None:
        """Let every clock run as wrong as may be, or right."""
        for node in self.cluster.nodes.values():
            drift_max = node.config.lease.drift_max
            node.clock_rate = 1 + rng.choice((-drift_max, 0.0, drift_max))

    def on_step(self, replica: Replica) -> None:
        """A core has made a step."""
        if not replica.grants_leases or replica._leader is None:
            return
        for node in self.cluster.nodes.values():
            other = node.replica
            if other is not None and other is not replica:
                lower, higher = sorted((replica, other), key=lambda one: one.ballot)
                if lower.ballot < higher.ballot and higher._leader and self._has_lease(lower):
                    self._world.fail("P24", f"node {higher.node} leads, and node {lower.node} still has a lease")

    def on_lease_asked(self, replica: Replica, holds: bool) -> None:
        """A node has asked itself whether it may answer a read under a lease."""
        if replica._leader is not None:
            self._marks.hit("read under a lease" if holds else "leader without a lease has to ask")

    def _has_lease(self, replica: Replica) -> bool:
        process = self.cluster.nodes[replica.node].process
        return process is not None and Replica.has_lease(replica, process.clock.read())
