"""Break the rules of the protocol one at a time, and see that the tests notice: python -m scripts.mutants --help

Every mutant of `scripts.mutants.catalogue` is applied to a copy of the repository, and the tests are run until one
fails, which then has to pass without the mutant. A mutant that survives is a test that is missing.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import click

from scripts.mutants.catalogue.every import matching
from scripts.mutants.report import document, header, row, summary
from scripts.mutants.runner import KILLED, Limits, Verdict, judge_all

ROOT = Path(__file__).parents[2]
TERMINATED = 128 + signal.SIGTERM


@click.command()
@click.option("--only", multiple=True, metavar="WORD", help="A part of a name, or a pitfall like P14; repeatable.")
@click.option("--list", "listed", is_flag=True, help="Name the mutants and judge none.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Mutants judged at a time.")
@click.option("--timeout", type=click.FloatRange(1), default=240.0, show_default=True, help="For one run of tests, s.")
@click.option("--seeds", type=click.IntRange(0), default=0, help="Simulated lives per mutant: count seeds to kill.")
@click.option("--seeds-timeout", type=click.FloatRange(1), default=600.0, show_default=True, help="For all of them, s.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def main(
    only: tuple[str, ...],
    listed: bool,
    jobs: int,
    timeout: float,
    seeds: int,
    seeds_timeout: float,
    output: str,
) -> None:
    """Judge the mutants; exit 1 if one is not killed."""
    mutants = matching(only)
    if not mutants:
        raise click.UsageError(f"no mutant is called {' or '.join(only)}")
    if listed:
        for one in mutants:
            click.echo(f"{one.name:<46} {one.pitfall:<5} {one.rule}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that nothing is left of the copies
    began_s = time.monotonic()
    click.echo(header(), err=output == "json")

    def told(verdict: Verdict) -> None:
        click.echo(row(verdict), err=output == "json")

    verdicts = judge_all(ROOT, mutants, Limits(timeout, seeds, seeds_timeout), jobs, told)
    wall_s = time.monotonic() - began_s
    click.echo(summary(verdicts, wall_s), err=output == "json")
    if output == "json":
        click.echo(json.dumps(document(verdicts, wall_s)))
    sys.exit(any(verdict.status != KILLED for verdict in verdicts))


if __name__ == "__main__":
    main()
