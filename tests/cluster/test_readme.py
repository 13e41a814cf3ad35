"""What the README tells people to paste works when pasted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import PortLease

pytestmark = pytest.mark.cluster

README = Path(__file__).parents[2] / "README.md"
BINARIES = Path(sys.executable).parent


def block(language: str, words: str) -> str:
    """Return the only block of a language with these words in it."""
    (found,) = [text for text in blocks(language) if words in text]
    return found


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


class Reader:
    """Somebody who pastes, in a directory and on ports of their own."""

    def __init__(self, directory: Path, base: int, five_base: int) -> None:
        self._directory = directory
        self._base, self._five_base = base, five_base
        endpoints = ",".join(f"127.0.0.1:{base + node}" for node in (1, 2, 3))
        path = f"{BINARIES}:{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": path, "PAXOSKV_ENDPOINTS": endpoints}

    def adapt(self, text: str) -> str:
        """Put our ports and directories in the place of the README's."""
        text = re.sub(r"\b73(\d\d)\b", lambda match: str(self._base + int(match[1])), text)
        text = re.sub(r"\b77(\d\d)\b", lambda match: str(self._five_base + int(match[1])), text)
        return text.replace("/tmp/five", str(self._directory / "five")).replace("$PWD/.venv/bin", str(BINARIES))

    def run(self, *command: str) -> str:
        """Run a command and return what it printed. Raises: AssertionError, with all it said."""
        done = subprocess.run(
            command,
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def paste(self, block: str) -> str:
        return self.run("bash", "-euo", "pipefail", "-c", self.adapt(block))


@pytest.fixture
def reader(tmp_path: Path, ports: PortLease) -> Iterator[Reader]:
    """A reader whose `make run` goes on."""
    one = Reader(tmp_path, ports.base(3), ports.base(5))
    one.run("paxoskv", *one.adapt("cluster up --detach --base-port 7300").split())
    yield one
    one.run("paxoskv", "cluster", "down")


def test_the_first_two_commands_are_make_run_and_make_test() -> None:
    assert [line.split("#")[0].strip() for line in blocks("sh")[0].splitlines()] == ["make run", "make test"]


def test_the_shell_commands_work(reader: Reader) -> None:
    first, broken, five = blocks("sh")[1:4]
    assert "hello" in reader.paste(first)
    assert "still here" in reader.paste(broken)
    assert "wiped" in reader.paste(five)


def test_the_worker_the_host_and_the_onlooker_work(reader: Reader) -> None:
    out = reader.paste(block("sh", "paxoskv lease grant"))
    assert out.splitlines()[:3] == ["SUCCESS, revision 1", "put: ok", "incr: 1"]
    assert out.splitlines()[-2] == "PUT\tjobs/7\tto do"
    assert re.fullmatch(r"PUT\tjobs/7\tdone under token \d+", out.splitlines()[-1])


def test_the_python_program_works(reader: Reader) -> None:
    out = reader.run(sys.executable, "-c", reader.adapt(blocks("python")[0]))
    assert out.splitlines()[0] == "b'blue' 1 1"
    assert out.splitlines()[1:] == ["changed", "b'config/color' b'green'"]


def test_the_blocking_program_works(reader: Reader) -> None:
    out = reader.run(sys.executable, "-c", reader.adapt(block("python", 'kv.put("config/color", "red")')))
    assert out == "b'red'\n"


def test_the_program_with_a_transaction_a_watch_and_a_lock_works(reader: Reader) -> None:
    out = reader.run(sys.executable, "-c", reader.adapt(block("python", "ops.absent")))
    assert out.splitlines() == ["True 1", "b'jobs/1' b'resize image'", "written by the holder True"]
