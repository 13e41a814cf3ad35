"""Feed every port and decoder with mutated frames: python -m scripts.fuzz --help

Nothing but the documented errors may come out, no connection may outlive its fault, memory must stay bounded, and
sound clients must be served afterwards (H1 to H7, H10, H14). The same seed repeats a run, and a flaw names the batch
that shows it: python -m scripts.fuzz --seed S --target NAME --batch N
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from scripts.fuzz.run import TARGETS, Outcome, jobs_for, run_jobs
from scripts.fuzz.target import REFUSED, STOPPED, TAKEN

MEMORY_GROWTH_BYTES_MAX = 32 << 20
"""How much one job may raise the peak of its process. Connections hold a frame each, of 4 MiB at most."""

_COLUMNS = "{:<12} {:>11} {:>11} {:>11} {:>9} {:>9} {:>8} {:>6}"


@click.command()
@click.option("--inputs", type=click.IntRange(1), default=200_000, show_default=True, help="Of all targets together.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--target", "names", multiple=True, type=click.Choice([target.name for target in TARGETS]))
@click.option("--batch", type=click.IntRange(0), default=0, help="The first batch; with --inputs 1 the only one.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def main(inputs: int, seed: int, names: tuple[str, ...], batch: int, jobs: int, output: str) -> None:
    """Fuzz; exit 1 if anything escaped, or memory grew beyond its bound."""
    targets = [target for target in TARGETS if not names or target.name in names]
    began_s = time.monotonic()
    done = 0

    def told(outcome: Outcome) -> None:
        nonlocal done
        done += outcome.tally.inputs
        for flaw in outcome.flaws:
            click.echo(f"{flaw.target}, batch {flaw.batch}: {flaw.message}\n{flaw.traceback}", err=True)
        if sys.stderr.isatty():
            click.echo(f"\r{done:,} inputs, {done / (time.monotonic() - began_s):,.0f}/s ", nl=False, err=True)

    total = run_jobs(list(jobs_for(targets, inputs, seed, batch)), jobs, told)
    wall_s = time.monotonic() - began_s
    document = report(list(total.values()), seed, wall_s)
    click.echo(json.dumps(document) if output == "json" else table(list(total.values()), document))
    sys.exit(bool(document["flaws"]) or document["memory_growth_bytes"] > MEMORY_GROWTH_BYTES_MAX)


def report(outcomes: list[Outcome], seed: int, wall_s: float) -> dict[str, Any]:
    """Return everything as one JSON document."""
    inputs = sum(outcome.tally.inputs for outcome in outcomes)
    return {
        "inputs": inputs,
        "inputs_per_s": round(inputs / wall_s, 1),
        "seed": seed,
        "wall_s": round(wall_s, 1),
        "memory_growth_bytes": max(outcome.memory_bytes for outcome in outcomes),
        "flaws": [
            {"target": flaw.target, "batch": flaw.batch, "message": flaw.message}
            for outcome in outcomes
            for flaw in outcome.flaws
        ],
        "targets": {
            outcome.target: {
                "inputs": outcome.tally.inputs,
                **{kind: outcome.tally.outcomes[kind] for kind in (TAKEN, REFUSED, STOPPED)},
                "inputs_per_s": round(outcome.tally.inputs / max(outcome.wall_s, 1e-9), 1),
                "memory_growth_bytes": outcome.memory_bytes,
            }
            for outcome in outcomes
        },
    }


def table(outcomes: list[Outcome], document: dict[str, Any]) -> str:
    """Return the same for people."""
    lines = [_COLUMNS.format("target", "inputs", TAKEN, REFUSED, STOPPED, "inputs/s", "MiB more", "flaws")]
    for outcome in outcomes:
        tally = outcome.tally
        counts = [f"{tally.outcomes[kind]:,}" for kind in (TAKEN, REFUSED, STOPPED)]
        rate = f"{tally.inputs / max(outcome.wall_s, 1e-9):,.0f}"
        grown = f"{outcome.memory_bytes / (1 << 20):.1f}"
        lines.append(_COLUMNS.format(outcome.target, f"{tally.inputs:,}", *counts, rate, grown, len(outcome.flaws)))
    flaws = len(document["flaws"])
    lines.append(
        f"{document['inputs']:,} inputs in {document['wall_s']:.1f} s, {document['inputs_per_s']:,.0f}/s: "
        f"{flaws or 'no'} flaw{'s' if flaws > 1 else ''}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
