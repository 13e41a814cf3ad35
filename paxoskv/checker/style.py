"""How the page of a verdict looks, by day and by night."""

from __future__ import annotations

STYLE = """
:root { --paper: #f6f7f9; --card: #fff; --ink: #1c2330; --faint: #667085; --line: #dfe3ea;
  --bad: #c4272f; --bad-soft: #fdecec; --good: #1b7f4b; --open: #9a6700;
  --write: #2f6fde; --write-soft: #e3edfd; --sight: #0e8074; --sight-soft: #dcf3f0; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #12161d; --card: #1a202a; --ink: #e7eaf0; --faint: #98a2b3; --line: #303846;
    --bad: #ff7b7f; --bad-soft: #47191d; --good: #58c98b; --open: #e0b252;
    --write: #7eaaf7; --write-soft: #1d2f52; --sight: #5fc9bc; --sight-soft: #143c38; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 48px; }
header { border-left: 6px solid var(--open); padding: 2px 0 2px 16px; margin-bottom: 18px; }
header.bad { border-color: var(--bad); } header.good { border-color: var(--good); }
h1 { font-size: 26px; line-height: 1.2; margin: 0; } header.bad h1 { color: var(--bad); }
header.good h1 { color: var(--good); } header.open h1 { color: var(--open); }
header p { margin: 4px 0 0; color: var(--faint); overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 8px; } h2 small { font-weight: 400; color: var(--faint); margin-left: 6px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px;
  margin: 14px 0; }
.facts { display: flex; flex-wrap: wrap; gap: 12px 40px; }
.facts b { display: block; font-size: 19px; } .facts span { color: var(--faint); font-size: 13px; }
p { margin: 8px 0; } .why { font-size: 17px; font-weight: 600; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 20px; color: var(--faint); font-size: 13px; margin-top: 14px; }
.legend svg { vertical-align: -2px; margin-right: 6px; }
.scroll { overflow-x: auto; margin: 10px 0 16px; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 18px 5px 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--faint); font-weight: 500; } tr.accused td { color: var(--bad); font-weight: 600; }
.timeline { display: block; }
.timeline text { font: 11px/1 ui-monospace, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.timeline .process { text-anchor: end; fill: var(--faint); } .timeline .time { fill: var(--faint); }
.row { stroke: var(--line); } .guide { stroke: var(--faint); stroke-dasharray: 2 4; opacity: .55; }
.bar rect { stroke-width: 1.5; } .bar.write rect { fill: var(--write-soft); stroke: var(--write); }
.bar.sight rect { fill: var(--sight-soft); stroke: var(--sight); }
.bar.context { opacity: .38; } .bar.open rect { stroke-dasharray: 5 3; fill: none; }
.bar.accused rect { fill: var(--bad-soft); stroke: var(--bad); stroke-width: 2.5; }
.timeline .bar.accused text { fill: var(--bad); font-weight: 700; }
"""
