"""`range`: the keys of a prefix or an interval."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import click

from paxoskv.cli.asking import perform
from paxoskv.cli.blobs import base64_option, to_bytes
from paxoskv.cli.documents import age, entry_document, place, print_entries
from paxoskv.cli.failures import DONE
from paxoskv.cli.options import ClientOptions, client_options
from paxoskv.cli.output import print_document
from paxoskv.cli.reading import end_option, read_options
from paxoskv.client import Client, Continuation, RangeResult

PAGE_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be read. where, which: arguments of the client that name the keys, and that choose among them."""

    where: dict[str, Any]
    which: dict[str, Any]
    after: bytes | None
    limit: int | None
    descending: bool
    keys_only: bool
    min_revision: int | None


@click.command("range")
@click.argument("key", metavar="PREFIX")
@end_option
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Print at most so many keys (all).")
@click.option("--descending", is_flag=True, help="The last keys first.")
@click.option("--keys-only", is_flag=True, help="Print no values.")
@click.option("--count", "is_count", is_flag=True, help="Print only how many keys there are.")
@click.option("--after", default=None, metavar="KEY", help="Begin after this key: the last one printed before.")
@click.option("--created-since", type=click.IntRange(min=1), default=None, metavar="R", help="Created at R or later.")
@click.option("--modified-since", type=click.IntRange(min=1), default=None, metavar="R", help="Changed at R or later.")
@base64_option
@read_options
@client_options()
def range_command(
    client: ClientOptions,
    key: str,
    end: str | None,
    is_count: bool,
    is_base64: bool,
    created_since: int | None,
    modified_since: int | None,
    after: str | None,
    limit: int | None,
    descending: bool,
    keys_only: bool,
    min_revision: int | None,
    **others: Any,
) -> int:
    """Print the keys that begin with PREFIX and their values, in order of the keys: KEY, a tab, VALUE.

    An empty PREFIX ("") means all keys. Long ranges are read in pages of 1,000 keys, all at one revision.

    \b
      paxoskv range config/
      paxoskv range a --end c                     from a up to c, that one excluded
      paxoskv range log/ --descending --limit 1   the last one
      paxoskv range jobs/ --count
      paxoskv range "" --revision 17              everything, as it was then
    """
    where = _where(key, end, is_base64)
    which = {**others, "created": (created_since or 0, 0), "modified": (modified_since or 0, 0)}
    if is_count:
        _refuse_with_count(limit, descending, keys_only, after, min_revision)
        return _count(client, where, which)
    last = None if after is None else to_bytes(after, is_base64)
    wish = _Wish(where, which, last, limit, descending, keys_only, min_revision)
    document = perform(client, lambda kv: _read(kv, wish, client.as_json))
    if client.as_json:
        print_document(document)
    return DONE


def _where(key: str, end: str | None, is_base64: bool) -> dict[str, Any]:
    first = to_bytes(key, is_base64)
    return {"prefix": first} if end is None else {"start": first, "end": to_bytes(end, is_base64)}


def _refuse_with_count(*others: object) -> None:
    if any(other not in (None, False) for other in others):
        raise click.UsageError("--count goes with --end, --revision, --consistency and the filters only.")


def _count(client: ClientOptions, where: dict[str, Any], which: dict[str, Any]) -> int:
    result = perform(client, lambda kv: kv.count(**where, **which))
    if client.as_json:
        print_document({"count": result.keys, **place(result)})
    else:
        click.echo(result.keys)
    return DONE


async def _read(kv: Client, wish: _Wish, as_json: bool) -> dict[str, Any]:
    """Print the entries, page by page, or return them all as a document."""
    entries: list[dict[str, Any]] = []
    document: dict[str, Any] = {}
    async for page in _pages(kv, wish):
        document = {"more": page.more, **place(page), **age(page.age_s)}
        if as_json:
            entries += [entry_document(entry, wish.keys_only) for entry in page.entries]
        else:
            print_entries(page.entries, wish.keys_only)
    return {"entries": entries, "count": len(entries), **document}


async def _pages(kv: Client, wish: _Wish) -> AsyncIterator[RangeResult]:
    """Yield the pages of a range, at least one, with as many entries in all as are wished for."""
    left = wish.limit
    continuation: Continuation | None = None
    while True:
        page = await kv.range(
            **wish.where,
            **wish.which,
            after=wish.after,
            continuation=continuation,
            limit=PAGE_ENTRIES if left is None else min(left, PAGE_ENTRIES),
            descending=wish.descending,
            keys_only=wish.keys_only,
            min_revision=wish.min_revision,
        )
        yield page
        continuation = page.continuation
        if left is not None:
            left -= len(page.entries)
        if continuation is None or left == 0:
            return
