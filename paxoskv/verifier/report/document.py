"""The one JSON document of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from paxoskv.verifier.evidence import Evidence
from paxoskv.verifier.report.figures import Figures
from paxoskv.verifier.verdict import Verdict


def document_of(evidence: Evidence, verdict: Verdict, figures: Figures, history: Path, page: Path) -> dict[str, Any]:
    """Return what `paxoskv verify -o json` prints."""
    return {
        "nodes": evidence.nodes,
        "seconds": round((evidence.ended_ns - evidence.began_ns) / 1e9, 1),
        "clients": evidence.clients,
        "seed": evidence.seed,
        "settings": dict(evidence.settings),
        "ops": len(evidence.operations),
        "failed": figures.failed,
        "unknown": figures.unknown,
        "keys": len({operation.key for operation in evidence.operations}),
        "faults": Counter(injection.fault for injection in evidence.injections),
        "not_run": dict(evidence.not_run),
        "passed": verdict.passed,
        "linearizable": verdict.linearizable,
        "lost_writes": len(verdict.lost_writes),
        "phantom_reads": len(verdict.phantoms),
        "counters": len(evidence.counters),
        "counters_exact": not verdict.wrong_counters,
        "unseen_writes": len(verdict.unseen),
        "unbalanced": len(verdict.unbalanced),
        "agreed": verdict.agreed,
        "digests_equal": verdict.digests_equal,
        "surprises": list(verdict.surprises),
        "ops_per_s": round(figures.ok / figures.seconds, 1),
        "p50_ms": round(figures.p50_ms, 3),
        "p99_ms": round(figures.p99_ms, 3),
        "gap_s_max": round(figures.gap_s_max, 3),
        "leaderships": figures.leaderships,
        "history": str(history),
        "report": str(page),
    }
