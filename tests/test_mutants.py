"""The mutants still fit the code they break, and the judge that runs them tells the dead from the living."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.mutants import report, workplace
from scripts.mutants.catalogue.every import ALL, matching
from scripts.mutants.mutant import DoesNotApply, Edit, Mutant
from scripts.mutants.runner import (
    INVALID,
    KILLED,
    SURVIVED,
    Limits,
    Verdict,
    judge,
    judge_all,
)
from scripts.mutants.workplace import Seeds, Workplace

ROOT = Path(__file__).parents[1]
PITFALLS = {
    *("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P9", "P10", "P11", "P12", "P13", "P14", "P15", "P18", "P19", "P20"),
    *("P21", "P23", "P24", "P25", "P26", "P28", "P29", "P31", "P32", "P33", "P34", "P35", "P37", "P38", "P39", "P42"),
    *("P43", "P45"),
}
"""Those for which at least one mutant has to stand; what the rest speak of is not built, or not a rule of the code."""


@pytest.mark.parametrize("mutant", ALL, ids=[mutant.name for mutant in ALL])
def test_a_mutant_fits_the_code_and_compiles(mutant: Mutant) -> None:
    """A refactoring that moves the code takes its mutants along: look for the text, and change the mutant with it."""
    for path, text in mutant.sources(ROOT).items():
        assert text != path.read_text(encoding="utf-8"), f"{path}: the mutant changes nothing"


def test_every_mutant_has_a_name_a_rule_and_tests_of_its_own() -> None:
    assert [name for name, count in Counter(mutant.name for mutant in ALL).items() if count > 1] == []
    for mutant in ALL:
        assert re.fullmatch(r"[a-z0-9-]+", mutant.name), mutant.name
        assert re.fullmatch(r"[PSRH]\d+", mutant.pitfall), mutant.name
        assert mutant.rule, mutant.name
        assert not mutant.rule.endswith("."), mutant.name
        assert mutant.tests, mutant.name
    assert [path for mutant in ALL for path in mutant.tests if not (ROOT / path).exists()] == []


def test_no_pitfall_is_without_a_mutant() -> None:
    assert len(ALL) >= 45
    assert PITFALLS - {mutant.pitfall for mutant in ALL} == set()


def test_mutants_are_found_by_a_part_of_their_name_or_by_their_pitfall() -> None:
    assert {mutant.pitfall for mutant in matching(("P14",))} == {"P14"}
    assert [mutant.name for mutant in matching(("vote-not-sav",))] == ["vote-not-saved"]
    assert matching(()) == ALL


SOURCE = """\
class Adder:
    def add(self, a, b):
        return a + b

    def twice(self, a):
        return a + a


def add(a, b):
    return a + b
