"""The report of a run for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from paxoskv.verifier.evidence import Evidence
from paxoskv.verifier.report.figures import Figures
from paxoskv.verifier.verdict import Verdict

COMPLAINTS_MAX = 10
_WIDTH = 110


def text_of(evidence: Evidence, verdict: Verdict, figures: Figures, history: Path, page: Path) -> str:
    """Return what `paxoskv verify` prints."""
    lines = [headline(evidence, verdict), *_what_was_done(evidence, figures), "", *_verdicts(evidence, verdict)]
    lines += ["", *_costs(figures)]
    if evidence.not_run:
        lines += ["", "not run:", *_not_run(evidence)]
    lines += ["", f"history  {history}", f"report   {page}"]
    return "\n".join(lines)


def headline(evidence: Evidence, verdict: Verdict) -> str:
    """Return the one line that says it all."""
    outcome = "passed" if verdict.passed else "FAILED"
    return f"verify: {outcome}, {evidence.nodes} nodes, {evidence.clients} clients, seed {evidence.seed}"


def _what_was_done(evidence: Evidence, figures: Figures) -> Iterator[str]:
    kinds = len({injection.fault for injection in evidence.injections})
    seconds = (evidence.ended_ns - evidence.began_ns) / 1e9
    yield f"{len(evidence.injections)} faults of {kinds} kinds in {seconds:.0f} s, {figures.leaderships} leaderships"
    yield f"nodes run with {settings_text(evidence)}"
    yield (
        f"{len(evidence.operations):,} operations, {figures.ok / figures.seconds:,.0f}/s succeeded: "
        f"p50 {figures.p50_ms:.1f} ms, p99 {figures.p99_ms:.0f} ms, longest gap {figures.gap_s_max:.1f} s; "
        f"{figures.failed:,} failed, {figures.unknown:,} unknown"
    )


def _verdicts(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    for passed, text in verdict_lines(evidence, verdict):
        yield f"  {'ok ' if passed else 'BAD'}  {text}"
    complaints = verdict.complaints()
    yield from (f"       {line}" for line in complaints[:COMPLAINTS_MAX])
    if len(complaints) > COMPLAINTS_MAX:
        yield f"       and {len(complaints) - COMPLAINTS_MAX} more, all of them in the report"


def verdict_lines(evidence: Evidence, verdict: Verdict) -> Iterator[tuple[bool, str]]:
    """Yield (whether it is well, what was found) for everything that is judged."""
    keys = len({operation.key for operation in evidence.operations})
    yield verdict.linearizable is True, f"linearizable: one order explains all replies on {keys} keys"
    yield not verdict.lost_writes, f"{len(verdict.lost_writes)} acknowledged writes lost"
    yield not verdict.phantoms, f"{len(verdict.phantoms)} values read that nobody wrote"
    yield not verdict.wrong_counters, f"{len(verdict.wrong_counters)} of {len(evidence.counters)} counters wrong"
    yield not verdict.unseen, f"{len(verdict.unseen)} writes that the watches of {len(evidence.news)} keys did not tell"
    yield not verdict.unbalanced, f"{len(verdict.unbalanced)} sights of a torn transaction"
    yield verdict.agreed, f"all {evidence.nodes} nodes came to the same slot after everything was healed"
    yield verdict.digests_equal, "nodes at the same slot always had the same digest"
    yield not verdict.surprises, f"{len(verdict.surprises)} times a node did what it never should"


def _costs(figures: Figures) -> Iterator[str]:
    width = max((len(cost.fault) for cost in figures.costs), default=0)
    for cost in figures.costs:
        line = f"  {cost.times:3d} x {cost.fault.ljust(width)}  longest gap {cost.gap_s_max:5.2f} s  {cost.description}"
        yield line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."


def _not_run(evidence: Evidence) -> Iterator[str]:
    for reason, names in by_reason(evidence.not_run).items():
        yield f"  {', '.join(names)}: {reason}"


def settings_text(evidence: Evidence) -> str:
    """Return the settings that the seed chose, in words."""
    return ", ".join(f"{name} {value}" for name, value in evidence.settings.items()) or "default settings"


def by_reason(not_run: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names of faults by the reason for which they were not run."""
    names: dict[str, list[str]] = {}
    for name, reason in not_run.items():
        names.setdefault(reason, []).append(name)
    return names
