"""Completion in the shell, switched on as the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from paxoskv.cli.app import COMMANDS

README = Path(__file__).parents[2] / "README.md"
LINES = {
    shell: re.findall(rf"^.*_PAXOSKV_COMPLETE={shell}_source.*$", README.read_text(encoding="utf-8"), re.M)
    for shell in ("bash", "fish")
}
COMPLETE = """
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_paxoskv_completion paxoskv
printf "%s\\n" "${{COMPREPLY[@]}}"
"""


def said(command: list[str], **variables: str) -> str:
    """Run a command that finds our `paxoskv`; return what it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command, env={**os.environ, "PATH": path, **variables}, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ('paxoskv ""', sorted(COMMANDS)),
        ("paxoskv clu", ["cluster"]),
        ("paxoskv cluster re", ["resume"]),
        ('paxoskv get -o ""', ["text", "json"]),
        ("paxoskv put --time", ["--timeout"]),
    ],
)
def test_bash_completes(words: str, offered: list[str]) -> None:
    (line,) = LINES["bash"]
    assert said(["bash", "-c", line + COMPLETE.format(words=words)]).split() == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_functions(shell: str) -> None:
    """The line for zsh is that for bash with another name in it, as the README says."""
    assert "zsh_source" in README.read_text(encoding="utf-8")
    assert len(LINES["fish"]) == 1
    assert "_paxoskv_completion" in said(["paxoskv"], _PAXOSKV_COMPLETE=f"{shell}_source")