"""


def test_an_edit_looks_inside_its_function_only() -> None:
    edit = Edit("adder.py", "Adder.add", "a + b", "a - b")
    assert edit.applied_to(SOURCE).count("a - b") == 1
    assert edit.applied_to(SOURCE).splitlines()[2] == "        return a - b"
    assert replace(edit, inside="add").applied_to(SOURCE).splitlines()[-1] == "    return a - b"


@pytest.mark.parametrize(
    ("inside", "old"),
    [("Adder", "return"), ("Adder.add", "a * b"), ("Adder.gone", "a + b"), ("Gone", "a + b"), ("add.inner", "a")],
)
def test_an_edit_that_does_not_fit_exactly_once_is_refused(inside: str, old: str) -> None:
    with pytest.raises(DoesNotApply):
        Edit("adder.py", inside, old, "x").applied_to(SOURCE)


# A small repository with a package of its own


def mutant(name: str, new: str, *tests: str) -> Mutant:
    """Return a mutant of the small repository."""
    return Mutant(
        name, "P1", "a sum is a sum", (Edit("adder.py", "add", "a + b", new),), tests or ("tests/test_add.py",)
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose function has a test, which does not see everything. Its tests need no plugins, and start fast."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(workplace, "SETTINGS", ["-q", "-x", "--tb=line", "-p", "no:cacheprovider"])
    root = tmp_path / "repository"
    (root / "paxoskv").mkdir(parents=True)
    (root / "tests" / "paxos").mkdir(parents=True)
    (root / "paxoskv" / "__init__.py").touch()
    (root / "paxoskv" / "adder.py").write_text("def add(a, b):\n    return a + b\n")
    (root / "tests" / "test_add.py").write_text(
        "from paxoskv.adder import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    )
    (root / "tests" / "paxos" / "test_wide.py").write_text(
        "from paxoskv.adder import add\n\n\ndef test_wide():\n    assert add(7, 1) == 8\n"
    )
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '--import-mode=importlib'\n")
    return root


LIMITS = Limits(timeout_s=60.0, seeds=0, seeds_s=1.0)


def test_every_mutant_gets_its_verdict_in_a_copy(repository: Path) -> None:
    told: list[Verdict] = []
    mutants = [mutant("wrong", "a - b"), mutant("wrong-as-well", "a * b")]
    verdicts = judge_all(repository, mutants, LIMITS, 2, told.append)
    assert [verdict.mutant for verdict in verdicts] == mutants
    assert {(verdict.status, verdict.test) for verdict in verdicts} == {(KILLED, "tests/test_add.py::test_add")}
    assert sorted(verdict.mutant.name for verdict in told) == ["wrong", "wrong-as-well"]
    assert (repository / "paxoskv" / "adder.py").read_text() == "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize(
    ("new", "status", "test"),
    [("5", KILLED, "tests/paxos/test_wide.py::test_wide"), ("b + a", SURVIVED, "")],
)
def test_what_its_own_tests_do_not_see_others_may(
    repository: Path, tmp_path: Path, new: str, status: str, test: str
) -> None:
    verdict = judge(Workplace(repository, tmp_path / "place"), mutant("one", new), LIMITS)
    assert (verdict.status, verdict.test) == (status, test)


@pytest.mark.parametrize(
    "edit",
    [
        Edit("adder.py", "add", "a * b", "1"),
        Edit("adder.py", "add", "a + b", "a +"),
        Edit("adder.py", "add", "def add", "1 / 0\n\n\ndef add"),
    ],
    ids=["does not fit", "does not compile", "cannot be imported"],
)
def test_a_mutant_that_does_not_run_is_invalid_not_dead(repository: Path, tmp_path: Path, edit: Edit) -> None:
    verdict = judge(Workplace(repository, tmp_path / "place"), replace(mutant("one", ""), edits=(edit,)), LIMITS)
    assert verdict.status == INVALID
    assert verdict.message


def test_a_test_that_hangs_has_seen_something_tests_that_are_slow_have_not(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = replace(mutant("hangs", ""), edits=(Edit("adder.py", "add", "return a + b", "while True: pass"),))
    place = Workplace(repository, tmp_path / "place")
    slow = judge(place, hangs, replace(LIMITS, timeout_s=1.0))
    assert (slow.status, slow.message) == (INVALID, "the tests did not end within 1 s")
    monkeypatch.setattr(workplace, "HANGS_S", 1.0)
    (place.root / "pyproject.toml").write_text("[tool.pytest.ini_options]\nfaulthandler_exit_on_timeout = true\n")
    hung = judge(place, hangs, LIMITS)
    assert (hung.status, hung.test, hung.message) == (KILLED, "tests/test_add.py::test_add", "hung for 1 s")


def test_a_workplace_is_as_it_was_when_its_mutant_has_left(repository: Path, tmp_path: Path) -> None:
    """Also if it was mutated twice within the resolution of a file's time, with texts of one length."""
    place = Workplace(repository, tmp_path / "place")
    for new, seen in (("a - b", True), ("b + a", False)):
        with place.inhabited_by(mutant("one", new)):
            assert bool(place.first_failure(["tests/test_add.py"], 60.0)) is seen, new
    assert (place.root / "paxoskv" / "adder.py").read_text() == (repository / "paxoskv" / "adder.py").read_text()


def test_tests_that_are_not_there_judge_nothing(repository: Path, tmp_path: Path) -> None:
    assert Workplace(repository, tmp_path / "place").first_failure(["tests/gone"], 60.0) is None


def test_a_test_that_fails_without_the_mutant_has_seen_nothing(repository: Path, tmp_path: Path) -> None:
    (repository / "tests" / "test_add.py").write_text("def test_bad():\n    assert False, 'always'\n")
    verdict = judge(Workplace(repository, tmp_path / "place"), mutant("one", "a - b"), LIMITS)
    assert verdict.status == INVALID
    assert verdict.message == "without the mutant tests/test_add.py::test_bad fails as well: AssertionError: always"


