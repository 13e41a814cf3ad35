"""`verify --exhaustive`: a kill at every sync, a flip of every byte; counts of what came of it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from paxoskv.cli.failures import DONE, NOT_MET, UNAVAILABLE, Failure
from paxoskv.cli.looping import run_loop
from paxoskv.cli.output import print_document
from paxoskv.verifier.exhaustive import flips, syncs
from paxoskv.verifier.exhaustive.opening import Outcome
from paxoskv.verifier.run import CannotRun

KINDS = ("syncs", "bytes")
VIOLATIONS_SHOWN = 10
MEMORY = Path("/dev/shm")
"""Files in memory are opened several times faster; where there is no such place, a temporary directory has to do."""


def run(kind: str, every: int, as_json: bool) -> int:
    """Do an exhaustive run and print its counts; return 0 if nothing was wrong. Raises: Failure if it cannot run."""
    place = MEMORY if kind == "bytes" and MEMORY.is_dir() else None
    try:
        with tempfile.TemporaryDirectory(prefix="paxoskv-verify-", dir=place) as directory:
            document, text = (_syncs if kind == "syncs" else _bytes)(Path(directory), every)
    except CannotRun as error:
        raise Failure(UNAVAILABLE, "unavailable", f"not run: {error}") from None
    finally:
        _show("")
    if as_json:
        print_document(document)
    else:
        click.echo(text)
        for line in document["violations"][:VIOLATIONS_SHOWN]:
            click.echo(f"  {line}")
    return DONE if document["passed"] else NOT_MET


def _syncs(root: Path, every: int) -> tuple[dict[str, Any], str]:
    def on_point(tally: syncs.Tally) -> None:
        _show(f"verify: {tally.points} of {-(-tally.syncs // every)} kills, {len(tally.violations)} violations")

    tally = run_loop(syncs.SyncRun(root, lambda count: range(1, count + 1, every), on_point).run())
    document = {
        "exhaustive": "syncs",
        "every": every,
        "syncs": tally.syncs,
        "points": tally.points,
        "unreached": tally.unreached,
        "restarts": tally.restarts,
        "acknowledged": tally.acknowledged,
        "violations": tally.violations,
        "passed": bool(tally.points) and not tally.violations,
    }
    unreached = f" ({tally.unreached} more were not reached)" if tally.unreached else ""
    ways = tally.restarts // max(1, tally.points)
    text = (
        f"a node was killed at {tally.points} of the {tally.syncs} syncs of its life{unreached},\n"
        f"and restarted after each in {ways} ways: with what was not synced kept, lost, or torn.\n"
        f"{tally.acknowledged:,} acknowledged writes were looked for in {tally.restarts} restarts: "
        f"{len(tally.violations)} violations"
    )
    return document, text


def _bytes(root: Path, every: int) -> tuple[dict[str, Any], str]:
    def on_progress(tally: flips.Tally) -> None:
        wrong = len(tally.violations)
        _show(f"verify: {tally.flips:,} flips, {tally.real_starts} real starts, {wrong} violations")

    tally = run_loop(flips.FlipRun(root, every, on_progress).run())
    outcomes = {outcome.value: tally.outcomes[outcome.value] for outcome in Outcome}
    document = {
        "exhaustive": "bytes",
        "every": every,
        "bytes": tally.bytes_in_all,
        "flips": tally.flips,
        **outcomes,
        "files": tally.by_file,
        "real_starts": tally.real_starts,
        "real": tally.real,
        "violations": tally.violations,
        "passed": bool(tally.flips) and not tally.violations,
    }
    return document, _bytes_text(tally, outcomes)


def _bytes_text(tally: flips.Tally, outcomes: dict[str, int]) -> str:
    lines = [f"{tally.flips:,} of {tally.bytes_in_all:,} bytes were flipped, one at a time:"]
    lines += [f"  {count:7,} {name}" for name, count in outcomes.items()]
    lines += [
        f"  in {name}: {', '.join(f'{count:,} {what}' for what, count in counts.items())}"
        for name, counts in sorted(tally.by_file.items())
    ]
    real = ", ".join(f"{count} {what}" for what, count in tally.real.items())
    lines.append(f"{tally.real_starts} of them were tried with real nodes: {real}")
    lines.append(f"{len(tally.violations)} violations")
    return "\n".join(lines)


def _show(line: str) -> None:
    """Tell on a terminal how far it is."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{line}", nl=False, err=True)
