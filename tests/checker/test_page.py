"""The page and its picture: complete in itself, escaped, and the contradiction marked."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from paxoskv.checker import Operation, judge, timeline_svg, verdict_page
from paxoskv.checker.page import SAMPLE_MAX
from paxoskv.checker.timeline import label_text
from paxoskv.checker.words import answers_text, elapsed_text, operation_text, value_text
from tests.checker.pictures import drawn
from tests.checker.test_bad_histories import BAD, Bad
from tests.checker.worlds import EVERYTHING, Mix, random_calls, record, with_stale_read

VOID = {"meta", "br", "img"}
STALE = "[put 1]  [put 2]\n             [get 2]   [get 1]\n                         [put 3 ?"


class Checked(HTMLParser):
    """Reads a page: every element closed, and where something would be fetched from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag in ("script", "link", "iframe"):
            self.fetched.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(operations: list[Operation], source: str = "history.jsonl", budget: int = 1_000_000) -> str:
    return verdict_page(judge(operations, budget), operations, source, wall_s=0.5)


def svg(picture: str) -> ElementTree.Element:
    """Return the first picture of a page; it is XML as well."""
    found = re.search(r'<svg class="timeline".*?</svg>', picture, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[0])


def bars(picture: ElementTree.Element) -> dict[str, tuple[set[str], float, float]]:
    """Return of each bar, by its label: the classes, where it begins, and where it ends."""
    space = "{http://www.w3.org/2000/svg}"
    drawn_bars = {}
    for group in picture.iter(f"{space}g"):
        rect, label = group.find(f"{space}rect"), group.find(f"{space}text")
        assert rect is not None
        assert label is not None
        x, width = float(rect.attrib["x"]), float(rect.attrib["width"])
        drawn_bars[label.text or ""] = (set(group.attrib["class"].split()), x, x + width)
    return drawn_bars


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_page_needs_nothing_beside_itself(bad: Bad) -> None:
    checked = Checked(page(drawn(bad.picture)))
    assert checked.fetched == []
    assert "Not linearizable" in checked.text
    assert bad.kind.capitalize() in checked.text


def test_the_contradiction_is_marked_and_in_words() -> None:
    text = page(drawn(STALE))
    checked = Checked(text)
    assert (
        "Process 1 read '1' (line 7), which had been replaced before by put '2' of process 0 (line 3)." in checked.text
    )
    assert "A right answer would have been '2' or '3'." in checked.text
    found = bars(svg(text))
    assert found["get → '1'"][0] == {"bar", "accused", "sight"}
    assert found["put '1'"][0] == found["put '2'"][0] == {"bar", "core", "write"}
    assert found["put '3' ?"][0] == {"bar", "context", "write", "open"}


def test_bars_stand_in_the_order_of_the_events() -> None:
    found = bars(svg(page(drawn(STALE))))
    assert found["put '1'"][2] < found["put '2'"][1]
    assert found["put '2'"][2] < found["get → '1'"][1] < found["put '3' ?"][1] < found["get → '1'"][2]
    assert found["put '3' ?"][2] > found["get → '1'"][2]


def test_labels_fit_into_their_bars() -> None:
    calls = random_calls(3, Mix(operations=60, clients=5, functions=EVERYTHING, unknown=0.1))
    operations = record(calls)
    for label, (_, begin, end) in bars(ElementTree.fromstring(timeline_svg(operations))).items():
        assert len(label) * 6.6 <= end - begin, label
    assert label_text(operations[0]) in timeline_svg(operations).replace("&#x27;", "'")


def test_what_users_wrote_is_escaped() -> None:
    evil = "<script>alert(1)</script>&"
    operations = [op._replace(key=evil.encode(), error=evil) for op in drawn("[put 1]  [get 2]")]
    operations = [op._replace(result=evil.encode()) if op.f == "get" else op for op in operations]
    text = page(operations, source=f"{evil}.jsonl")
    checked = Checked(text)
    assert checked.fetched == []
    assert "<script" not in text
    assert "script" in checked.text


def test_bytes_that_are_not_text_are_shown() -> None:
    operations = [op._replace(key=b"\xff\x00\x1b") for op in drawn("[get 2]")]
    assert r"\\xff" in Checked(page(operations)).text
    assert "\x1b" not in page(operations)


def test_a_right_history_has_a_page_too() -> None:
    few = record(random_calls(1, Mix(operations=20, clients=3, keys=2, functions=EVERYTHING)))
    checked = Checked(page(few))
    assert "All operations of the history" in checked.text
    assert "Not linearizable" not in checked.text
    many = record(random_calls(1, Mix(operations=SAMPLE_MAX + 1)))
    assert f"The first {SAMPLE_MAX} operations of the history" in Checked(page(many)).text


def test_an_empty_history_has_a_page() -> None:
    assert "nothing was judged" in Checked(page([])).text


def test_an_undecided_key_is_shown() -> None:
    operations = [
        op._replace(revision=None, slot=None)
        for op in record(with_stale_read(random_calls(1, Mix(functions=("put", "get"))), seed=1))
    ]
    checked = Checked(page(operations, budget=20))
    assert "Undecided" in checked.text
    assert "of key 'k0', which is undecided" in checked.text


def test_wrong_revisions_have_a_page() -> None:
    checked = Checked(page([op._replace(revision=5) for op in drawn("[put 1]  [a: put 2]")]))
    assert "Linearizable, but not in the order of its revisions" in checked.text
    assert "Shared revision" in checked.text


def test_a_long_contradiction_is_drawn_in_part_and_its_value_shortened() -> None:
    operations = record(random_calls(1, Mix(operations=300, clients=30)))
    read = next(op for op in operations if op.f == "get" and op.outcome == "ok")
    wrong = [op._replace(result=b"x" * 10_000) if op is read else op for op in operations]
    text = page(wrong)
    assert len(text) < 60_000
    assert "x" * 100 not in text


@pytest.mark.parametrize(
    ("elapsed_ns", "text"),
    [(0, "0 ns"), (80, "80 ns"), (12_500, "12.5 µs"), (3_200_000, "3.200 ms"), (17_345_000_000, "17.345 s")],
)
def test_times_are_told_in_the_unit_that_suits_them(elapsed_ns: int, text: str) -> None:
    assert elapsed_text(1_000 + elapsed_ns, 1_000) == text


def test_values_and_operations_in_words() -> None:
    assert value_text(None) == "absent"
    assert value_text(b"a'b") == '"a\'b"'
    assert value_text(b"x" * 50) == f"'{'x' * 40}...'"
    assert answers_text([b"1"]) == "'1'"
    assert answers_text([b"1", None]) == "'1' or absent"
    assert answers_text([b"%d" % number for number in range(8)]).endswith("'4' or 3 others")
    texts = [operation_text(op) for op in drawn("[put 1]\n[get -]\n[get 1?\n[cas - 2!\n[append x!\n[delete]")]
    assert texts == [
        "put '1' of process 0 (line 1)",
        "get of process 1 (line 2, answered absent)",
        "get of process 2 (line 3, outcome unknown)",
        "cas absent to '2' of process 4 (line 4, compare failed)",
        "append 'x' of process 5 (line 5, failed)",
        "delete of process 6 (line 6)",
    ]
