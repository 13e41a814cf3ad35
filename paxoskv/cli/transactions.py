"""`txn`: several operations, all or none, if what is compared holds."""

from __future__ import annotations

from pathlib import Path

import click

from paxoskv.cli.asking import perform
from paxoskv.cli.blobs import read_input, standard_input
from paxoskv.cli.documents import place, say_not_met
from paxoskv.cli.failures import DONE, NOT_MET
from paxoskv.cli.options import ClientOptions, client_options
from paxoskv.cli.output import print_document
from paxoskv.cli.txn import document, results, text
from paxoskv.cli.txn.plan import Plan
from paxoskv.errors import BadRequest, TooLarge
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX

_ASKED = (
    'compares, as version("key") = 0; an empty line ends them',
    "operations if they hold, as put key value; an empty line ends them",
    "operations if they do not; an empty line ends them",
)


@click.command("txn")
@click.argument("file", required=False, default="-")
@click.option("-i", "--interactive", is_flag=True, help="Ask line by line: so without FILE on a terminal anyway.")
@client_options()
def txn_command(client: ClientOptions, file: str, interactive: bool) -> int:
    """Carry out the transaction in FILE, or on standard input: all of it or nothing, at one revision.

    The compares are decided on what was there before. If all hold, the operations after `then` are carried out, if not
    those after `else`, and the exit code is 1. If the store refuses an operation, nothing happens.

    \b
      if
        version("jobs/7") = 0                  value, version, created, modified, lease;  = != < >
        value("state") = "open"                lines need all to hold
        absent("halt/" --prefix)               absent, present; also ("a" --end "c"): every key of a range
      then
        put jobs/7 "to do" --lease 42          options as on the command line
        incr counter
        append log "7;"
        delete old/ --prefix
      else
        get state
        range jobs/ --limit 10 --keys-only

    Words with spaces stand in quotes; in double quotes \\n \\t \\" \\\\ \\xHH mean what they do elsewhere. # begins a
    comment. Instead of headings, an empty line may end each section: files for etcdctl are understood, with mod,
    create, val, ver and del.

    A FILE that begins with { is JSON, which has nested transactions too. A field may be called ..._base64:

    \b
      {"compare": [{"target": "value", "key": "k", "relation": "=", "operand": "v"}],
       "then": [{"op": "put", "key": "k", "value": "w", "previous": true}],
       "else": [{"op": "txn", "compare": [], "then": [{"op": "get", "key": "k"}]}]}
    """
    plan = _plan(file, interactive)
    if not (plan.compare or plan.then or plan.otherwise):
        raise BadRequest("the transaction is empty: see paxoskv txn --help")
    result = perform(client, lambda kv: kv.txn(**plan.arguments()))
    if client.as_json:
        print_document({"succeeded": result.succeeded, "results": results.documents(plan, result), **place(result)})
    else:
        click.echo(f"{'SUCCESS' if result.succeeded else 'FAILURE'}, revision {result.revision}")
        for line in results.lines(plan, result):
            click.echo(line)
    if not result.succeeded:
        say_not_met("not all that was compared held: the operations after else were carried out")
        return NOT_MET
    return DONE


def _plan(file: str, interactive: bool) -> Plan:
    if interactive or (file == "-" and standard_input().isatty()):
        return _ask()
    data = read_input("the transaction") if file == "-" else _read(Path(file))
    return document.parse(data) if data.lstrip().startswith(b"{") else text.parse(data)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as source:
            data = source.read(CLIENT_FRAME_BYTES_MAX + 1)
    except OSError as error:
        raise click.UsageError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    if len(data) > CLIENT_FRAME_BYTES_MAX:
        raise TooLarge(f"{str(path)!r} has more than {CLIENT_FRAME_BYTES_MAX} bytes: no frame can hold it")
    return data


def _ask() -> Plan:
    """Read a transaction line by line, saying what comes next. Raises: BadRequest, unless one can correct a line."""
    plan = Plan()
    for section, words in enumerate(_ASKED):
        click.echo(f"{text.SECTIONS[section]}: {words}", err=True)
        while line := standard_input().buffer.readline().strip():
            _add(plan, section, line)
    return plan


def _add(plan: Plan, section: int, line: bytes) -> None:
    """Add a line; on a terminal one that is wrong is told, and left out."""
    try:
        text.add(plan, section, line)
    except BadRequest as error:
        if not standard_input().isatty():
            raise
        click.echo(f"paxoskv: {error}; once more", err=True)
