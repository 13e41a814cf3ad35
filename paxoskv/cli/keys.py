"""`put`, `get`, `cas`, `incr`, `append`: one key."""

from __future__ import annotations

from typing import Any

import click

from paxoskv.cli.asking import perform
from paxoskv.cli.blobs import base64_option, read_value, shown, to_bytes
from paxoskv.cli.documents import age, entry_document, optional_document, place, say_not_met
from paxoskv.cli.failures import DONE, NOT_MET
from paxoskv.cli.options import ClientOptions, client_options
from paxoskv.cli.output import blob_field, print_document
from paxoskv.cli.reading import read_options
from paxoskv.client import CasResult, Consistency, GetResult, PutResult
from paxoskv.kv.operations import NUMBER_MAX


@click.command("put")
@click.argument("key")
@click.argument("value")
@click.option(
    "--lease", type=click.IntRange(min=1), default=None, metavar="ID", help="Delete KEY when this lease ends."
)
@click.option("--keep-lease", is_flag=True, help="Leave KEY attached to the lease that it has.")
@click.option("--if-absent", is_flag=True, help="Only if KEY does not exist; else exit code 1.")
@click.option("--if-present", is_flag=True, help="Only if KEY exists; else exit code 1.")
@click.option("--previous", is_flag=True, help="Print what KEY held before.")
@base64_option
@client_options()
def put_command(
    client: ClientOptions,
    key: str,
    value: str,
    lease: int | None,
    keep_lease: bool,
    if_absent: bool,
    if_present: bool,
    previous: bool,
    is_base64: bool,
) -> int:
    """Set KEY to VALUE; a VALUE of - is read from standard input as it is.

    \b
      paxoskv put config/color blue
      paxoskv put config/app.toml - < app.toml
      paxoskv put host/7 up --lease 42           gone when the lease is
      paxoskv put owner me --if-absent           who comes first
      paxoskv put config/color red --previous    get and set in one step
    """
    if lease is not None and keep_lease:
        raise click.UsageError("Give --lease or --keep-lease, not both.")
    if if_absent and if_present:
        raise click.UsageError("Give --if-absent or --if-present, not both.")
    name, data = to_bytes(key, is_base64), read_value(value, is_base64)
    conditions = {"if_absent": if_absent, "if_present": if_present}
    result = perform(
        client, lambda kv: kv.put(name, data, lease=lease, keep_lease=keep_lease, previous=previous, **conditions)
    )
    if client.as_json:
        print_document(_put_document(result, previous or if_absent or if_present))
    elif result.written:
        _print_put(result, previous)
    if not result.written:
        found = "does not exist" if result.previous is None else "exists"
        say_not_met(f"key {shown(name)} {found}; nothing was changed")
        return NOT_MET
    return DONE


@click.command("get")
@click.argument("key")
@base64_option
@read_options
@client_options()
def get_command(
    client: ClientOptions,
    key: str,
    is_base64: bool,
    consistency: Consistency,
    revision: int | None,
    min_revision: int | None,
) -> int:
    """Print the value of KEY; exit code 1 if it does not exist.

    \b
      paxoskv get config/color
      paxoskv get config/color -o json           with revisions, version and lease
      paxoskv get config/color --revision 17     what it held then
    """
    name = to_bytes(key, is_base64)
    result = perform(
        client, lambda kv: kv.get(name, consistency=consistency, revision=revision, min_revision=min_revision)
    )
    if client.as_json:
        print_document(_get_document(name, result))
    elif result.entry is not None:
        click.echo(result.entry.value)
    if result.entry is None:
        say_not_met(f"key {shown(name)} does not exist")
        return NOT_MET
    return DONE


@click.command("cas")
@click.argument("key")
@click.argument("new")
@click.option("--expect", default=None, metavar="VALUE", help="If KEY holds this value.")
@click.option("--absent", is_flag=True, help="If KEY does not exist.")
@click.option("--revision", type=click.IntRange(min=1), default=None, help="If KEY was last modified at this revision.")
@base64_option
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
    """Set KEY to NEW if exactly one condition holds; exit code 1 if it does not, and nothing changed.

    \b
      paxoskv cas config/color green --expect blue
      paxoskv cas config/color green --revision 17     surest: values may come back, revisions never do
    """
    if (expect is not None) + absent + (revision is not None) != 1:
        raise click.UsageError("Give exactly one of --expect, --absent and --revision.")
    name, data = to_bytes(key, is_base64), read_value(new, is_base64)
    expected = None if expect is None else to_bytes(expect, is_base64)
    result = perform(client, lambda kv: kv.cas(name, data, expect=expected, absent=absent, revision=revision))
    if client.as_json:
        print_document(_cas_document(result))
    elif result.succeeded:
        click.echo(f"ok, revision {result.revision}")
    if not result.succeeded:
        found = "it does not exist" if result.current is None else f"it was modified at {result.current.modified}"
        say_not_met(f"comparison failed for key {shown(name)}: {found}; nothing was changed")
        return NOT_MET
    return DONE


@click.command("incr", context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("number", type=click.IntRange(-NUMBER_MAX - 1, NUMBER_MAX), default=1, metavar="[N]")
@base64_option
@client_options()
def incr_command(client: ClientOptions, key: str, number: int, is_base64: bool) -> int:
    """Add N (1) to the number that KEY holds in decimal, and print the sum; N may be negative.

    An absent key counts as 0. Exit code 1, and nothing changed, if KEY holds no number or the sum needs over 64 bits.

    \b
      paxoskv incr visits
      paxoskv incr stock/bolts -12
    """
    name = to_bytes(key, is_base64)
    result = perform(client, lambda kv: kv.incr(name, number))
    if client.as_json:
        print_document({"value": result.value, **place(result)})
    else:
        click.echo(result.value)
    return DONE


@click.command("append")
@click.argument("key")
@click.argument("text")
@base64_option
@client_options()
def append_command(client: ClientOptions, key: str, text: str, is_base64: bool) -> int:
    """Add TEXT to the end of what KEY holds, and print the size in bytes; a TEXT of - is read from standard input.

    \b
      paxoskv append log/today "10:42 deployed;"
      date | paxoskv append log/today -
    """
    name, data = to_bytes(key, is_base64), read_value(text, is_base64)
    result = perform(client, lambda kv: kv.append(name, data))
    if client.as_json:
        print_document({"size_bytes": result.size_bytes, **place(result)})
    else:
        click.echo(result.size_bytes)
    return DONE


def _put_document(result: PutResult, is_detailed: bool) -> dict[str, Any]:
    """Return the document of a put. is_detailed: it had a condition, or was asked what was there before."""
    details = {"written": result.written, "previous": optional_document(result.previous)} if is_detailed else {}
    return {**place(result), **details}


def _print_put(result: PutResult, previous: bool) -> None:
    if not previous:
        click.echo(f"ok, revision {result.revision}")
    elif result.previous is not None:
        click.echo(result.previous.value)


def _get_document(key: bytes, result: GetResult) -> dict[str, Any]:
    """Return the document of a get; for an absent key `value` is null and there are no fields of an entry."""
    entry: dict[str, Any] = {**blob_field("key", key), "value": None}
    if result.entry is not None:
        entry = entry_document(result.entry)
    return {**entry, **place(result), **age(result.age_s)}


def _cas_document(result: CasResult) -> dict[str, Any]:
    return {"succeeded": result.succeeded, **place(result), "current": optional_document(result.current)}
