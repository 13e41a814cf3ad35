"""What the verdicts look like: lines of a table, and one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from scripts.mutants.runner import INVALID, KILLED, SURVIVED, Verdict
from scripts.mutants.workplace import Seeds

_COLUMNS = "{:<46} {:<5} {:<9} {:>6} {:>6}  {}"


def header() -> str:
    """Return the head of the table."""
    return _COLUMNS.format("mutant", "rule", "verdict", "seeds", "s", "killed by")


def row(verdict: Verdict) -> str:
    """Return the line of one mutant."""
    by = verdict.test or (f"seed {verdict.seeds.failed}" if verdict.status == KILLED and verdict.seeds else "")
    if verdict.status != KILLED:
        by = verdict.message or verdict.mutant.rule
    shown = (verdict.mutant.name, verdict.mutant.pitfall, verdict.status, _seeds(verdict.seeds))
    return _COLUMNS.format(*shown, f"{verdict.wall_s:.1f}", by)


def summary(verdicts: Sequence[Verdict], wall_s: float) -> str:
    """Return the closing line."""
    counts = {status: sum(verdict.status == status for verdict in verdicts) for status in (KILLED, SURVIVED, INVALID)}
    told = f"{counts[KILLED]} of {len(verdicts)} mutants killed"
    if counts[SURVIVED]:
        told += f", {counts[SURVIVED]} survived: write the test that is missing"
    if counts[INVALID]:
        told += f", {counts[INVALID]} could not be judged: their code has moved, or they do not run"
    seeds = _seeds_to_kill(verdicts)
    if seeds:
        asked = sum(verdict.seeds is not None for verdict in verdicts)
        told += f"; seeds killed {len(seeds)} of {asked}, the median by seed {median(seeds):g}"
    return f"{told}; {wall_s:.0f} s"


def document(verdicts: Sequence[Verdict], wall_s: float) -> dict[str, Any]:
    """Return everything as one JSON document."""
    seeds = _seeds_to_kill(verdicts)
    return {
        "mutants": [_entry(verdict) for verdict in verdicts],
        "killed": sum(verdict.status == KILLED for verdict in verdicts),
        "survived": [verdict.mutant.name for verdict in verdicts if verdict.status == SURVIVED],
        "invalid": [verdict.mutant.name for verdict in verdicts if verdict.status == INVALID],
        "killed_by_seeds": len(seeds),
        "seeds_median": median(seeds) if seeds else None,
        "wall_s": round(wall_s, 1),
    }


def _entry(verdict: Verdict) -> dict[str, Any]:
    seeds = verdict.seeds
    return {
        "name": verdict.mutant.name,
        "pitfall": verdict.mutant.pitfall,
        "rule": verdict.mutant.rule,
        "status": verdict.status,
        "test": verdict.test or None,
        "message": verdict.message or None,
        "seed": seeds.failed if seeds else None,
        "seeds_tried": seeds.tried if seeds else None,
        "seed_message": (seeds.message or None) if seeds else None,
        "wall_s": round(verdict.wall_s, 2),
    }


def _seeds_to_kill(verdicts: Sequence[Verdict]) -> list[int]:
    found = [verdict.seeds.failed for verdict in verdicts if verdict.seeds is not None]
    return [seed for seed in found if seed is not None]


def _seeds(seeds: Seeds | None) -> str:
    if seeds is None:
        return "-"
    return str(seeds.failed) if seeds.failed is not None else f">{seeds.tried}"
