"""What commands print: bytes as they are for people, one JSON document for programs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import click


def print_document(document: Mapping[str, Any]) -> None:
    """Print one JSON document on one line of stdout."""
    click.echo(json.dumps(document))


def blob_field(name: str, data: bytes) -> dict[str, str]:
    """Return `data` as the field `name` if it is UTF-8, else as `name_base64`."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode("ascii")}


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether a command line, which need not be a valid one, asks for JSON: its error is then a document too."""
    for place, argument in enumerate(arguments):
        if argument == "--":
            return False
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        if argument in ("-o", "--output") and following == "json":
            return True
        if argument in ("-ojson", "--output=json"):
            return True
    return False


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text in aligned columns; the first one is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
