"""The verdict as one HTML page that needs nothing beside itself: words, a timeline, and the operations in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from paxoskv.checker.counterexample import Counterexample
from paxoskv.checker.judge import KeyVerdict, Verdict
from paxoskv.checker.operations import Operation
from paxoskv.checker.style import STYLE
from paxoskv.checker.timeline import timeline_svg
from paxoskv.checker.words import (
    answers_text,
    call_text,
    completion_text,
    elapsed_text,
    number_text,
    outcome_text,
    value_text,
)

CONTEXT_MAX = 24
"""Operations around the contradiction that are drawn, those nearest to its end."""
SAMPLE_MAX = 120
"""Operations that are drawn of a history without a contradiction."""
KEYS_MAX = 200

LEGEND = (
    ("accused", "here it showed"),
    ("core write", "contradicts: may change the key"),
    ("core sight", "contradicts: only looks at it"),
    ("context write", "under way at the same time as one of these"),
    ("core write open", "outcome unknown: may happen at any later time, or never"),
)
HEADLINES = {True: "Linearizable", False: "Not linearizable", None: "Undecided"}
CLASSES = {True: "good", False: "bad", None: "open"}


def verdict_page(verdict: Verdict, operations: Sequence[Operation], source: str, wall_s: float) -> str:
    """Return the page. operations: the history that was judged. source: where it came from. wall_s: what it took."""
    headline = HEADLINES[verdict.linearizable]
    if verdict.linearizable and verdict.acceptable is False:
        headline = "Linearizable, but not in the order of its revisions"
    counterexample = verdict.counterexample
    shown = _sample(verdict, operations) if counterexample is None else _contradiction(counterexample)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{headline}: {escape(source)}</title>",
            f"<style>{STYLE}</style></head><body><main>",
            f'<header class="{CLASSES[verdict.acceptable]}"><h1>{headline}</h1><p>{escape(source)}</p></header>',
            _facts(verdict, wall_s),
            shown,
            _keys(verdict.keys),
            "</main></body></html>",
            "",
        ]
    )


def _facts(verdict: Verdict, wall_s: float) -> str:
    facts = [
        (f"{verdict.operations:,}", "operations"),
        (f"{len(verdict.keys):,}", "keys"),
        (f"{verdict.unknown:,}", "of unknown outcome"),
        (verdict.revisions.status, f"revisions ({verdict.revisions.checked:,} replies carry one)"),
        (f"{wall_s:.2f} s", "to judge"),
    ]
    cells = "".join(f"<div><b>{value}</b><span>{what}</span></div>" for value, what in facts)
    return f'<section class="facts">{cells}</section>'


def _contradiction(found: Counterexample) -> str:
    context = sorted(found.context, key=lambda op: op.began)[-CONTEXT_MAX:]
    keys = ", ".join(value_text(key) for key in dict.fromkeys(op.key for op in found.operations))
    answers = answers_text(found.right_answers) if found.right_answers else ""
    parts = [
        f"<section><h2>{escape(found.kind.capitalize())} <small>key {escape(keys)}</small></h2>",
        f'<p class="why">{escape(found.why)}</p>',
        f"<p>A right answer would have been {escape(answers)}.</p>" if answers else "",
        f"<p>{_count(found)}</p>",
        _legend(),
        f'<div class="scroll">{timeline_svg(found.operations, context, found.accused)}</div>',
        "<p>From left to right stands the order of the events, not their distance.</p>",
        _table(found.operations, found.accused),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _sample(verdict: Verdict, operations: Sequence[Operation]) -> str:
    """Return the picture of the beginning of the history, or of the first key that is undecided."""
    undecided = [key.key for key in verdict.keys if key.linearizable is None]
    chosen = [op for op in operations if not undecided or op.key == undecided[0]]
    if not chosen:
        return "<section><p>The history is empty: nothing was judged.</p></section>"
    what = f"key {value_text(undecided[0])}, which is undecided" if undecided else "the history"
    part = f"The first {SAMPLE_MAX} operations" if len(chosen) > SAMPLE_MAX else "All operations"
    picture = timeline_svg(chosen[:SAMPLE_MAX])
    return f'<section><h2>{part} of {escape(what)}</h2><div class="scroll">{picture}</div></section>'


def _count(found: Counterexample) -> str:
    if len(found.operations) == 1:
        return "This operation is wrong whatever the others did."
    needed = "; without any one of them there would be one" if found.is_minimal else ""
    return f"{len(found.operations)} operations that no order explains{needed}."


def _legend() -> str:
    items = "".join(
        f'<span><svg width="26" height="14"><g class="bar {classes}">'
        f'<rect x="1" y="1" width="24" height="12" rx="3"/></g></svg>{text}</span>'
        for classes, text in LEGEND
    )
    return f'<p class="legend">{items}</p>'


def _table(operations: Sequence[Operation], accused: Operation) -> str:
    since_ns = min(op.invoked_ns for op in operations)
    heads = ("Line", "Process", "Key", "Operation", "Outcome", "Invoked", "Completed", "Revision", "Slot")
    rows = [f"<tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"]
    for op in operations:
        cells = (
            str(op.line),
            str(op.process),
            value_text(op.key),
            call_text(op),
            outcome_text(op),
            elapsed_text(op.invoked_ns, since_ns),
            completion_text(op, since_ns),
            number_text(op.revision),
            number_text(op.slot),
        )
        marked = ' class="accused"' if op is accused else ""
        rows.append(f"<tr{marked}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def _keys(keys: Iterable[KeyVerdict]) -> str:
    """Return the keys in a table, the wrong ones first, then the undecided."""
    ordered = sorted(keys, key=lambda key: (key.linearizable is True, key.linearizable is None))
    rows = ["<tr><th>Key</th><th>Operations</th><th>Verdict</th><th>Steps</th></tr>"]
    for key in ordered[:KEYS_MAX]:
        cells = (value_text(key.key), f"{key.operations:,}", HEADLINES[key.linearizable].lower(), f"{key.steps:,}")
        marked = "" if key.linearizable else ' class="accused"'
        rows.append(f"<tr{marked}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    more = f"<p>{len(ordered) - KEYS_MAX:,} more keys.</p>" if len(ordered) > KEYS_MAX else ""
    return f"<section><h2>Keys</h2><table>{''.join(rows)}</table>{more}</section>"
