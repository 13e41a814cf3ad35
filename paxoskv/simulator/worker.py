"""A process of `runner`: one seed a line comes in, one result a line goes out."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence

from paxoskv.simulator.run import run_seed

GC_THRESHOLDS = (50_000, 20, 50)
"""Garbage is collected seldom: a run tears down what it made."""


def work(nodes: int | None, kinds: Sequence[str]) -> None:
    """Run seeds until there are no more."""
    gc.set_threshold(*GC_THRESHOLDS)
    for line in sys.stdin:
        sys.stdout.write(run_seed(int(line), nodes, kinds).to_json() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    work(*json.loads(sys.argv[1]))
