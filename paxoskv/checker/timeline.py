"""Draws operations as bars from invocation to completion, one row a process, as one SVG picture.

From left to right stands the order of the events, not their distance: milliseconds and seconds would not fit into
one picture, and only the order decides. The times stand below, for the operations that matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from html import escape
from typing import NamedTuple

from paxoskv.checker.events import CAS, FAIL, GET, INFO, OK
from paxoskv.checker.operations import Operation
from paxoskv.checker.words import elapsed_text, operation_text, value_text

ROW_PX = 34
BAR_PX = 22
STEP_PX = 16
CHARACTER_PX = 6.7
"""Width of a character of the bars' monospace font, rounded up."""
PADDING_PX = 7
LEFT_PX = 96
RIGHT_PX = 34
WIDTH_PX_MIN = 640
TOP_PX = 14
AXIS_ROW_PX = 15
AXIS_ROWS = 2
AXIS_PX = AXIS_ROW_PX * AXIS_ROWS + 12
CONTEXT_LABEL_MAX = 12
VALUE_LABEL_MAX = 18


class Role(Enum):
    """What an operation is to the picture; the value is its CSS class."""

    ACCUSED = "accused"
    CORE = "core"
    CONTEXT = "context"


class Bar(NamedTuple):
    """An operation in the picture. first, last: its columns; last is None if it may still happen."""

    operation: Operation
    role: Role
    label: str
    first: int
    last: int | None


def timeline_svg(
    operations: Sequence[Operation], context: Iterable[Operation] = (), accused: Operation | None = None
) -> str:
    """Return the picture of `operations`, with those of `context` pale beside them.

    accused: one of `operations`, marked; without one the picture has no times.
    """
    bars = _bars(operations, context, accused)
    columns = _columns(bars)
    rows = {process: row for row, process in enumerate(dict.fromkeys(bar.operation.process for bar in bars))}
    bottom = TOP_PX + ROW_PX * len(rows)
    axis = _axis(bars, columns, bottom) if accused is not None else []
    width, height = columns[-1] + RIGHT_PX, bottom + (AXIS_PX if axis else 0)
    head = (
        '<svg class="timeline" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="timeline of operations" '
        f'width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}">'
    )
    drawn = [_bar(bar, rows[bar.operation.process], columns) for bar in sorted(bars, key=_on_top)]
    return "\n".join([head, *_rows(rows, width), *axis, *drawn, "</svg>"])


def label_text(operation: Operation, with_key: bool = False) -> str:
    """Return the text of a bar: `put '1'`, `get → '1'`, `cas '1' → '2' ✗`."""
    key = f" {_short(operation.key)}" if with_key else ""
    if operation.txn is not None:
        return "txn " + " ".join(f"{step.f}{_short(step.key)}" for step in operation.steps)
    if operation.f == GET:
        answer = {OK: f" → {_short(operation.result)}", INFO: " → ?", FAIL: " ✗"}[operation.outcome]
        return f"get{key}{answer}"
    if isinstance(operation.value, tuple):
        expected, new = operation.value
        text = f"{CAS}{key} {_short(expected)} → {_short(new)}"
    else:
        text = operation.f + key + ("" if operation.value is None else f" {_short(operation.value)}")
    return text + {OK: "", INFO: " ?", FAIL: " ✗"}[operation.outcome]


def _short(value: bytes | None) -> str:
    text = value_text(value)
    return text if len(text) <= VALUE_LABEL_MAX else f"{text[: VALUE_LABEL_MAX - 2]}…'"


def _bars(operations: Sequence[Operation], context: Iterable[Operation], accused: Operation | None) -> list[Bar]:
    """Return the bars by invocation, their ends numbered in the order of all events that are shown."""
    roles = [(op, Role.ACCUSED if op is accused else Role.CORE) for op in operations]
    roles += [(op, Role.CONTEXT) for op in context]
    roles.sort(key=lambda pair: pair[0].began)
    places = {place for op, _ in roles for place in (op.began, op.ended) if place is not None}
    column = {place: number for number, place in enumerate(sorted(places))}
    with_key = len({op.key for op, _ in roles}) > 1
    return [
        Bar(
            operation=op,
            role=role,
            label=label_text(op, with_key),
            first=column[op.began],
            last=None if op.ended is None else column[op.ended],
        )
        for op, role in roles
    ]


