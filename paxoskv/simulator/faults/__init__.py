"""Everything that can go wrong in a simulated cluster: one declaration per kind, by family.

`catalogue` holds the list; each family adds to it when it is imported, which happens here.
"""

from __future__ import annotations

from paxoskv.simulator.faults import copies, disks, elections, links, partitions, processes, strangers
from paxoskv.simulator.faults.catalogue import CATALOGUE, Fault

__all__ = ["CATALOGUE", "Fault", "copies", "disks", "elections", "links", "partitions", "processes", "strangers"]
