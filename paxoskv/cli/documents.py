"""The parts that documents of several commands have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import click

from paxoskv.cli.output import blob_field
from paxoskv.client import Entry


class Placed(Protocol):
    """Any result of a client: it says where in the cluster's order it stands."""

    @property
    def revision(self) -> int:
        """The store's revision."""

    @property
    def slot(self) -> int:
        """The position in the log."""


def place(result: Placed) -> dict[str, int]:
    """Return the fields that every document of a read or a write ends with."""
    return {"revision": result.revision, "slot": result.slot}


def age(age_s: float | None) -> dict[str, float]:
    """Return the field of a read that asked one node only; nothing for other reads."""
    return {} if age_s is None else {"age_s": age_s}


def entry_document(entry: Entry, keys_only: bool = False) -> dict[str, Any]:
    """Return an entry, without its value if only keys were asked for."""
    value = {} if keys_only else blob_field("value", entry.value)
    return {
        **blob_field("key", entry.key),
        **value,
        "created": entry.created,
        "modified": entry.modified,
        "version": entry.version,
        "lease": entry.lease,
    }


def optional_document(entry: Entry | None) -> dict[str, Any] | None:
    """Return an entry, or null for a key that does not exist."""
    return None if entry is None else entry_document(entry)


def print_entries(entries: Iterable[Entry], keys_only: bool = False) -> None:
    """Print a line for each entry, for people: KEY, a tab, VALUE."""
    for entry in entries:
        click.echo(entry.key if keys_only else entry.key + b"\t" + entry.value)


def say_not_met(message: str) -> None:
    """Explain exit code 1 on stderr; in JSON the document has said it already."""
    click.echo(f"paxoskv: {message}", err=True)
