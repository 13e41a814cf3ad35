"""Every kind of fault that can be injected into a cluster of real processes, one declaration each.

`base` says what a fault is. The kinds: `processes`, `network`, `disks`, `clocks`, `files`, `hostile`.
A kind that cannot be injected on a machine is reported as not run, with the reason, never as passed.
"""

from __future__ import annotations

from paxoskv.verifier.faults import clocks, disks, files, hostile, network, processes
from paxoskv.verifier.faults.base import DECLARED, Fault, Lane, Need

__all__ = ["FAULTS", "Fault", "Lane", "Need"]

_ORDER = [module.__name__ for module in (processes, network, disks, clocks, files, hostile)]

FAULTS = dict(sorted(DECLARED.items(), key=lambda item: _ORDER.index(item[1].inject.__module__)))
"""All kinds by name, in the order in which they are listed."""
