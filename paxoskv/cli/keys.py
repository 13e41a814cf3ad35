"""`put`, `get`, `delete`, `range`, `cas`: one key or one range of keys."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, TypeVar

import click

from paxoskv.cli.failures import DONE, NOT_MET
from paxoskv.cli.options import ClientOptions, client_options
from paxoskv.cli.output import blob_field, print_document
from paxoskv.client import CasResult, Client, Entry, GetResult, RangeResult, connect
from paxoskv.errors import TooLarge
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX

PAGE_ENTRIES = 1000

Result = TypeVar("Result")
Kv = Client

_base64_option = click.option(
    "--base64", "is_base64", is_flag=True, help="Keys and values on the command line are given as base64."
)
_consistency_option = click.option(
    "--consistency",
    type=click.Choice(["linearizable", "stale"]),
    default="linearizable",
    help="linearizable sees every finished write; stale asks one node only (linearizable).",
)


@click.command("put")
@click.argument("key")
@click.argument("value")
@_base64_option
@client_options()
def put_command(client: ClientOptions, key: str, value: str, is_base64: bool) -> int:
    """Set KEY to VALUE; a VALUE of - is read from standard input as it is."""
    name, data = _to_bytes(key, is_base64), _read_value(value, is_base64)
    result = _perform(client, lambda kv: kv.put(name, data))
    if client.as_json:
        print_document({"revision": result.revision, "slot": result.slot})
    else:
        click.echo(f"ok, revision {result.revision}")
    return DONE


@click.command("get")
@click.argument("key")
@_base64_option
@_consistency_option
@client_options()
def get_command(client: ClientOptions, key: str, is_base64: bool, consistency: Literal["linearizable", "stale"]) -> int:
    """Print the value of KEY; exit code 1 if it does not exist."""
    name = _to_bytes(key, is_base64)
    result = _perform(client, lambda kv: kv.get(name, consistency=consistency))
    if client.as_json:
        print_document(_get_document(name, result))
    elif result.entry is not None:
        click.echo(result.entry.value)
    if result.entry is None:
        _say_not_met(f"key {_shown(name)} does not exist")
        return NOT_MET
    return DONE


@click.command("delete")
@click.argument("key")
@_base64_option
@client_options()
def delete_command(client: ClientOptions, key: str, is_base64: bool) -> int:
    """Remove KEY; exit code 1 if it did not exist, and nothing changed."""
    name = _to_bytes(key, is_base64)
    result = _perform(client, lambda kv: kv.delete(name))
    if client.as_json:
        print_document({"deleted": result.deleted, "revision": result.revision, "slot": result.slot})
    elif result.deleted:
        click.echo(f"deleted, revision {result.revision}")
    if not result.deleted:
        _say_not_met(f"key {_shown(name)} does not exist, nothing was deleted")
        return NOT_MET
    return DONE


@click.command("range")
@click.argument("prefix")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Print at most so many keys (all).")
@click.option("--keys-only", is_flag=True, help="Print no values.")
@click.option("--after", default=None, metavar="KEY", help="Begin after this key: the last one printed before.")
@_base64_option
@_consistency_option
@client_options()
def range_command(
    client: ClientOptions,
    prefix: str,
    limit: int | None,
    keys_only: bool,
    after: str | None,
    is_base64: bool,
    consistency: Literal["linearizable", "stale"],
) -> int:
    """Print the keys that begin with PREFIX and their values, in order of the keys: KEY, a tab, VALUE.

    An empty PREFIX ("") means all keys. Long ranges are read in pages of 1,000 keys, each linearizable on its own.
    """
    first = _to_bytes(prefix, is_base64)
    last = None if after is None else _to_bytes(after, is_base64)

    async def work(kv: Kv) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        document: dict[str, Any] = {}
        async for page in _pages(kv, first, last, limit, keys_only, consistency):
            document = {"more": page.more, "revision": page.revision, "slot": page.slot}
            if client.as_json:
                entries += [_entry_document(entry, keys_only) for entry in page.entries]
            else:
                _print_entries(page.entries, keys_only)
        return {"entries": entries, "count": len(entries), **document}

    document = _perform(client, work)
    if client.as_json:
        print_document(document)
    return DONE


@click.command("cas")
@click.argument("key")
@click.argument("new")
@click.option("--expect", default=None, metavar="VALUE", help="If KEY holds this value.")
@click.option("--absent", is_flag=True, help="If KEY does not exist.")
@click.option("--revision", type=click.IntRange(min=1), default=None, help="If KEY was last modified at this revision.")
@_base64_option
@client_options()
def cas_command(
    client: ClientOptions,
    key: str,
    new: str,
    expect: str | None,
    absent: bool,
    revision: int | None,
    is_base64: bool,
) -> int:
    """Set KEY to NEW if exactly one condition holds; exit code 1 if it does not, and nothing changed."""
    if (expect is not None) + absent + (revision is not None) != 1:
        raise click.UsageError("Give exactly one of --expect, --absent and --revision.")
    name, data = _to_bytes(key, is_base64), _read_value(new, is_base64)
    expected = None if expect is None else _to_bytes(expect, is_base64)
    result = _perform(client, lambda kv: kv.cas(name, data, expect=expected, absent=absent, revision=revision))
    if client.as_json:
        print_document(_cas_document(result))
    elif result.succeeded:
        click.echo(f"ok, revision {result.revision}")
    if not result.succeeded:
        found = "it does not exist" if result.current is None else f"it was modified at {result.current.modified}"
        _say_not_met(f"comparison failed for key {_shown(name)}: {found}; nothing was changed")
        return NOT_MET
    return DONE


def _perform(client: ClientOptions, work: Callable[[Kv], Awaitable[Result]]) -> Result:
    """Run `work` with a connected client in an event loop of its own."""

    async def main() -> Result:
        async with connect(client.endpoints, timeout_s=client.timeout_s) as kv:
            return await work(kv)

    return asyncio.run(main())


async def _pages(
    kv: Kv,
    prefix: bytes,
    after: bytes | None,
    limit: int | None,
    keys_only: bool,
    consistency: Literal["linearizable", "stale"],
) -> AsyncIterator[RangeResult]:
    """Yield the pages of a range, at least one, `limit` entries in all."""
    left = limit
    while True:
        page = await kv.range(
            prefix,
            after=after,
            limit=PAGE_ENTRIES if left is None else min(left, PAGE_ENTRIES),
            keys_only=keys_only,
            consistency=consistency,
        )
        yield page
        after = page.continuation
        if left is not None:
            left -= len(page.entries)
        if after is None or left == 0:
            return


def _print_entries(entries: tuple[Entry, ...], keys_only: bool) -> None:
    for entry in entries:
        click.echo(entry.key if keys_only else entry.key + b"\t" + entry.value)


def _entry_document(entry: Entry, keys_only: bool) -> dict[str, Any]:
    value = {} if keys_only else blob_field("value", entry.value)
    return {
        **blob_field("key", entry.key),
        **value,
        "created": entry.created,
        "modified": entry.modified,
        "version": entry.version,
        "lease": entry.lease,
    }


def _get_document(key: bytes, result: GetResult) -> dict[str, Any]:
    """Return the document of a get; for an absent key `value` is null and there are no fields of an entry."""
    entry: dict[str, Any] = {**blob_field("key", key), "value": None}
    if result.entry is not None:
        entry = _entry_document(result.entry, keys_only=False)
    return {**entry, "revision": result.revision, "slot": result.slot}


def _cas_document(result: CasResult) -> dict[str, Any]:
    current = None if result.current is None else _entry_document(result.current, keys_only=False)
    return {
        "succeeded": result.succeeded,
        "revision": result.revision,
        "slot": result.slot,
        "current": current,
    }


def _to_bytes(argument: str, is_base64: bool) -> bytes:
    """Return the bytes that the user typed, whatever the locale, or those that they encode."""
    raw = os.fsencode(argument)
    if not is_base64:
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise click.UsageError(f"{argument!r:.60} is not base64: {error}.") from None


def _read_value(argument: str, is_base64: bool) -> bytes:
    """Return a value given as an argument, or all of standard input for `-`, up to what a frame can hold."""
    if argument != "-":
        return _to_bytes(argument, is_base64)
    value = sys.stdin.buffer.read(CLIENT_FRAME_BYTES_MAX + 1)
    if len(value) > CLIENT_FRAME_BYTES_MAX:
        raise TooLarge(
            f"the value on standard input has more than {CLIENT_FRAME_BYTES_MAX} bytes: no frame can hold it"
        )
    return value


def _shown(key: bytes) -> str:
    return repr(key.decode(errors="backslashreplace"))


def _say_not_met(message: str) -> None:
    """Explain exit code 1 on stderr; in JSON the document has said it already."""
    click.echo(f"paxoskv: {message}", err=True)