SIMULATOR = """
class Result:
    def __init__(self, violation):
        self.violation = violation


def run_seed(seed):
    from paxoskv.adder import add

    assert add(seed, 3) == seed + 3, "a sum is wrong"
    return Result("seed 4 sees it" if seed == 4 and type(add(0, 0)) is float else "")
"""


@pytest.fixture
def simulated(repository: Path) -> Path:
    """The small repository with a simulator."""
    (repository / "paxoskv" / "simulator.py").write_text(SIMULATOR)
    script = Path("scripts") / "mutants" / "seeds.py"
    (repository / script).parent.mkdir(parents=True)
    (repository / script).write_text((ROOT / script).read_text(encoding="utf-8"))
    return repository


@pytest.mark.parametrize(
    ("new", "seeds"),
    [
        ("a - b", Seeds(1, 1, "AssertionError: a sum is wrong")),
        ("float(a + b)", Seeds(4, 4, "seed 4 sees it")),
        ("b + a", Seeds(None, 6, "")),
    ],
)
def test_seeds_are_counted_until_one_sees_the_mutant(simulated: Path, tmp_path: Path, new: str, seeds: Seeds) -> None:
    place = Workplace(simulated, tmp_path / "place")
    with place.inhabited_by(mutant("one", new)):
        assert place.seeds_to_kill(6, 60.0) == seeds


def test_a_seed_that_fails_without_the_mutant_has_seen_nothing(simulated: Path, tmp_path: Path) -> None:
    (simulated / "paxoskv" / "simulator.py").write_text("def run_seed(seed):\n    raise KeyError(seed)\n")
    place = Workplace(simulated, tmp_path / "place")
    verdict = judge(place, mutant("one", "b + a"), replace(LIMITS, seeds=6, seeds_s=60.0))
    assert verdict.status == INVALID
    assert "without the mutant seed 1 fails as well" in verdict.message


def test_a_seed_kills_what_no_test_sees(simulated: Path, tmp_path: Path) -> None:
    place, limits = Workplace(simulated, tmp_path / "place"), replace(LIMITS, seeds=6, seeds_s=60.0)
    verdict = judge(place, mutant("one", "float(a + b)"), limits)
    assert (verdict.status, verdict.test, verdict.seeds) == (KILLED, "", Seeds(4, 4, "seed 4 sees it"))
    assert "seed 4" in report.row(verdict)
    assert judge(place, replace(mutant("two", "b + a"), simulated=False), limits).seeds is None


# What is told


def verdict(name: str, status: str, seed: int | None = None) -> Verdict:
    """Return a verdict for the tests of the report."""
    test = "tests/x.py::test_x" if status == KILLED else ""
    return Verdict(mutant(name, "1"), status, test, "", Seeds(seed, seed or 300, "") if seed != 0 else None, 1.5)


def test_the_report_names_the_survivors_and_the_median_of_the_seeds() -> None:
    verdicts = [verdict("a", KILLED, 3), verdict("b", KILLED, 9), verdict("c", SURVIVED), verdict("d", INVALID, 0)]
    document = json.loads(json.dumps(report.document(verdicts, 12.0)))
    assert (document["killed"], document["survived"], document["invalid"]) == (2, ["c"], ["d"])
    assert (document["killed_by_seeds"], document["seeds_median"]) == (2, 6)
    assert [entry["seed"] for entry in document["mutants"]] == [3, 9, None, None]
    text = report.summary(verdicts, 12.0)
    assert "2 of 4 mutants killed, 1 survived" in text
    assert "the median by seed 6" in text
    assert ">300" in report.row(verdicts[2])
    assert len(report.header().split()) == len(report.row(verdicts[0]).split()) + 1


def test_the_command_judges_and_prints_one_document() -> None:
    """One mutant of our own code, killed by the first test it names."""
    options = ["--only", "delete-without-a-revision", "--jobs", "1", "-o", "json"]
    process = subprocess.run(
        [sys.executable, "-m", "scripts.mutants", *options], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert process.returncode == 0, process.stderr
    document = json.loads(process.stdout)
    assert (document["killed"], document["survived"], document["invalid"]) == (1, [], [])
    assert document["mutants"][0]["test"].startswith("tests/kv/")


def test_an_unknown_name_is_a_usage_error() -> None:
    command = [sys.executable, "-m", "scripts.mutants", "--only", "no-such-mutant"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=100).returncode == 2
