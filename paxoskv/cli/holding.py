"""`lock` and `elect`: being the only one, while a command runs or until Ctrl-C."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import click

from paxoskv.cli.asking import connected
from paxoskv.cli.child import run_child
from paxoskv.cli.documents import optional_document
from paxoskv.cli.failures import DONE, NOT_MET, Failure
from paxoskv.cli.looping import run_loop
from paxoskv.cli.options import ClientOptions, Seconds, client_options
from paxoskv.cli.output import blob_field, print_document
from paxoskv.client import Client, Election, Lock
from paxoskv.client.recipes.holding import Holding
from paxoskv.errors import LeaseLost

_COMMAND_COMES_LAST = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""What stands after the arguments of ours belongs to the command, options too."""

_ttl_option = click.option(
    "--ttl",
    "ttl_s",
    type=Seconds(0.5, 86_400),
    default=10.0,
    metavar="S",
    help="Seconds without a sign of life after which it is taken from us (10).",
)
_wait_option = click.option(
    "--wait",
    "wait_s",
    type=Seconds(0.1, 1e9),
    default=None,
    metavar="S",
    help="Wait for at most so many seconds, then exit code 1 (for ever).",
)


@click.command("lock", context_settings=_COMMAND_COMES_LAST)
@_ttl_option
@_wait_option
@click.argument("name")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD...")
@client_options()
def lock_command(client: ClientOptions, name: str, command: tuple[str, ...], ttl_s: float, wait_s: float | None) -> int:
    """Run CMD while we hold the lock NAME, and leave with its exit code. Options stand before NAME.

    Who waits gets the lock in the order of arrival. CMD finds in its environment:

    \b
      PAXOSKV_LOCK_TOKEN   a number that grows from holder to holder: let others refuse the smaller one
      PAXOSKV_LOCK_KEY     the key that stands for the lock: created("KEY") = TOKEN in a txn makes the store refuse
                           what a holder writes that has lost the lock
      PAXOSKV_LOCK_NAME, PAXOSKV_ENDPOINTS

    The lock is released when CMD ends, also by Ctrl-C; SIGTERM is passed on to CMD. If the lock is lost, because no
    node could be reached for so long or this machine stood still, CMD gets SIGTERM, 10 s later SIGKILL, and the exit
    code is 4.

    \b
      paxoskv lock nightly ./backup.sh --full
      paxoskv lock --wait 1 nightly true       exit code 1 if somebody else holds it
    """
    words = _words(command)
    if not words:
        raise click.UsageError("Missing argument 'CMD...'.")

    async def work(kv: Client) -> int:
        return await _run(client, Lock(kv, os.fsencode(name), ttl_s=ttl_s, value=_owner()), name, words, wait_s)

    return run_loop(connected(client, work))


@click.command("elect")
@_ttl_option
@_wait_option
@click.option("--listen", is_flag=True, help="Do not stand: print the leader, and every new one, until Ctrl-C.")
@click.argument("name")
@click.argument("value", required=False)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[CMD...]")
@client_options()
def elect_command(
    client: ClientOptions,
    name: str,
    value: str | None,
    command: tuple[str, ...],
    listen: bool,
    **waiting: Any,
) -> int:
    """Stand for the election NAME; once elected, print so and lead until Ctrl-C, or while CMD runs.

    VALUE is what others see of the leader. CMD, after -- if it has options, is treated as by `paxoskv lock`. Exit
    code 4 if the leadership is lost.

    \b
      paxoskv elect scheduler host7:80
      paxoskv elect scheduler host7:80 -- ./scheduler.sh --now
      paxoskv elect --listen scheduler
    """
    if listen == (value is not None):
        raise click.UsageError("Give the VALUE to stand with, or --listen.")
    if listen:
        return run_loop(connected(client, lambda kv: _listen(kv, name, client.as_json)))
    return run_loop(
        connected(client, lambda kv: _stand(kv, client, name, os.fsencode(value or ""), command, **waiting))
    )


def _words(command: Sequence[str]) -> Sequence[str]:
    """Return the command without the -- that may stand before it. Raises: UsageError for an option of ours in it."""
    if command[:1] == ("--",):
        return command[1:]
    if command and command[0].startswith("-"):
        raise click.UsageError(f"{command[0]!r} begins the command: options of ours stand before the NAME.")
    return command


async def _stand(
    kv: Client,
    client: ClientOptions,
    name: str,
    value: bytes,
    command: Sequence[str],
    ttl_s: float,
    wait_s: float | None,
) -> int:
    """Campaign, and lead while the command runs, or until we are interrupted. Raises: LeaseLost, Failure."""
    election = Election(kv, os.fsencode(name), value=value, ttl_s=ttl_s)
    if command:
        return await _run(client, election, name, command, wait_s)
    async with _held(election, name, wait_s):
        if client.as_json:
            print_document({**blob_field("key", election.key), **blob_field("value", value), "token": election.token})
        else:
            click.echo(f"elected, token {election.token}")
        await election.lost.wait()
    return DONE


async def _listen(kv: Client, name: str, as_json: bool) -> int:
    """Print whoever leads, now and after every change."""
    async for leader in Election(kv, os.fsencode(name)).observe():
        if as_json:
            print_document({"leader": optional_document(leader)})
        else:
            click.echo(leader.value if leader is not None else b"")
    return DONE


async def _run(client: ClientOptions, holding: Holding, name: str, command: Sequence[str], wait_s: float | None) -> int:
    """Run the command while we hold it; return its exit code. Raises: LeaseLost, Failure."""
    async with _held(holding, name, wait_s):
        variables = {
            "PAXOSKV_LOCK_TOKEN": str(holding.token),
            "PAXOSKV_LOCK_KEY": os.fsdecode(holding.key),
            "PAXOSKV_LOCK_NAME": name,
            "PAXOSKV_ENDPOINTS": client.endpoints,
        }
        return await run_child(command, variables, holding.lost)


@asynccontextmanager
async def _held(holding: Holding, name: str, wait_s: float | None) -> AsyncIterator[None]:
    """Acquire, and release at the end. Raises: LeaseLost if it was lost meanwhile; Failure if it is somebody else's."""
    try:
        await holding.acquire(wait_s)
    except TimeoutError:
        raise Failure(NOT_MET, "not_acquired", f"{name!r} is held by somebody else after {wait_s:g} s") from None
    try:
        yield
    except BaseException:
        with suppress(LeaseLost):  # the other error says more
            await holding.release()
        raise
    await holding.release()


def _owner() -> str:
    """Return what others see of us in the lock's entry."""
    return f"{socket.gethostname()} process {os.getpid()}"
