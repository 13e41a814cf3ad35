"""Every kind of fault that can be injected into a cluster of real processes, one declaration each.

`base` says what a fault is. The kinds: `processes`, `network`, `disks`, `clocks`, `files`, `hostile`.
A kind that cannot be injected on a machine is reported as not run, with the reason, never as passed.
"""

from __future__ import annotations

from paxoskv.verifier.faults import clocks, disks, files, hostile, network, processes
from paxoskv.verifier.faults.base import FAULTS, Fault, Lane, Need

__all__ = ["FAULTS", "Fault", "Lane", "Need", "clocks", "disks", "files", "hostile", "network", "processes"]
