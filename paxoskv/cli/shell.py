"""`shell`: the commands, one after the other, at a prompt or from a script."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator

import click

from paxoskv.cli import app, failures
from paxoskv.cli.blobs import standard_input
from paxoskv.cli.failures import DONE
from paxoskv.cli.options import ClientOptions, client_options

_LEAVING = ("exit", "quit")

Run = Callable[[str], int | None]
"""Carries out a line and returns its exit code; None for a line that ends the shell."""


@click.command("shell")
@client_options()
def shell_command(client: ClientOptions) -> int:
    """Read commands, as they are typed after `paxoskv`, and run them.

    On a terminal there is a prompt with history, and the Tab key completes commands and options. Ctrl-C ends the
    command that runs, Ctrl-D or `exit` the shell; `help` and `help VERB` explain. The options given to the shell hold
    for every command that has none of its own.

    Without a terminal it runs the lines of standard input, and ends at the first command that does not succeed, with
    its exit code. # begins a comment.

    \b
      paxoskv shell
      paxoskv> put config/color blue
      paxoskv> range config/ -o json
      printf 'put a 1\\nincr a\\nget a\\n' | paxoskv shell
    """

    def run(line: str) -> int | None:
        return _run(client, line)

    if not standard_input().isatty():
        return _run_script(run)
    from paxoskv.cli.prompt import lines  # a second of imports that scripts do without

    for line in lines():
        if run(line) is None:
            break
    return DONE


def _run_script(run: Run) -> int:
    """Run the lines of standard input until one fails; return its exit code."""
    for number, line in enumerate(_script(), start=1):
        code = run(line)
        if code is None:
            break
        if code:
            click.echo(f"paxoskv: line {number} ended with exit code {code}: nothing after it was run", err=True)
            return code
    return DONE


def _script() -> Iterator[str]:
    while line := standard_input().buffer.readline():
        yield os.fsdecode(line)


def _run(client: ClientOptions, line: str) -> int | None:
    """Carry out one line. Errors are told as they are anywhere."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        return failures.report(click.UsageError(f"This line cannot be read: {error}."), client.as_json)
    if not words:
        return DONE
    if words[0] in _LEAVING:
        return None
    if words[0] == "shell":
        return failures.report(click.UsageError("You are in the shell already."), client.as_json)
    if words[0] == "help":
        return app.run([*words[1:], "--help"])
    return app.run([*_options(client), *words])


def _options(client: ClientOptions) -> list[str]:
    form = "json" if client.as_json else "text"
    return ["--endpoints", client.endpoints, "--timeout", str(client.timeout_s), "--output", form]