def _columns(bars: Sequence[Bar]) -> list[float]:
    """Return the x of each column, and of the right end: far enough apart for the labels of the bars between them."""
    count = 1 + max(max(bar.first, bar.last or 0) for bar in bars)
    spread = [LEFT_PX + float(STEP_PX) * number for number in range(count + 1)]
    for bar in sorted(bars, key=lambda bar: count if bar.last is None else bar.last):
        last = count if bar.last is None else bar.last
        characters = len(bar.label) if bar.role is not Role.CONTEXT else min(len(bar.label), CONTEXT_LABEL_MAX)
        missing = characters * CHARACTER_PX + 2 * PADDING_PX - (spread[last] - spread[bar.first])
        if missing > 0:
            spread[last:] = [place + missing for place in spread[last:]]
    stretch = max(1.0, WIDTH_PX_MIN / (spread[-1] - LEFT_PX))
    return [LEFT_PX + (place - LEFT_PX) * stretch for place in spread]


def _rows(rows: Mapping[int, int], width: float) -> list[str]:
    parts = []
    for process, row in rows.items():
        middle = TOP_PX + ROW_PX * row + ROW_PX / 2
        parts.append(f'<line class="row" x1="{LEFT_PX - 8}" x2="{width:.0f}" y1="{middle}" y2="{middle}"/>')
        parts.append(f'<text class="process" x="{LEFT_PX - 16}" y="{middle + 4}">process {process}</text>')
    return parts


def _axis(bars: Sequence[Bar], columns: Sequence[float], bottom: float) -> list[str]:
    """Return guides and times at the events of the operations that matter; times that would overlap change rows."""
    shown = [bar for bar in bars if bar.role is not Role.CONTEXT]
    since_ns = min(bar.operation.invoked_ns for bar in shown)
    marks = {columns[bar.first]: bar.operation.invoked_ns for bar in shown}
    for bar in shown:
        if bar.last is not None and bar.operation.completed_ns is not None:
            marks[columns[bar.last]] = bar.operation.completed_ns
    free_from = [0.0] * AXIS_ROWS
    parts = []
    for x, time_ns in sorted(marks.items()):
        text = elapsed_text(time_ns, since_ns)
        row = next((row for row in range(AXIS_ROWS) if free_from[row] <= x), None)
        parts.append(f'<line class="guide" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP_PX}" y2="{bottom + 4}"/>')
        if row is not None:
            free_from[row] = x + (len(text) + 1) * CHARACTER_PX
            y = bottom + 4 + AXIS_ROW_PX * (row + 0.8)
            parts.append(f'<text class="time" x="{x:.1f}" y="{y:.1f}">{text}</text>')
    return parts


def _bar(bar: Bar, row: int, columns: Sequence[float]) -> str:
    op = bar.operation
    x, end = columns[bar.first], columns[-1] if bar.last is None else columns[bar.last]
    y = TOP_PX + ROW_PX * row + (ROW_PX - BAR_PX) / 2
    fitting = int((end - x - 2 * PADDING_PX) / CHARACTER_PX + 0.01)
    label = bar.label if len(bar.label) <= fitting else f"{bar.label[: max(0, fitting - 1)]}…"
    classes = f"bar {bar.role.value} {'sight' if op.is_observer else 'write'}{' open' if bar.last is None else ''}"
    return (
        f'<g class="{classes}"><title>{escape(_tooltip(op))}</title>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{end - x:.1f}" height="{BAR_PX}" rx="4"/>'
        f'<text x="{x + PADDING_PX:.1f}" y="{y + BAR_PX / 2 + 4:.1f}">{escape(label)}</text></g>'
    )


def _tooltip(operation: Operation) -> str:
    lines = [operation_text(operation), f"invoked at {operation.invoked_ns:,} ns"]
    if operation.completed_ns is not None:
        lines.append(f"completed at {operation.completed_ns:,} ns")
    for name, number in (("revision", operation.revision), ("slot", operation.slot)):
        if number is not None:
            lines.append(f"{name} {number}")
    return "\n".join([*lines, *([operation.error] if operation.error else [])])


def _on_top(bar: Bar) -> int:
    """Order of drawing: what matters most comes last."""
    return list(Role)[::-1].index(bar.role)
