"""`status`: one row per endpoint."""

from __future__ import annotations

import asyncio

import click

from paxoskv.cli import survey
from paxoskv.cli.failures import DONE, UNAVAILABLE
from paxoskv.cli.options import ClientOptions, client_options
from paxoskv.cli.output import print_document
from paxoskv.client.endpoints import parse_endpoints


@click.command("status")
@client_options()
def status_command(client: ClientOptions) -> int:
    """Show every node at the endpoints; exit code 3 unless a leader is known and a majority is healthy."""
    endpoints = [str(endpoint) for endpoint in parse_endpoints(client.endpoints)]
    picture = asyncio.run(survey.ask(endpoints, client.timeout_s))
    return show(picture, client.as_json)


def show(picture: survey.Survey, as_json: bool) -> int:
    """Print a survey and return the exit code that it deserves."""
    if as_json:
        print_document(picture.document())
    else:
        click.echo(picture.text())
        leader = picture.leader
        click.echo("no leader is known" if leader is None else f"node {leader} leads")
    return DONE if picture.serves else UNAVAILABLE
