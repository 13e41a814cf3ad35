"""How the page of a run looks, by day and by night."""

from __future__ import annotations

STYLE = """
:root { --paper: #f6f7f9; --card: #fff; --ink: #1c2330; --faint: #667085; --line: #dfe3ea; --grid: #eceff4;
  --bad: #c4272f; --bad-soft: #fdecec; --good: #1b7f4b; --good-soft: #e2f4ea;
  --nodes: #b54708; --nodes-soft: #fdead7; --links: #6941c6; --links-soft: #ece6fb;
  --leader: #2f6fde; --follower: #c9dbf8; --candidate: #f0b44c; --sick: #e58a8e; --silent: #eceff4; --rate: #0e8074;
  --rate-soft: #dcf3f0; --p50: #2f6fde; --p99: #b54708; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #12161d; --card: #1a202a; --ink: #e7eaf0; --faint: #98a2b3; --line: #303846; --grid: #262d39;
    --bad: #ff7b7f; --bad-soft: #47191d; --good: #58c98b; --good-soft: #16382a;
    --nodes: #f7a35c; --nodes-soft: #4a2c14; --links: #b59cf5; --links-soft: #30245a;
    --leader: #7eaaf7; --follower: #26395c; --candidate: #e0b252; --sick: #a3474c; --silent: #232a35; --rate: #5fc9bc;
    --rate-soft: #143c38; --p50: #7eaaf7; --p99: #f7a35c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 24px 20px 48px; }
header { border-left: 6px solid var(--good); padding: 2px 0 2px 16px; margin-bottom: 18px; }
header.bad { border-color: var(--bad); } header h1 { color: var(--good); } header.bad h1 { color: var(--bad); }
h1 { font-size: 26px; line-height: 1.2; margin: 0; }
header p { margin: 4px 0 0; color: var(--faint); overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 8px; } h2 small { font-weight: 400; color: var(--faint); margin-left: 6px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px;
  margin: 14px 0; }
.facts { display: flex; flex-wrap: wrap; gap: 12px 40px; }
.facts b { display: block; font-size: 19px; } .facts span { color: var(--faint); font-size: 13px; }
ul.verdicts { list-style: none; margin: 0; padding: 0; display: grid; gap: 6px 28px;
  grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); }
ul.verdicts li { padding-left: 30px; position: relative; }
ul.verdicts li::before { content: "\\2713"; position: absolute; left: 0; width: 20px; height: 20px; border-radius: 50%;
  background: var(--good-soft); color: var(--good); text-align: center; font-weight: 700; line-height: 20px;
  font-size: 13px; }
ul.verdicts li.bad { color: var(--bad); font-weight: 600; }
ul.verdicts li.bad::before { content: "\\2717"; background: var(--bad-soft); color: var(--bad); }
ol.complaints { color: var(--bad); margin: 8px 0 0; padding-left: 24px; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: left; padding: 5px 18px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--faint); font-weight: 500; } td.number, th.number { text-align: right; white-space: nowrap; }
td.name { font-weight: 600; white-space: nowrap; } td.faint { color: var(--faint); }
summary { cursor: pointer; font-size: 16px; font-weight: 600; } details table { margin-top: 10px; }
code { font: 13px ui-monospace, "DejaVu Sans Mono", monospace; background: var(--grid); padding: 2px 6px;
  border-radius: 5px; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; color: var(--faint); font-size: 13px; margin: 4px 0 10px; }
.legend i { display: inline-block; width: 14px; height: 12px; border-radius: 3px; margin-right: 6px;
  vertical-align: -1px; border: 1px solid var(--line); }
.chart { display: block; }
.chart text { font: 11px/1 system-ui, sans-serif; fill: var(--faint); }
.chart .side { text-anchor: end; } .chart .title { font-weight: 600; fill: var(--ink); }
.grid { stroke: var(--grid); } .axis { stroke: var(--line); }
.band rect.whole { opacity: .45; } .band.nodes rect { fill: var(--nodes-soft); }
.band.links rect { fill: var(--links-soft); }
.band.nodes rect.stood { stroke: var(--nodes); } .band.links rect.stood { stroke: var(--links); }
.chart .band.nodes text { fill: var(--nodes); font-weight: 600; }
.chart .band.links text { fill: var(--links); font-weight: 600; }
.leader { fill: var(--leader); background: var(--leader); }
.follower { fill: var(--follower); background: var(--follower); }
.candidate { fill: var(--candidate); background: var(--candidate); }
.sick { fill: var(--sick); background: var(--sick); }
.silent { fill: var(--silent); background: var(--silent); }
.rate { fill: var(--rate-soft); stroke: var(--rate); stroke-width: 1.5; } .errors { fill: var(--bad); opacity: .65; }
.p50, .p99 { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.p50 { stroke: var(--p50); } .p99 { stroke: var(--p99); }
i.p50 { background: var(--p50); } i.p99 { background: var(--p99); } i.rate { background: var(--rate); }
i.errors { background: var(--bad); } i.nodes { background: var(--nodes-soft); border-color: var(--nodes); }
i.links { background: var(--links-soft); border-color: var(--links); }
"""
