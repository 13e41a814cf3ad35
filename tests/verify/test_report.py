"""What is shown of a run: figures, text, JSON and the page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from paxoskv.verifier.evidence import Evidence
from paxoskv.verifier.report.chart import chart_of
from paxoskv.verifier.report.document import document_of
from paxoskv.verifier.report.figures import figures_of, longest_gap_ns, percentile
from paxoskv.verifier.report.page import page_of
from paxoskv.verifier.report.text import text_of
from paxoskv.verifier.verdict import judge_run
from tests.verify.kit import MS, History, evidence

HISTORY, PAGE = Path("history.jsonl"), Path("report.html")
ISSUE_FIELDS = {
    "nodes",
    "seconds",
    "ops",
    "unknown",
    "faults",
    "linearizable",
    "lost_writes",
    "digests_equal",
    "history",
}
VOID = {"meta", "br", "i"}


def bad_evidence() -> Evidence:
    """A run in which a write was lost, and a node has done something odd."""
    history = History()
    history.put(b"key-0001", b"0.1")
    history.put(b"key-0001", b"1.2")
    history.get(b"key-0001", b"0.1")
    return evidence(history.operations, surprises=["node 2 said <b>boo</b>"])


class Balance(HTMLParser):
    """Checks that every element is closed in its turn, and collects what a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_longest_gap_counts_what_is_cut_off_by_the_window() -> None:
    times = [0, 10, 20, 90, 100]
    assert longest_gap_ns(times, 0, 100) == 70
    assert longest_gap_ns(times, 0, 15) == 10
    assert longest_gap_ns(times, 30, 40) == 70
    assert longest_gap_ns([0, 100], 40, 50) == 100


def test_percentiles_of_nothing_are_none() -> None:
    assert percentile([], 50) is None
    assert percentile([1.0], 99) == 1.0
    assert percentile([float(n) for n in range(100)], 99) == 99.0


def test_figures_count_every_operation_once() -> None:
    made = figures_of(evidence())
    assert (made.ok, made.failed, made.unknown) == (7, 0, 0)
    assert made.leaderships == 2
    assert made.p50_ms == pytest.approx(0.5)
    assert sum(bucket.ok_per_s * made.bucket_s for bucket in made.buckets) == pytest.approx(7)
    assert made.gap_s_max == pytest.approx(0.895, abs=0.01)
    assert [(band.fault, round(band.stood_s, 3)) for band in made.bands] == [("pause", 0.109), ("corrupt", 0.199)]
    assert [(cost.fault, cost.times) for cost in made.costs] == [("pause", 1), ("corrupt", 1)]


def test_roles_follow_one_another_to_the_end() -> None:
    phases = [phase for phase in figures_of(evidence()).phases if phase.node == 1]
    assert [phase.state for phase in phases] == ["leader", "silent"]
    assert phases[0].to_s == phases[1].from_s


def test_failures_and_unknown_outcomes_are_told_apart() -> None:
    history = History()
    history.put(b"k", b"1", outcome="fail")
    history.put(b"k", b"2", outcome="info")
    history.cas(b"k", b"x", b"3", outcome="mismatch")
    made = figures_of(evidence(history.operations))
    assert (made.ok, made.failed, made.unknown) == (1, 1, 1)


def test_the_document_has_the_fields_that_were_agreed() -> None:
    seen = evidence()
    document = document_of(seen, judge_run(seen), figures_of(seen), HISTORY, PAGE)
    assert document.keys() >= ISSUE_FIELDS
    assert json.loads(json.dumps(document))["faults"] == {"pause": 1, "corrupt": 1}
    assert (document["linearizable"], document["lost_writes"], document["digests_equal"]) == (True, 0, True)
    assert (document["history"], document["passed"], document["not_run"]["clock-step"]) == (
        "history.jsonl",
        True,
        "no compiler",
    )


def test_the_text_says_what_was_not_run_and_why() -> None:
    seen = evidence()
    text = text_of(seen, judge_run(seen), figures_of(seen), HISTORY, PAGE)
    assert text.startswith("verify: passed, 3 nodes, 2 clients, seed 7\n")
    assert "  clock-step, clock-skew: no compiler\n" in text
    assert "nodes run with window 1\n" in text
    assert "BAD" not in text


def test_the_text_of_a_failure_says_what_is_wrong() -> None:
    seen = bad_evidence()
    text = text_of(seen, judge_run(seen), figures_of(seen), HISTORY, PAGE)
    assert text.startswith("verify: FAILED")
    assert "ok   0 acknowledged writes lost" in text  # the kit's key was read as 1.2 in the end
    assert "surprise: node 2 said" in text
    assert "the history is not linearizable" in text


@pytest.mark.parametrize("seen", [evidence(), bad_evidence()], ids=["good", "bad"])
def test_the_page_is_whole_and_needs_nothing_beside_itself(seen: Evidence) -> None:
    page = page_of(seen, judge_run(seen), figures_of(seen), "paxoskv verify --seed 7")
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert balance.loads == []
    assert "<b>boo</b>" not in page
    assert "paxoskv verify --seed 7" in page


def test_the_page_of_a_failure_shows_the_contradiction() -> None:
    seen = bad_evidence()
    page = page_of(seen, judge_run(seen), figures_of(seen), "again")
    assert '<header class="bad">' in page
    assert "1 times a node did what it never should" in page
    assert page.count("<svg") > page_of(evidence(), judge_run(evidence()), figures_of(evidence()), "").count("<svg")


def test_the_chart_is_xml_with_every_fault_and_every_node() -> None:
    chart = ElementTree.fromstring(chart_of(figures_of(evidence())))
    texts = [element.text for element in chart.iter() if element.text]
    assert {"node 1", "node 2", "node 3", "node faults", "link faults"} <= set(texts)
    assert any(text.startswith("corrupt: <2% of all frames>") for text in texts)


def test_a_run_without_a_single_success_can_be_shown() -> None:
    history = History()
    history.put(b"k", b"1", outcome="fail")
    history.put(b"k", b"2", outcome="info", at_ms=70_000)
    seen = evidence(history.operations, injections=[], samples=[], states=None, finals={}, counters={})
    verdict = judge_run(seen)
    assert not verdict.passed
    assert "FAILED" in text_of(seen, verdict, figures_of(seen), HISTORY, PAGE)
    assert page_of(seen, verdict, figures_of(seen), "again")


def test_long_runs_keep_a_bounded_number_of_intervals() -> None:
    history = History()
    for hour in range(4):
        history.put(b"k", b"%d" % hour, at_ms=hour * 3_600_000)
    made = figures_of(evidence(history.operations))
    assert len(made.buckets) <= 242
    assert made.seconds == pytest.approx(3 * 3600, abs=1)
    assert made.bands[0].from_s == pytest.approx((100 * MS - MS) / 1e9)
