"""Clients that do not behave like our own: late copies, and the same write at several nodes."""

from __future__ import annotations

from random import Random

from paxoskv.simulator.faults.catalogue import fault
from paxoskv.simulator.scene import Scene


@fault("rude client", "S28", "a client sends the same write to several nodes, again and again, and its copies late")
def rude_client(scene: Scene, rng: Random) -> None:
    """Every copy gets the same answer, or none (P25)."""
    scene.rude(rng)
