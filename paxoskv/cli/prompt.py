"""The prompt of the shell: history, and completion of commands and options. The only user of prompt_toolkit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import ShellComplete
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from paxoskv.cli.app import root

PROMPT = "paxoskv> "
_HISTORY_MODE = 0o600
"""Values may be secrets."""


class VerbCompleter(Completer):
    """Completes what the command line itself knows: verbs, options and choices."""

    def __init__(self) -> None:
        self._verbs = ShellComplete(root, {}, "paxoskv", "_PAXOSKV_COMPLETE")

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield what may stand in the place of the word before the cursor."""
        *before, word = document.text_before_cursor.lstrip().split(" ")
        for item in self._verbs.get_completions([each for each in before if each], word):
            if item.type == "plain":
                yield Completion(item.value, start_position=-len(word), display_meta=item.help or "")


def lines() -> Iterator[str]:
    """Yield what is typed, until Ctrl-D; Ctrl-C drops the line that is being typed."""
    session: PromptSession[str] = PromptSession(
        PROMPT, history=_history(), completer=VerbCompleter(), complete_while_typing=False
    )
    while True:
        try:
            yield session.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def history_path() -> Path:
    """Return where the history is kept, as the XDG directories say."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "paxoskv" / "history"


def _history() -> History:
    """Return the history of all shells of this user; of this shell alone if no file can be kept."""
    path = history_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=_HISTORY_MODE)
        return FileHistory(path)
    except OSError as error:
        click.echo(f"paxoskv: the history is not kept: {error}", err=True)
        return InMemoryHistory()
