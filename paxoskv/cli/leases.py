"""`lease`: grant, keep alive, revoke and look at leases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import click

from paxoskv.cli.asking import perform
from paxoskv.cli.documents import place
from paxoskv.cli.failures import DONE
from paxoskv.cli.options import ClientOptions, Seconds, client_options
from paxoskv.cli.output import blob_field, print_document, table
from paxoskv.client import Client, LeaseInfo

TTL_S_MAX = 366 * 86_400
RENEWALS_PER_TTL = 3
"""So that two of them may fail."""

_id_argument = click.argument("lease", type=click.IntRange(min=1), metavar="ID")


@click.group("lease")
def lease_command() -> None:
    """Leases: keys attached to one are deleted when it ends, unless somebody keeps it alive.

    \b
      lease=$(paxoskv lease grant 30)
      paxoskv put host/7 up --lease $lease
      paxoskv lease keep-alive $lease            until Ctrl-C; 30 s later host/7 is gone
    """


@lease_command.command("grant")
@click.argument("ttl_s", type=Seconds(0.001, TTL_S_MAX), metavar="TTL_S")
@client_options()
def grant_command(client: ClientOptions, ttl_s: float) -> int:
    """Make a lease that ends after TTL_S seconds unless it is kept alive, and print its ID."""
    result = perform(client, lambda kv: kv.grant(ttl_s))
    if client.as_json:
        print_document({"lease": result.lease, "ttl_s": result.ttl_s, **place(result)})
    else:
        click.echo(result.lease)
    return DONE


@lease_command.command("keep-alive")
@_id_argument
@click.option("--once", is_flag=True, help="Renew it once, and leave.")
@client_options()
def keep_alive_command(client: ClientOptions, lease: int, once: bool) -> int:
    """Let lease ID live on, until Ctrl-C; exit code 1 when there is no such lease any more.

    It is renewed whenever a third of its time is over, and each time a line tells so.
    """

    async def work(kv: Client) -> None:
        async for ttl_s in _renewals(kv, lease):
            if client.as_json:
                print_document({"lease": lease, "ttl_s": ttl_s})
            else:
                click.echo(f"lease {lease} lives for another {ttl_s:g} s")
            if once:
                return

    perform(client, work)
    return DONE


@lease_command.command("revoke")
@_id_argument
@client_options()
def revoke_command(client: ClientOptions, lease: int) -> int:
    """End lease ID, and delete the keys attached to it."""
    result = perform(client, lambda kv: kv.revoke(lease))
    if client.as_json:
        print_document({"lease": lease, "deleted": result.deleted, **place(result)})
    else:
        click.echo(f"revoked, {result.deleted} keys deleted")
    return DONE


@lease_command.command("ttl")
@_id_argument
@click.option("--keys", is_flag=True, help="Print the keys attached to it, too.")
@client_options()
def ttl_command(client: ClientOptions, lease: int, keys: bool) -> int:
    """Print how long lease ID still lives; exit code 1 if there is no such lease."""
    info = perform(client, lambda kv: kv.time_to_live(lease))
    if client.as_json:
        names = {"keys": [blob_field("key", key) for key in info.keys]} if keys else {}
        print_document({**_document(info), **names})
        return DONE
    click.echo(f"{info.remaining_s:.1f} of {info.ttl_s:g} s, {info.key_count} keys")
    for key in info.keys if keys else ():
        click.echo(key)
    return DONE


@lease_command.command("list")
@client_options()
def list_command(client: ClientOptions) -> int:
    """Print all leases, the oldest first."""

    async def work(kv: Client) -> list[LeaseInfo]:
        return [info async for info in kv.leases()]

    found = perform(client, work)
    if client.as_json:
        print_document({"leases": [_document(info) for info in found]})
        return DONE
    rows = [(str(info.lease), f"{info.ttl_s:g}", f"{info.remaining_s:.1f}", str(info.key_count)) for info in found]
    click.echo(table([("LEASE", "TTL_S", "REMAINING_S", "KEYS"), *rows]))
    return DONE


async def _renewals(kv: Client, lease: int) -> AsyncIterator[float]:
    """Renew a lease over and over; yield its time to live, in seconds, each time. Raises: LeaseNotFound."""
    while True:
        ttl_s = await kv.keep_alive(lease)
        yield ttl_s
        await asyncio.sleep(ttl_s / RENEWALS_PER_TTL)


def _document(info: LeaseInfo) -> dict[str, Any]:
    return {
        "lease": info.lease,
        "ttl_s": info.ttl_s,
        "remaining_s": info.remaining_s,
        "key_count": info.key_count,
    }
