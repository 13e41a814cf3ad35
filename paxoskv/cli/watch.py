"""`watch`: every change of some keys, as it happens."""

from __future__ import annotations

import asyncio
import os
from itertools import count
from typing import Any

import click

from paxoskv.cli.asking import perform
from paxoskv.cli.blobs import base64_option, to_bytes
from paxoskv.cli.documents import entry_document, optional_document
from paxoskv.cli.failures import DONE
from paxoskv.cli.options import ClientOptions, client_options
from paxoskv.cli.output import blob_field, print_document
from paxoskv.cli.reading import end_option, prefix_option, span
from paxoskv.client import Client, Event

_NUL = b"\0"


@click.command("watch")
@click.argument("key")
@prefix_option
@end_option
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    default=None,
    metavar="R",
    help="Begin with the changes of revision R, in the past or in the future (what comes now).",
)
@click.option("--previous", is_flag=True, help="Tell what the key held before, too.")
@click.option("--no-put", is_flag=True, help="Tell deletions only.")
@click.option("--no-delete", is_flag=True, help="Tell new values only.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="End after so many changes (never).")
@click.option("--exec", "command", default=None, metavar="CMD", help="Run CMD with sh for every change.")
@base64_option
@client_options()
def watch_command(
    client: ClientOptions,
    key: str,
    is_prefix: bool,
    end: str | None,
    limit: int | None,
    command: str | None,
    is_base64: bool,
    no_put: bool,
    no_delete: bool,
    **which: Any,
) -> int:
    """Print every change of KEY, once and in order, until Ctrl-C: PUT or DELETE, KEY, VALUE, with tabs between.

    An empty KEY with --prefix means all keys. The watch goes on through failovers. It says on stderr from where on it
    tells everything; with --revision, one more than the last revision seen, it goes on where another one ended.

    CMD finds the new value on its standard input (nothing, if the key was deleted), and PAXOSKV_WATCH_TYPE (put or
    delete), PAXOSKV_WATCH_KEY and PAXOSKV_WATCH_REVISION in its environment. One runs after the other. One that fails
    ends the watch, with its exit code.

    \b
      paxoskv watch config/ --prefix
      paxoskv watch config/ --prefix --revision 17 -o json     one document a line
      paxoskv watch config/app --exec 'cat > /etc/app && systemctl reload app'
    """
    if no_put and no_delete:
        raise click.UsageError("With --no-put and --no-delete there is nothing left to watch.")
    where = span(to_bytes(key, is_base64), is_prefix, None if end is None else to_bytes(end, is_base64))
    which |= {"puts": not no_put, "deletes": not no_delete}

    async def work(kv: Client) -> int:
        async with kv.watch(**where, **which) as watch:
            click.echo(f"paxoskv: watching from revision {watch.revision + 1}", err=True)
            for _ in count() if limit is None else range(limit):
                event = await watch.next()
                _tell(event, client.as_json, which["previous"])
                code = DONE if command is None else await _run(command, event)
                if code:
                    click.echo(f"paxoskv: {command!r} failed for revision {event.revision}: the watch ends", err=True)
                    return code
        return DONE

    return perform(client, work)


def _tell(event: Event, as_json: bool, previous: bool) -> None:
    if as_json:
        print_document(event_document(event, previous))
        return
    words = [b"PUT", event.key, event.entry.value] if event.entry is not None else [b"DELETE", event.key]
    if previous:
        words.append(b"" if event.previous is None else event.previous.value)
    click.echo(b"\t".join(words))


def event_document(event: Event, previous: bool = False) -> dict[str, Any]:
    """Return a change: of a put all that the key is now, of a deletion the key alone."""
    now = blob_field("key", event.key) if event.entry is None else entry_document(event.entry)
    before = {"previous": optional_document(event.previous)} if previous else {}
    return {"type": _type(event), **now, **before, "create": event.is_create, "revision": event.revision}


async def _run(command: str, event: Event) -> int:
    """Run the user's command for one change; return its exit code as a shell does."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", command, stdin=asyncio.subprocess.PIPE, env=_environment(event)
    )
    try:
        await process.communicate(event.value or b"")
    finally:
        if process.returncode is None:
            process.terminate()
        code = await process.wait()
    return code if code >= 0 else 128 - code


def _environment(event: Event) -> dict[bytes, bytes]:
    """Return the variables of a command. A key with a NUL in it, which no variable can hold, is not told."""
    told = {b"PAXOSKV_WATCH_TYPE": _type(event).encode(), b"PAXOSKV_WATCH_REVISION": str(event.revision).encode()}
    if _NUL not in event.key:
        told[b"PAXOSKV_WATCH_KEY"] = event.key
    return {**os.environb, **told}


def _type(event: Event) -> str:
    return "delete" if event.is_delete else "put"
