"""`paxoskv check`: exit codes, the text, the document, the page, and input that cannot be used."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

import paxoskv
from paxoskv.checker import HistoryWriter
from paxoskv.cli.app import run
from tests.checker.pictures import calls_of
from tests.checker.worlds import Call, Mix, random_calls, record, with_stale_read

GOOD = "[put 1]  [get 1]"
BAD = "[put 1]  [put 2]\n                    [get 1]"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; anything before or after it is an error."""
        return json.loads(self.out)


Check = Callable[..., Outcome]


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str]) -> Check:
    """Run `paxoskv check` in this process."""

    def check_now(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        code = run(["check", *map(str, arguments)])
        return Outcome(code, *capfd.readouterr())

    return check_now


@pytest.fixture
def history(tmp_path: Path) -> Callable[[str | list[Call]], Path]:
    """Write a history, drawn or as calls, to a file."""

    def write(given: str | list[Call]) -> Path:
        path = tmp_path / "history.jsonl"
        with path.open("w", encoding="utf-8") as stream:
            record(calls_of(given) if isinstance(given, str) else given, HistoryWriter(stream))
        return path

    return write


Write = Callable[[str | list[Call]], Path]


def test_a_linearizable_history_is_exit_code_0(check: Check, history: Write) -> None:
    outcome = check(history(GOOD))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("linearizable: 2 operations on 1 key, 0 of unknown outcome, judged in ")
    assert "revisions: absent" in outcome.out


def test_one_that_is_not_is_exit_code_1_and_explained(check: Check, history: Write) -> None:
    outcome = check(history(BAD))
    assert (outcome.code, outcome.err) == (1, "")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("not linearizable: ")
    assert lines[3] == (
        "stale read: Process 1 read '1' (line 5), which had been replaced before by put '2' of process 0 (line 3)."
    )
    assert lines[4].split() == [
        "LINE", "PROCESS", "KEY", "OPERATION", "OUTCOME", "INVOKED", "COMPLETED", "REVISION",
    ]  # fmt: skip
    assert [line[0] for line in lines[5:8]] == [" ", " ", ">"]
    assert lines[8] == "A right answer would have been '2'."


def test_the_document(check: Check, history: Write) -> None:
    good = check(history(GOOD), "-o", "json")
    assert good.code == 0
    assert good.document["linearizable"] is True
    assert good.document["counterexample"] is None
    assert (good.document["ops"], good.document["keys"]) == (2, 1)
    bad = check(history(BAD), "-o", "json")
    assert bad.code == 1
    assert bad.document["linearizable"] is False
    assert bad.document["counterexample"]["kind"] == "stale read"


def test_undecided_is_exit_code_3_and_says_what_to_do(check: Check, history: Write) -> None:
    calls = with_stale_read(random_calls(1, Mix(functions=("put", "get"))), seed=1)
    path = history([call._replace(revision=None, slot=None) for call in calls])
    outcome = check(path, "--budget", "20")
    assert outcome.code == 3
    assert "undecided: 'k0'; try a larger --budget" in outcome.out
    document = check(path, "--budget", "20", "-o", "json").document
    assert (document["linearizable"], document["counterexample"]) == (None, None)
    assert [key["key"] for key in document["undecided_keys"]] == ["k0"]
    assert check(path).code == 1


def test_wrong_revisions_alone_are_exit_code_1(check: Check, history: Write) -> None:
    calls = [call._replace(revision=4, slot=4) for call in calls_of("[a: put 1]  [b: put 1]")]
    outcome = check(history(calls))
    assert outcome.code == 1
    assert outcome.out.startswith("linearizable: ")
    assert "revisions: violated" in outcome.out
    assert "shared revision: Two changes carry revision 4" in outcome.out


def test_a_page_is_written(check: Check, history: Write, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    outcome = check(history(BAD), "--html", page)
    assert outcome.code == 1
    assert outcome.out.endswith(f"The picture: {page}\n")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    page.unlink()
    check(history(BAD), "--html", page, "-o", "json")
    assert "Stale read" in page.read_text(encoding="utf-8")


def test_standard_input(check: Check, history: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    data = history(BAD).read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert check("-").code == 1


def test_an_empty_history_is_no_success_in_silence(check: Check, history: Write) -> None:
    outcome = check(history(""))
    assert outcome.code == 0
    assert "The history is empty: nothing was judged." in outcome.out


def test_a_file_that_is_none(check: Check, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        outcome = check(path)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith(f"paxoskv: cannot read {path}: ")
        assert outcome.err.count("\n") == 1


def test_a_file_that_is_no_history_names_the_line(check: Check, history: Write) -> None:
    path = history(BAD)
    path.write_bytes(path.read_bytes()[:-20])
    outcome = check(path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"paxoskv: {path} is no history: line 6: no JSON")
    document = check(path, "-o", "json").document
    assert document["code"] == "bad_history"
    assert "line 6" in document["error"]


def test_a_history_that_cannot_be_names_the_line(check: Check, history: Write) -> None:
    path = history(GOOD)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines]))
    outcome = check(path)
    assert outcome.code == 2
    assert "line 2: process 0 invokes put while its put of line 1 is open" in outcome.err


def test_a_page_that_cannot_be_written(check: Check, history: Write, tmp_path: Path) -> None:
    outcome = check(history(BAD), "--html", tmp_path / "missing" / "page.html")
    assert (outcome.code, outcome.out) == (2, "")
    assert "cannot write" in outcome.err


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["a", "--budget", "0"], ["a", "--budget", "x"], ["a", "--html"]])
def test_wrong_usage_is_exit_code_2(check: Check, arguments: list[str]) -> None:
    outcome = check(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "paxoskv check --help" in outcome.err or "requires an argument" in outcome.err


def test_progress_goes_to_a_terminal_only(check: Check, history: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = history("[a: put 1]  [b: put 2]")
    assert check(path).err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    outcome = check(path)
    assert "check: 1 of 2 keys" in outcome.err
    assert outcome.err.endswith("\r\x1b[K")
    assert "of 2 keys" not in outcome.out


def test_the_help_teaches_the_format(check: Check) -> None:
    outcome = check("--help")
    assert outcome.code == 0
    assert '{"process": 0, "type": "invoke", "f": "put", "key": "a", "value": "1", "time": 10}' in outcome.out
    for word in ("Exit codes", "info (nobody knows)", "--html", "--budget", "[expected, new]"):
        assert word in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 90


def test_the_example_of_the_help_is_a_history(check: Check, tmp_path: Path) -> None:
    example = [line.strip() for line in check("--help").out.splitlines() if line.strip().startswith("{")]
    path = tmp_path / "example.jsonl"
    path.write_text("\n".join(example), encoding="utf-8")
    outcome = check(path)
    assert outcome.code == 0
    assert outcome.out.startswith("linearizable: 2 operations")


def test_the_judge_imports_nothing_of_what_it_judges() -> None:
    program = (
        "import sys, types; sys.modules['paxoskv'] = root = types.ModuleType('paxoskv')\n"
        "root.__path__ = [sys.argv[1]]\n"
        "import paxoskv.checker\n"
        "print({name.split('.')[1] for name in sys.modules if name.startswith('paxoskv.')})"
    )
    package = str(Path(paxoskv.__file__).parent)
    done = subprocess.run([sys.executable, "-c", program, package], capture_output=True, check=True, text=True)
    assert done.stdout == "{'checker'}\n"
