"""`delete` and `compact`: taking away keys, and what they once held."""

from __future__ import annotations

from typing import Any

import click

from paxoskv.cli.asking import perform
from paxoskv.cli.blobs import base64_option, shown, to_bytes
from paxoskv.cli.documents import entry_document, optional_document, place, print_entries, say_not_met
from paxoskv.cli.failures import DONE, NOT_MET
from paxoskv.cli.options import ClientOptions, client_options
from paxoskv.cli.output import print_document
from paxoskv.cli.reading import end_option, prefix_option, span
from paxoskv.client import DeleteRangeResult, DeleteResult


@click.command("delete")
@click.argument("key")
@prefix_option
@end_option
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Of several keys, only the first so many.")
@click.option("--previous", is_flag=True, help="Print what is deleted.")
@base64_option
@client_options()
def delete_command(
    client: ClientOptions,
    key: str,
    is_prefix: bool,
    end: str | None,
    limit: int | None,
    previous: bool,
    is_base64: bool,
) -> int:
    """Remove KEY; exit code 1 if it did not exist, and nothing changed.

    Several keys go all at one revision; if they are too many for that, --limit says how many at a time.

    \b
      paxoskv delete config/color
      paxoskv delete jobs/ --prefix
      paxoskv delete a --range c          from a up to c, that one excluded
    """
    where = span(to_bytes(key, is_base64), is_prefix, None if end is None else to_bytes(end, is_base64))
    if "key" in where:
        if limit is not None:
            raise click.UsageError("--limit goes with --prefix or --range.")
        result = perform(client, lambda kv: kv.delete(where["key"], previous=previous))
        return _tell_one(client, where["key"], result, previous)
    several = perform(client, lambda kv: kv.delete_range(**where, limit=limit or 0, previous=previous))
    return _tell_several(client, several, previous)


@click.command("compact")
@click.argument("revision", type=click.IntRange(min=1))
@client_options()
def compact_command(client: ClientOptions, revision: int) -> int:
    """Forget what keys held before REVISION, and the changes up to it.

    Older revisions cannot be read any more, and no watch can begin there. What keys hold now stays as it is.
    """
    result = perform(client, lambda kv: kv.compact(revision))
    if client.as_json:
        print_document({"compacted_revision": revision, **place(result)})
    else:
        click.echo(f"compacted up to revision {revision}")
    return DONE


def _tell_one(client: ClientOptions, key: bytes, result: DeleteResult, previous: bool) -> int:
    if client.as_json:
        before: dict[str, Any] = {"previous": optional_document(result.previous)} if previous else {}
        print_document({"deleted": result.deleted, **place(result), **before})
    elif result.previous is not None:
        click.echo(result.previous.value)
    elif result.deleted:
        click.echo(f"deleted, revision {result.revision}")
    if not result.deleted:
        say_not_met(f"key {shown(key)} does not exist, nothing was deleted")
        return NOT_MET
    return DONE


def _tell_several(client: ClientOptions, result: DeleteRangeResult, previous: bool) -> int:
    if client.as_json:
        before = {"previous": [entry_document(entry) for entry in result.previous]} if previous else {}
        print_document({"deleted": result.deleted, "more": result.more, **place(result), **before})
    elif previous:
        print_entries(result.previous)
    elif result.deleted:
        rest = ", there are more" if result.more else ""
        click.echo(f"deleted {result.deleted}, revision {result.revision}{rest}")
    if not result.deleted:
        say_not_met("there are no such keys, nothing was deleted")
        return NOT_MET
    return DONE
