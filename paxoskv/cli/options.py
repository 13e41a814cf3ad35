"""Options that families of commands share."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

LOCAL_ENDPOINTS = "127.0.0.1:7301,127.0.0.1:7302,127.0.0.1:7303"
"""Where the nodes of `paxoskv cluster up` listen by default."""

TIMEOUT_S_MIN = 0.05
TIMEOUT_S_MAX = 3600.0

Command = TypeVar("Command", bound=Callable[..., Any])


class Seconds(click.FloatRange):
    """A time in seconds within bounds; `nan`, which no bound keeps out, is none."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What every command that talks to nodes was told. timeout_s: for connecting, and then for each request."""

    as_json: bool
    endpoints: str
    timeout_s: float


def root_options(command: Command) -> Command:
    """Add the options of clients to the root command, where they take what the environment says."""
    return _add(command, LOCAL_ENDPOINTS, "PAXOSKV_ENDPOINTS")


def client_options(timeout_s: float = 5.0) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add the options of clients to a verb and pass them on as `client`; what stands after the verb wins.

    timeout_s: the verb's own default.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(command)
        def wrapper(output: str | None, endpoints: str | None, timeout: float | None, **others: Any) -> int:
            before = click.get_current_context().find_root().params
            given_s = before["timeout"] if timeout is None else timeout
            client = ClientOptions(
                as_json=(output or before["output"]) == "json",
                endpoints=before["endpoints"] if endpoints is None else endpoints,
                timeout_s=timeout_s if given_s is None else given_s,
            )
            return command(client=client, **others)

        return _add(wrapper)

    return decorate


def output_option(command: Callable[..., int]) -> Callable[..., int]:
    """Add `-o` alone to a verb and pass it on as `as_json`."""

    @functools.wraps(command)
    def wrapper(output: str | None, **others: Any) -> int:
        before = click.get_current_context().find_root().params
        return command(as_json=(output or before["output"]) == "json", **others)

    return _output(wrapper)


def _add(command: Command, endpoints: str | None = None, variable: str | None = None) -> Command:
    options = (
        click.option(
            "--timeout",
            type=Seconds(TIMEOUT_S_MIN, TIMEOUT_S_MAX),
            metavar="S",
            help="Seconds that connecting may take, and then each request (5; bench: 30).",
        ),
        click.option(
            "--endpoints",
            default=endpoints,
            envvar=variable,
            metavar="HOST:PORT,...",
            help="Client ports of nodes; PAXOSKV_ENDPOINTS (the local cluster's).",
        ),
        _output,
    )
    for option in options:
        command = option(command)
    return command


def _output(command: Command) -> Command:
    option = click.option("-o", "--output", type=click.Choice(["text", "json"]), help="Form of the output (text).")
    return option(command)
