"""Options that reads share: how fresh, and as of when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from paxoskv.client import Consistency

Command = TypeVar("Command", bound=Callable[..., Any])


def read_options(command: Command) -> Command:
    """Add `--consistency`, `--revision` and `--min-revision`; they have the names of the client's arguments."""
    for option in (
        click.option(
            "--min-revision",
            type=click.IntRange(min=0),
            default=None,
            metavar="R",
            help="Ask one node only, but not before it has got this far: read your own writes anywhere.",
        ),
        click.option(
            "--revision", type=click.IntRange(min=1), default=None, metavar="R", help="What was there at revision R."
        ),
        click.option(
            "--consistency",
            type=click.Choice(get_args(Consistency)),
            default="linearizable",
            help="linearizable sees every finished write; lease too, if clocks keep to their bound; stale asks one "
            "node only (linearizable).",
        ),
    ):
        command = option(command)
    return command


def span(key: bytes, is_prefix: bool, end: bytes | None) -> dict[str, Any]:
    """Return the arguments of the client for one key, a prefix or an interval. Raises: UsageError for two at once."""
    if is_prefix and end is not None:
        raise click.UsageError("Give --prefix or --end, not both.")
    if end is not None:
        return {"start": key, "end": end}
    return {"prefix": key} if is_prefix else {"key": key}


def prefix_option(command: Command) -> Command:
    """Add `--prefix`."""
    return click.option("--prefix", "is_prefix", is_flag=True, help="All keys that begin with KEY.")(command)


def end_option(command: Command) -> Command:
    """Add `--end`, also called `--range`."""
    text = 'All keys from KEY up to END, that one excluded; "" has none above it.'
    return click.option("--end", "--range", "end", default=None, metavar="END", help=text)(command)
