"""`simulate`: many lives of a simulated cluster, by their seeds; one of them told as a story; a failure made small."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from paxoskv.cli.failures import DONE, NOT_MET, USAGE, Failure
from paxoskv.cli.options import output_option
from paxoskv.cli.output import print_document, table
from paxoskv.simulator import CATALOGUE, MARKS, Plan, Result, Totals, draw, run_plan, run_seeds
from paxoskv.simulator.marks import never_hit
from paxoskv.simulator.shrink import Shrinker

MARKS_DEMANDED_FROM_SEEDS = 1_000
SHRINKING_RUNS_MAX = 150
"""About a minute."""
"""A run of so many seeds with all faults fails if it has never seen one of the marks."""
_BAR_WIDTH = 30


@click.command("simulate")
@click.option("--seeds", type=click.IntRange(1), default=200, help="How many seeds to run (200).")
@click.option("--first-seed", type=click.IntRange(0), default=1, help="The first of them (1).")
@click.option("--seed", type=click.IntRange(0), default=None, help="Run this one seed, and shrink it if it fails.")
@click.option("--nodes", type=click.Choice(["3", "5"]), default=None, help="Nodes of the cluster (by the seed).")
@click.option("--faults", default="all", metavar="KIND,...", help="Faults to choose from: names, all or none (all).")
@click.option("--jobs", type=click.IntRange(1, 256), default=None, help="Processes (one per core).")
@click.option("--trace", is_flag=True, help="Tell the story of the one seed, message by message.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the shrunk plan of a failure.")
@click.option(
    "--replay", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Run a plan that was saved."
)
@click.option("--list-faults", is_flag=True, help="Show the kinds of faults and the marks, and do nothing else.")
@output_option
def simulate_command(
    as_json: bool,
    seeds: int,
    first_seed: int,
    seed: int | None,
    nodes: str | None,
    faults: str,
    jobs: int | None,
    trace: bool,
    save: Path | None,
    replay: Path | None,
    list_faults: bool,
) -> int:
    """Run a simulated cluster through random faults, seed by seed; exit code 1 if any invariant was broken.

    The production code runs in simulated time on a simulated network and simulated disks. A seed always lives the
    same life, so a failing one can be told with --trace, and is shrunk to few faults and operations for --save.
    """
    if list_faults:
        return _show_catalogue(as_json)
    kinds = parse_kinds(faults)
    if replay is not None:
        return _run_one(as_json, read_plan(replay), trace, save)
    if seed is not None:
        return _run_one(as_json, draw(seed, int(nodes) if nodes else None, kinds), trace, save)
    if trace or save:
        raise click.UsageError("--trace and --save are for one run: name it with --seed or --replay.")
    return _run_many(as_json, range(first_seed, first_seed + seeds), int(nodes) if nodes else None, kinds, jobs)


def parse_kinds(faults: str) -> Sequence[str]:
    """Return the kinds named in --faults. Raises: click.UsageError for an unknown one."""
    if faults == "all":
        return tuple(CATALOGUE)
    if faults == "none":
        return ()
    kinds = [kind.strip() for kind in faults.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in CATALOGUE]
    if unknown:
        raise click.UsageError(f"there is no fault called {unknown[0]!r}: --list-faults shows them.")
    return tuple(kind for kind in CATALOGUE if kind in kinds)


def read_plan(path: Path) -> Plan:
    """Return the plan in a file. Raises: Failure."""
    try:
        return Plan.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Failure(USAGE, "usage", f"{path} cannot be replayed: {error}") from None


def _run_many(as_json: bool, seeds: range, nodes: int | None, kinds: Sequence[str], jobs: int | None) -> int:
    began_s = time.perf_counter()
    jobs = min(jobs or os.cpu_count() or 1, len(seeds))
    with _Bar(len(seeds)) as bar:
        totals = run_seeds(seeds, nodes, kinds, jobs, bar.on_result)
    wall_s = time.perf_counter() - began_s
    document = _document(totals, seeds, kinds, wall_s, jobs)
    if as_json:
        print_document(document)
    else:
        click.echo(_text(document))
    missed = (
        document["marks_missed"] if len(seeds) >= MARKS_DEMANDED_FROM_SEEDS and len(kinds) == len(CATALOGUE) else []
    )
    return NOT_MET if totals.failed or missed else DONE


def _document(totals: Totals, seeds: range, kinds: Sequence[str], wall_s: float, jobs: int) -> dict[str, Any]:
    missed = never_hit(totals.marks)
    return {
        "seeds": len(seeds),
        "first_seed": seeds.start,
        "passed": totals.passed,
        "failed": sorted(totals.failed),
        "fault_kinds": len(kinds),
        "messages": totals.messages,
        "simulated_s": round(totals.simulated_s, 1),
        "wall_s": round(wall_s, 1),
        "marks_hit": len(MARKS) - len(missed),
        "marks": len(MARKS),
        "marks_missed": missed,
        "messages_per_s": round(totals.messages / wall_s),
        "operations": totals.operations,
        "faults_injected": sum(totals.faults.values()),
        "jobs": jobs,
        "violations": {str(seed): totals.failed[seed] for seed in sorted(totals.failed)},
    }


def _text(document: dict[str, Any]) -> str:
    d = document
    lines = [
        f"{d['passed']} of {d['seeds']} seeds passed, from seed {d['first_seed']} on",
        f"{d['operations']:,} operations of clients, {d['faults_injected']:,} faults of {d['fault_kinds']} kinds",
        f"{d['messages']:,} messages in {d['wall_s']:g} s, {d['messages_per_s']:,}/s; "
        f"{d['simulated_s']:,.0f} s simulated",
        f"{d['marks_hit']} of {d['marks']} marks seen" + _listed("; never: ", d["marks_missed"]),
    ]
    lines += [f"seed {seed} FAILED: {violation}" for seed, violation in d["violations"].items()]
    if d["failed"]:
        lines.append(f"its story: paxoskv simulate --seed {d['failed'][0]} --trace")
    return "\n".join(lines)


def _listed(title: str, names: Sequence[str]) -> str:
    return title + "; ".join(names) if names else ""


def _run_one(as_json: bool, plan: Plan, trace: bool, save: Path | None) -> int:
    """Run one plan; tell it, or shrink it if it fails."""
    result = run_plan(plan, _narrator() if trace else None)
    document = _one(result)
    if not result.passed and not trace:
        shrinker = Shrinker(plan, result, SHRINKING_RUNS_MAX, _tell_size)
        smallest = shrinker.shrink()
        document["shrunk"] = {"faults": len(smallest.events), "violation": shrinker.result.violation}
        if save is not None:
            save.write_text(smallest.to_json() + "\n", encoding="utf-8")
            document["saved"] = str(save)
    if as_json:
        print_document(document)
    else:
        click.echo(_one_text(document))
    return DONE if result.passed else NOT_MET


def _one(result: Result) -> dict[str, Any]:
    return {
        "seed": result.seed,
        "passed": result.passed,
        "violation": result.violation or None,
        "messages": result.messages,
        "operations": result.operations,
        "faults": dict(result.faults),
        "marks": sorted(result.marks),
        "simulated_s": round(result.simulated_s, 3),
        "wall_s": round(result.wall_s, 3),
        "trace_hash": result.trace_hash,
    }


def _one_text(document: dict[str, Any]) -> str:
    d = document
    verdict = "passed" if d["passed"] else f"FAILED: {d['violation']}"
    lines = [
        f"seed {d['seed']} {verdict}",
        f"{d['operations']} operations, {sum(d['faults'].values())} faults, {d['messages']:,} messages, "
        f"{d['simulated_s']:g} s simulated in {d['wall_s']:g} s, trace {d['trace_hash']}",
    ]
    if "shrunk" in d:
        lines.append(f"shrunk to {d['shrunk']['faults']} faults: {d['shrunk']['violation']}")
    if "saved" in d:
        lines.append(f"saved; run it again with: paxoskv simulate --replay {d['saved']} --trace")
    return "\n".join(lines)


def _narrator() -> Callable[[float, str], None]:
    return lambda now, line: click.echo(f"{now:10.4f}  {line}")


def _tell_size(plan: Plan) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[Kshrinking: {len(plan.events)} faults", nl=False, err=True)


def _show_catalogue(as_json: bool) -> int:
    faults = list(CATALOGUE.values())
    if as_json:
        listed = [{"name": fault.name, "ids": fault.ids, "text": fault.text} for fault in faults]
        print_document({"faults": listed, "marks": MARKS})
        return DONE
    click.echo(table([["FAULT", "IDS", "WHAT"], *([fault.name, fault.ids, fault.text] for fault in faults)]))
    click.echo()
    click.echo(table([["MARK", "WHAT"], *([mark, text] for mark, text in MARKS.items())]))
    return DONE


class _Bar:
    """A progress bar on a terminal's stderr, nothing elsewhere."""

    def __init__(self, seeds: int) -> None:
        self._seeds = seeds
        self._done = self._failed = 0
        self._shows = sys.stderr.isatty()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shows:
            click.echo("\r\033[K", nl=False, err=True)

    def on_result(self, result: Result) -> None:
        """One more seed has ended."""
        self._done += 1
        self._failed += not result.passed
        if self._shows:
            filled = _BAR_WIDTH * self._done // self._seeds
            bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
            text = f"\r\033[Ksimulate: [{bar}] {self._done} of {self._seeds} seeds, {self._failed} failed"
            click.echo(text, nl=False, err=True)
