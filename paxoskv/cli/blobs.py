"""Keys and values of the command line, which are bytes."""

from __future__ import annotations

import base64
import os
import sys
from typing import TextIO

import click

from paxoskv.errors import TooLarge
from paxoskv.net.frames import CLIENT_FRAME_BYTES_MAX

base64_option = click.option(
    "--base64", "is_base64", is_flag=True, help="Keys and values on the command line are given as base64."
)


def to_bytes(argument: str, is_base64: bool) -> bytes:
    """Return the bytes that the user typed, whatever the locale, or those that they encode. Raises: UsageError."""
    raw = os.fsencode(argument)
    return from_base64(raw) if is_base64 else raw


def from_base64(raw: bytes | str) -> bytes:
    """Return what is encoded in `raw`. Raises: UsageError."""
    try:
        return base64.b64decode(raw, validate=True)
    except ValueError as error:  # binascii.Error is one; text beyond ASCII raises another
        shown = raw if isinstance(raw, str) else os.fsdecode(raw)
        raise click.UsageError(f"{shown!r:.60} is not base64: {error}.") from None


def read_value(argument: str, is_base64: bool) -> bytes:
    """Return a value given as an argument, or all of standard input for `-`. Raises: UsageError, TooLarge."""
    return read_input("the value") if argument == "-" else to_bytes(argument, is_base64)


def read_input(what: str) -> bytes:
    """Return all of standard input, up to what a frame can hold. Raises: TooLarge, which says `what`; UsageError."""
    data = standard_input().buffer.read(CLIENT_FRAME_BYTES_MAX + 1)
    if len(data) > CLIENT_FRAME_BYTES_MAX:
        raise TooLarge(f"{what} on standard input has more than {CLIENT_FRAME_BYTES_MAX} bytes: no frame can hold it")
    return data


def standard_input() -> TextIO:
    """Return standard input. Raises: UsageError if this process was started without one."""
    if sys.stdin is None:
        raise click.UsageError("Standard input is closed.")
    return sys.stdin


def shown(key: bytes) -> str:
    """Return a key as it appears in messages."""
    return repr(key.decode(errors="backslashreplace"))
