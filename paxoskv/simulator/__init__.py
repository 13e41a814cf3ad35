"""A cluster in a world of its own: simulated time, network, disks, clocks and processes around the production code.

    result = run_seed(17)            # one life of a cluster, the same one every time
    result.passed, result.violation  # what went wrong, if anything did

Almost everything that runs is production code, unchanged: the server with core, state machine, journal, group commit,
links, introductions and client port, and the client with its retries. It runs on an event loop in simulated time
(`loop`), on TCP-like connections (`network`) and on SQLite in memory behind a device that fails (`disk`). One seed
decides everything, so a failure is repeated by its seed, told message by message, and shrunk to a few faults.

What judges: `oracle` (the cores, from the votes that were heard and from what is on the disks), `model` (a second state
machine), `judge` (what clients were told, online and with `paxoskv.checker`), `ending` (progress once a quorum is
healed). What breaks things: `faults`, one declaration per kind, and `knobs`, constants made tiny. `marks` says which
rare events were never seen.

What it never does: look at real clocks, open sockets or files, or depend on PYTHONHASHSEED.

Where to start reading: `world` (time), `run` (one run), `plan` and `swarm` (what a seed means), `faults`.
"""

from __future__ import annotations

from paxoskv.simulator.faults import CATALOGUE
from paxoskv.simulator.marks import MARKS
from paxoskv.simulator.plan import Plan
from paxoskv.simulator.run import Result, run_plan, run_seed
from paxoskv.simulator.runner import Totals, run_seeds
from paxoskv.simulator.swarm import draw

__all__ = ["CATALOGUE", "MARKS", "Plan", "Result", "Totals", "draw", "run_plan", "run_seed", "run_seeds"]
