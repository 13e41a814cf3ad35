"""The root command: loads a family of commands only when one is called, and turns every error into an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from paxoskv.cli import failures, output
from paxoskv.cli.options import root_options

COMMANDS = {
    "append": "paxoskv.cli.keys",
    "bench": "paxoskv.cli.bench",
    "cas": "paxoskv.cli.keys",
    "check": "paxoskv.cli.check",
    "cluster": "paxoskv.cli.cluster",
    "compact": "paxoskv.cli.removal",
    "delete": "paxoskv.cli.removal",
    "elect": "paxoskv.cli.holding",
    "get": "paxoskv.cli.keys",
    "incr": "paxoskv.cli.keys",
    "lease": "paxoskv.cli.leases",
    "lock": "paxoskv.cli.holding",
    "node": "paxoskv.cli.node",
    "put": "paxoskv.cli.keys",
    "range": "paxoskv.cli.ranges",
    "shell": "paxoskv.cli.shell",
    "simulate": "paxoskv.cli.simulate",
    "status": "paxoskv.cli.status",
    "txn": "paxoskv.cli.transactions",
    "verify": "paxoskv.cli.verify",
    "watch": "paxoskv.cli.watch",
}
"""Verb -> module that defines it under the verb's name, with `_command` behind it."""


class LazyGroup(click.Group):
    """Finds its commands in `COMMANDS`, so that `paxoskv get` does not pay for the import of a server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(COMMANDS[cmd_name]), f"{cmd_name}_command")
        assert isinstance(command, click.Command), f"{cmd_name}: {command!r} is no command"
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="paxoskv", message="paxoskv %(version)s")
@root_options
def root(**_: object) -> None:
    """A strongly consistent, replicated key-value store.

    Start a cluster on this machine with `paxoskv cluster up`, then put, get, range, cas and delete keys.
    Options of clients may stand before or after the verb; after `--` nothing is an option any more.
    """


def main() -> None:
    """Run the command line of this process and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every error ends here."""
    as_json = output.asks_for_json(arguments)
    try:
        code = root.main(list(arguments), prog_name="paxoskv", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return failures.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the border to the user: reported with its own exit code
        return failures.report(error, as_json)
    return code if isinstance(code, int) else failures.DONE
