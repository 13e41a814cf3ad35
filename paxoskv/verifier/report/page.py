"""The report of a run as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape

from paxoskv.checker.counterexample import Counterexample
from paxoskv.checker.style import STYLE as CHECKER_STYLE
from paxoskv.checker.timeline import timeline_svg
from paxoskv.verifier.evidence import Evidence
from paxoskv.verifier.report.chart import chart_of
from paxoskv.verifier.report.figures import Figures
from paxoskv.verifier.report.style import STYLE
from paxoskv.verifier.report.text import by_reason, settings_text, verdict_lines
from paxoskv.verifier.verdict import Verdict

_LEGEND = (
    ("nodes", "fault of a node"),
    ("links", "fault of links (pale: injecting, healing)"),
    ("leader", "leader"),
    ("follower", "follower"),
    ("candidate", "candidate"),
    ("sick", "says it is not healthy"),
    ("silent", "does not answer"),
    ("rate", "succeeded"),
    ("errors", "failed or unknown"),
    ("p50", "median"),
    ("p99", "99th percentile"),
)


def page_of(evidence: Evidence, verdict: Verdict, figures: Figures, repeat: str) -> str:
    """Return the page. repeat: the command line that does the same again."""
    headline = "Passed" if verdict.passed else "Failed"
    kinds = len({injection.fault for injection in evidence.injections})
    subtitle = (
        f"{evidence.nodes} real nodes, {evidence.clients} clients, {len(evidence.injections)} faults of {kinds} kinds "
        f"in {(evidence.ended_ns - evidence.began_ns) / 1e9:.0f} s, seed {evidence.seed}"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>paxoskv verify: {headline.lower()}, seed {evidence.seed}</title>",
            f"<style>{CHECKER_STYLE}{STYLE}</style></head><body><main>",
            f'<header class="{"good" if verdict.passed else "bad"}"><h1>paxoskv verify: {headline.lower()}</h1>'
            f"<p>{escape(subtitle)}</p></header>",
            _facts(evidence, figures),
            _verdicts(evidence, verdict),
            _contradiction(verdict.history.counterexample),
            _timeline(figures),
            _faults(figures),
            _injections(figures),
            _not_run(evidence),
            _links(evidence),
            f"<section><h2>Again</h2><p><code>{escape(repeat)}</code></p><p>The seed also chooses the nodes' settings: "
            f"{escape(settings_text(evidence))}.</p></section>",
            "</main></body></html>",
            "",
        ]
    )


def _facts(evidence: Evidence, figures: Figures) -> str:
    facts = [
        (f"{len(evidence.operations):,}", "operations"),
        (f"{figures.ok / figures.seconds:,.0f}/s", "succeeded"),
        (f"{figures.failed:,}", "failed"),
        (f"{figures.unknown:,}", "of unknown outcome"),
        (f"{figures.p50_ms:.1f} ms", "median latency"),
        (f"{figures.p99_ms:.0f} ms", "99th percentile"),
        (f"{figures.gap_s_max:.1f} s", "longest gap"),
        (f"{figures.leaderships}", "leaderships"),
    ]
    cells = "".join(f"<div><b>{value}</b><span>{what}</span></div>" for value, what in facts)
    return f'<section class="facts">{cells}</section>'


def _verdicts(evidence: Evidence, verdict: Verdict) -> str:
    items = "".join(
        f'<li class="{"good" if passed else "bad"}">{escape(text)}</li>'
        for passed, text in verdict_lines(evidence, verdict)
    )
    complaints = "".join(f"<li>{escape(line)}</li>" for line in verdict.complaints())
    wrong = f'<ol class="complaints">{complaints}</ol>' if complaints else ""
    return f'<section><h2>Verdicts</h2><ul class="verdicts">{items}</ul>{wrong}</section>'


def _contradiction(found: Counterexample | None) -> str:
    if found is None:
        return ""
    picture = timeline_svg(found.operations, (), found.accused)
    return (
        f"<section><h2>{escape(found.kind.capitalize())}</h2><p>{escape(found.why)}</p>"
        f'<div class="scroll">{picture}</div></section>'
    )


def _timeline(figures: Figures) -> str:
    legend = "".join(f'<span><i class="{kind}"></i>{escape(text)}</span>' for kind, text in _LEGEND)
    return (
        f'<section><h2>What happened <small>figures per {figures.bucket_s:.2g} s</small></h2><p class="legend">{legend}'
        f'</p><div class="scroll">{chart_of(figures)}</div></section>'
    )


def _faults(figures: Figures) -> str:
    rows = "".join(
        f'<tr><td class="name">{escape(cost.fault)}</td><td class="number">{cost.times}</td>'
        f'<td class="number">{cost.gap_s_max:.2f} s</td><td>{escape(cost.description)}</td>'
        f'<td class="faint">{escape(cost.pitfall)}</td></tr>'
        for cost in figures.costs
    )
    heads = (
        '<tr><th>Fault</th><th class="number">Times</th><th class="number">Longest gap</th><th>What it is</th>'
        "<th>Catalogue</th></tr>"
    )
    return (
        "<section><h2>Faults <small>the gap is the longest time without any success meanwhile</small></h2>"
        f'<div class="scroll"><table>{heads}{rows}</table></div></section>'
    )


def _injections(figures: Figures) -> str:
    """Every single fault in the order of time, for who wants to know what was hit."""
    rows = "".join(
        f'<tr><td class="number">{band.from_s:.1f} s</td><td class="name">{escape(band.fault)}</td>'
        f'<td>{escape(band.hit)}</td><td class="number">{band.healing_s - band.stood_s:.1f} s</td>'
        f'<td class="number">{band.gap_s:.2f} s</td></tr>'
        for band in sorted(figures.bands, key=lambda band: band.from_s)
    )
    heads = (
        '<tr><th class="number">At</th><th>Fault</th><th>What it hit</th><th class="number">Stood for</th>'
        '<th class="number">Longest gap</th></tr>'
    )
    return (
        f"<section><details><summary>All {len(figures.bands)} faults, one by one</summary>"
        f'<div class="scroll"><table>{heads}{rows}</table></div></details></section>'
    )


def _not_run(evidence: Evidence) -> str:
    if not evidence.not_run:
        return ""
    rows = "".join(
        f"<tr><td>{escape(reason)}</td><td>{escape(', '.join(names))}</td></tr>"
        for reason, names in by_reason(evidence.not_run).items()
    )
    return f"<section><h2>Not run</h2><table><tr><th>Why not</th><th>Faults</th></tr>{rows}</table></section>"


def _links(evidence: Evidence) -> str:
    rows = "".join(
        f'<tr><td class="name">{what}</td><td class="number">{between:,}</td><td class="number">{clients:,}</td></tr>'
        for what, between, clients in _link_sums(evidence)
    )
    heads = '<tr><th>Frames</th><th class="number">between nodes</th><th class="number">with clients</th></tr>'
    return f"<section><h2>What the links did</h2><table>{heads}{rows}</table></section>"


def _link_sums(evidence: Evidence) -> Iterator[tuple[str, int, int]]:
    """Yield (what was done, how often between nodes, how often between nodes and clients)."""
    between: Counter[str] = Counter()
    clients: Counter[str] = Counter()
    for direction, counts in evidence.links.items():
        (clients if "c" in direction else between).update(counts)
    for what in ("frames", "dropped", "delayed", "duplicated", "reordered", "corrupted", "resets"):
        yield ("all" if what == "frames" else what), between[what], clients[what]
