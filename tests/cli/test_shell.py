"""shell: scripts, and the prompt with its history and completion."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput
from prompt_toolkit.input.defaults import create_pipe_input
from prompt_toolkit.output import DummyOutput

from paxoskv.cli import prompt
from paxoskv.cli.prompt import VerbCompleter, history_path
from tests.cli.conftest import Shell, feed


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PipeInput]:
    """What is typed at the prompt, in a home directory of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    with create_pipe_input() as typed, create_app_session(input=typed, output=DummyOutput()):
        yield typed


def completed(text: str) -> list[str]:
    """Return what the Tab key offers after `text`."""
    return [each.text for each in VerbCompleter().get_completions(Document(text), CompleteEvent())]


async def test_a_script_runs_line_by_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b'put a "b c"  # why\n\nget a\nincr n 2\nexit\nget none\n')
    done = await shell("shell")
    assert (done.code, done.out, done.err) == (0, b"ok, revision 1\nb c\n2\n", "")


async def test_a_script_ends_at_the_first_command_that_fails(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"put a 1\nget none\nput a 2\n")
    done = await shell("shell")
    assert done.code == 1
    assert "line 2 ended with exit code 1: nothing after it was run" in done.err
    assert shell.value(b"a") == b"1"


@pytest.mark.parametrize("wrong", [b"get 'a", b"shell", b"frobnicate", b"get"])
async def test_a_line_that_is_wrong_is_exit_code_2(shell: Shell, monkeypatch: pytest.MonkeyPatch, wrong: bytes) -> None:
    feed(monkeypatch, wrong)
    done = await shell("shell")
    assert done.code == 2
    assert done.err.startswith("paxoskv: ")


async def test_options_of_the_shell_hold_for_its_commands(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"put a 1\nget a -o text\n")
    first, second = (await shell("shell", "-o", "json")).out.splitlines()
    assert json.loads(first)["revision"] == 1
    assert second == b"1"


async def test_the_prompt_runs_what_is_typed_and_remembers_it(shell: Shell, keyboard: PipeInput) -> None:
    keyboard.send_text("put a 1\nget none\nnonsense\nhelp get\nincr a\n\x04")
    done = await shell("shell")
    assert (done.code, done.out.splitlines()[0], done.out.splitlines()[-1]) == (0, b"ok, revision 1", b"2")
    assert b"Usage: paxoskv get" in done.out
    assert "'none' does not exist" in done.err
    assert "nonsense" in done.err
    assert stat.S_IMODE(history_path().stat().st_mode) == 0o600
    keyboard.send_text("\x1b[A\nexit\n")  # the last line once more
    await shell("shell")
    assert shell.value(b"a") == b"3"


async def test_ctrl_c_drops_a_line(shell: Shell, keyboard: PipeInput) -> None:
    keyboard.send_text("put a 1\x03append b 2\nquit\n")
    done = await shell("shell")
    assert done.code == 0
    assert (shell.value(b"a"), shell.value(b"b")) == (None, b"2")


def test_verbs_options_and_choices_are_completed() -> None:
    assert completed("wat") == ["watch"]
    assert completed("lease re") == ["revoke"]
    assert completed("put --if") == ["--if-absent", "--if-present"]
    assert completed("get k -o ") == ["text", "json"]
    assert completed("get k") == []


def test_a_shell_without_a_home_keeps_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "paxoskv").write_text("a file in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert isinstance(prompt._history(), InMemoryHistory)
    assert "the history is not kept" in capsys.readouterr().err
