"""The picture of a run: faults, roles, throughput and latency above one time axis, as one SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from paxoskv.verifier.report.figures import Band, Bucket, Figures

SIDE = 92
"""Width of what stands left of the time axis, for the names of the rows."""

RIGHT = 14
WIDTH_MIN = 1140
WIDTH_MAX = 8000
PIXELS_PER_S = 26
ROW = 24
GAP = 18
CHART_HEIGHT = 120
_LETTER = 6.2
_LETTERS_MIN = 4
_LATENCIES_MS = (0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0)


class _Canvas:
    """Collects elements from top to bottom. x: from seconds to pixels."""

    def __init__(self, seconds: float) -> None:
        self.width = max(WIDTH_MIN, min(WIDTH_MAX, int(seconds * PIXELS_PER_S) + SIDE + RIGHT))
        self.y = 8.0
        self.parts: list[str] = []
        self.seconds = seconds

    def x(self, at_s: float) -> float:
        """Return where a time stands."""
        return SIDE + (self.width - SIDE - RIGHT) * min(max(at_s, 0.0), self.seconds) / self.seconds

    def add(self, part: str) -> None:
        """Add one element."""
        self.parts.append(part)

    def label(self, text: str, y: float, kind: str = "side") -> None:
        """Write left of the time axis."""
        self.add(f'<text class="side {kind}" x="{SIDE - 10}" y="{y:.1f}">{escape(text)}</text>')


def chart_of(figures: Figures) -> str:
    """Return the picture as an `svg` element."""
    canvas = _Canvas(figures.seconds)
    _time_axis(canvas, figures)
    for lane, name in (("nodes", "node faults"), ("links", "link faults")):
        _bands(canvas, [band for band in figures.bands if band.lane == lane], name)
    canvas.y += GAP / 2
    _roles(canvas, figures)
    canvas.y += GAP
    _rates(canvas, figures.buckets)
    canvas.y += GAP * 1.6
    _latencies(canvas, figures.buckets)
    height = canvas.y + 12
    grid = "".join(_grid(canvas, height))
    return (
        f'<svg class="chart" width="{canvas.width}" height="{height:.0f}" viewBox="0 0 {canvas.width} {height:.0f}" '
        f'role="img" aria-label="faults, roles, throughput and latency over time">{grid}{"".join(canvas.parts)}</svg>'
    )


def _ticks(seconds: float, width: int) -> Iterator[float]:
    """Yield round times, about 90 pixels apart."""
    step = next(
        step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 86_400) if seconds / step <= width / 90
    )
    yield from (float(at) for at in range(0, int(seconds) + 1, step))


def _grid(canvas: _Canvas, height: float) -> Iterator[str]:
    for at_s in _ticks(canvas.seconds, canvas.width):
        x = canvas.x(at_s)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="18" y2="{height - 10:.0f}"/>'


def _time_axis(canvas: _Canvas, figures: Figures) -> None:
    for at_s in _ticks(figures.seconds, canvas.width):
        canvas.add(f'<text x="{canvas.x(at_s):.1f}" y="{canvas.y + 4:.1f}" text-anchor="middle">{at_s:g} s</text>')
    canvas.y += GAP


def _bands(canvas: _Canvas, bands: Sequence[Band], name: str) -> None:
    canvas.label(name, canvas.y + ROW / 2 + 4, "title")
    for band in bands:
        x, end = canvas.x(band.from_s), canvas.x(band.to_s)
        stood, healing = canvas.x(band.stood_s), canvas.x(band.healing_s)
        text = _fitting(band.fault, end - x - 8)
        canvas.add(
            f'<g class="band {band.lane}"><title>{escape(f"{band.fault}: {band.hit}, {band.from_s:.1f} s")}</title>'
            f"{_rect('whole', x, canvas.y, end - x, ROW - 4)}"
            f"{_rect('stood', stood, canvas.y, max(healing - stood, 1.5), ROW - 4)}"
            f'<text x="{x + 5:.1f}" y="{canvas.y + ROW / 2 + 2:.1f}">{escape(text)}</text></g>'
        )
    canvas.y += ROW


def _roles(canvas: _Canvas, figures: Figures) -> None:
    for node in sorted({phase.node for phase in figures.phases}):
        canvas.label(f"node {node}", canvas.y + ROW / 2 + 3, "title")
        for phase in figures.phases:
            if phase.node == node:
                x, end = canvas.x(phase.from_s), canvas.x(phase.to_s)
                rect = _rect(phase.state, x, canvas.y + 3, max(end - x, 0.5), ROW - 9)
                canvas.add(f"<g><title>node {node}: {phase.state}, {phase.from_s:.1f} s</title>{rect}</g>")
        canvas.y += ROW


def _rates(canvas: _Canvas, buckets: Sequence[Bucket]) -> None:
    top = _round_up(max((bucket.ok_per_s for bucket in buckets), default=1.0))
    bottom = canvas.y + CHART_HEIGHT

    def y(rate: float) -> float:
        return bottom - CHART_HEIGHT * min(rate, top) / top

    canvas.label("operations/s", canvas.y + 4, "title")
    _levels(canvas, [(value, f"{value:,.0f}") for value in (0, top / 2, top)], y, skip_top=True)
    points = [(canvas.x(bucket.at_s), y(bucket.ok_per_s)) for bucket in buckets]
    outline = " ".join(f"L{x:.1f},{height:.1f}" for x, height in points)
    canvas.add(f'<path class="rate" d="M{SIDE},{bottom:.1f} {outline} L{points[-1][0]:.1f},{bottom:.1f} Z"/>')
    width = max(1.0, canvas.x(buckets[1].at_s) - SIDE - 1) if len(buckets) > 1 else 4.0
    for bucket in buckets:
        if bucket.errors_per_s:
            height = max(2.0, bottom - y(bucket.errors_per_s))
            canvas.add(_rect("errors", canvas.x(bucket.at_s), bottom - height, width, height))
    canvas.y = bottom


def _latencies(canvas: _Canvas, buckets: Sequence[Bucket]) -> None:
    bottom, low, high = canvas.y + CHART_HEIGHT, math.log10(_LATENCIES_MS[0]), math.log10(_LATENCIES_MS[-1])

    def y(latency_ms: float) -> float:
        return bottom - CHART_HEIGHT * (math.log10(min(max(latency_ms, 0.1), 10_000.0)) - low) / (high - low)

    canvas.label("latency", canvas.y - 8, "title")
    _levels(canvas, [(value, _time_text(value)) for value in _LATENCIES_MS], y)
    for kind in ("p99", "p50"):
        canvas.add(f'<path class="{kind}" d="{_line(canvas, buckets, kind, y)}"/>')
    canvas.y = bottom


def _line(canvas: _Canvas, buckets: Sequence[Bucket], kind: str, y: Callable[[float], float]) -> str:
    """Return a path that is interrupted where nothing succeeded."""
    steps, is_drawing = [], False
    for bucket in buckets:
        value = bucket.p99_ms if kind == "p99" else bucket.p50_ms
        if value is not None:
            steps.append(f"{'L' if is_drawing else 'M'}{canvas.x(bucket.at_s):.1f},{y(value):.1f}")
        is_drawing = value is not None
    return " ".join(steps)


def _levels(
    canvas: _Canvas, levels: Sequence[tuple[float, str]], y: Callable[[float], float], skip_top: bool = False
) -> None:
    for place, (value, text) in enumerate(levels):
        at = y(value)
        canvas.add(f'<line class="axis" x1="{SIDE}" x2="{canvas.width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        if not (skip_top and place == len(levels) - 1):
            canvas.label(text, at + 4)
        else:
            canvas.label(text, at + 18)


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"/>'


def _fitting(text: str, width: float) -> str:
    """Return as much of `text` as fits in so many pixels, nothing if that would tell nothing."""
    letters = int(width / _LETTER)
    if len(text) <= letters:
        return text
    return text[: letters - 1] + "…" if letters >= _LETTERS_MIN else ""


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50, ..."""
    magnitude: float = 10.0 ** math.floor(math.log10(max(value, 1.0)))
    return next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= value)


def _time_text(latency_ms: float) -> str:
    return f"{latency_ms / 1000:g} s" if latency_ms >= 1000 else f"{latency_ms:g} ms"
