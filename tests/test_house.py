"""The shape of the repository, and that its test helpers can see what they are there to see."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import paxoskv
from tests.conftest import SESSION_VARIABLE
from tests.support import PortLease, can_bind, eventually, processes_with

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "paxoskv", "tests", "deploy", "scripts"}
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 700
INDEX_OR_WORKPLACE = re.compile(
    r"(?:https?|file):/{2}\S*(?:/simple\b|pypi)|\bpypi\.org|files\.pythonhosted|--(?:extra-)?index-url|(?<![\w.])/(?:work\w*|home|Users|root)/"
)


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files of the repository, those to be added included, relative to its root."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the repository is not known")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return [Path(name) for name in names if name and (ROOT / name).is_file()]


def test_the_top_level_holds_only_what_was_agreed(tracked: list[Path]) -> None:
    assert {path.parts[0] for path in tracked if not path.parts[0].startswith(".")} <= TOP_LEVEL


def test_no_file_names_a_package_index_or_somebodys_workplace(tracked: list[Path]) -> None:
    """Where packages come from is each user's own configuration; paths of one machine mean nothing on another."""
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in tracked
        if path != Path(__file__).relative_to(ROOT)
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if INDEX_OR_WORKPLACE.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "pip install -i https://mirror.example/simple paxoskv",
        "see https://pypi.org/project/paxoskv",
        "pip install --extra-index-url $URL",
        "cd /workspace/paxoskv",
        "cd /home/somebody/paxoskv",
        "cd /root/paxoskv",
    ],
)
def test_the_search_for_indexes_and_workplaces_finds_them(line: str) -> None:
    assert INDEX_OR_WORKPLACE.search(line)


def long_parts(path: Path) -> Iterator[str]:
    """Yield the functions and the file that are longer than they may be."""
    source = path.read_text(encoding="utf-8")
    lines = len(source.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"{path}: {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None, f"{path}: {node.name} was parsed from a file"
            if node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX:
                yield f"{path}:{node.lineno}: {node.name} has {node.end_lineno - node.lineno + 1} lines"


def test_functions_and_files_are_short() -> None:
    assert [part for path in sorted((ROOT / "paxoskv").rglob("*.py")) for part in long_parts(path)] == []


def test_a_long_function_and_a_long_file_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text("def long() -> None:\n" + "    pass\n" * FILE_LINES_MAX)
    assert len(list(long_parts(path))) == 2


def test_every_module_says_what_it_is_for() -> None:
    sources = sorted((ROOT / "paxoskv").rglob("*.py"))
    assert [str(path) for path in sources if not ast.get_docstring(ast.parse(path.read_bytes()))] == []


def test_the_package_and_its_metadata_state_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == paxoskv.__version__


def test_the_constraints_name_exact_versions_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_two_leases_never_hold_the_same_port() -> None:
    """Tests run side by side: a port is one test's alone until it gives it back."""
    leases = [PortLease() for _ in range(8)]
    taken = [port for lease in leases for port in lease.take(5)]
    for lease in leases:
        lease.release()
    assert len(taken) == len(set(taken)) == 40


def test_a_base_port_leaves_room_for_every_node(ports: PortLease) -> None:
    base = ports.base(nodes=5)
    assert all(can_bind(base + hundred + node) for hundred in (0, 100, 200, 300) for node in range(1, 6))


async def test_awaiting_a_condition_that_never_holds_fails_and_says_what_was_seen() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.01 s: a leader; last value: 0"):
        await eventually(lambda: 0, within_s=0.01, what="a leader")


@pytest.fixture
def detached_pid() -> Iterator[int]:
    """A process whose parent has ended, in a session of its own."""
    start = "subprocess.Popen(['sleep', '60'], start_new_session=True, stdout=subprocess.DEVNULL)"
    parent = [sys.executable, "-W", "ignore", "-c", f"import subprocess; print({start}.pid)"]
    pid = int(subprocess.check_output(parent))
    yield pid
    os.kill(pid, signal.SIGKILL)


async def test_a_process_that_detached_from_its_parent_is_found(detached_pid: int, session_mark: str) -> None:
    """The rule that no test leaves a process behind holds for those that outlive their parent, too."""
    await eventually(lambda: processes_with(SESSION_VARIABLE, session_mark).get(detached_pid) == "sleep 60")
