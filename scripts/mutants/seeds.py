"""Live through seeds 1..N of the simulator, and stop at the first that sees something wrong: for `workplace`.

Prints "seed K" before each, and "killed REASON" at the end if one failed. Exit code 0 if all passed, 1 if one failed.
"""

from __future__ import annotations

import sys

from paxoskv.simulator import run_seed

REASON_CHARS_MAX = 300


def main(count: int) -> int:
    """Return the exit code."""
    for seed in range(1, count + 1):
        print(f"seed {seed}", flush=True)  # noqa: T201 (the workplace reads it)
        violation = violation_in(seed)
        if violation:
            print(f"killed {' '.join(violation.split()):.{REASON_CHARS_MAX}}")  # noqa: T201
            return 1
    return 0


def violation_in(seed: int) -> str:
    """Return what went wrong in a life, "" if nothing did; a simulator that falls over has seen something, too."""
    try:
        return run_seed(seed).violation
    except Exception as error:  # noqa: BLE001 (mutants raise anything)
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
