"""How errors end: one line on stderr, with `-o json` one document on stdout, and an exit code."""

from __future__ import annotations

import os
import traceback

import click

from paxoskv import errors
from paxoskv.cli.output import print_document

DONE = 0
NOT_MET = 1
"""The key was not found, a comparison failed, or what the store holds does not allow it."""
USAGE = 2
UNAVAILABLE = 3
OUTCOME_UNKNOWN = 4
CORRUPT = 5
BUG = 70
INTERRUPTED = 130

TRACEBACK_VARIABLE = "PAXOSKV_TRACEBACK"

_KINDS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.TooLarge, USAGE, "too_large"),
    (errors.BadRequest, USAGE, "bad_request"),
    (errors.ProtocolMismatch, USAGE, "protocol_mismatch"),
    (errors.Overloaded, UNAVAILABLE, "overloaded"),
    (errors.DiskFull, UNAVAILABLE, "disk_full"),
    (errors.Unavailable, UNAVAILABLE, "unavailable"),
    (errors.OutcomeUnknown, OUTCOME_UNKNOWN, "outcome_unknown"),
    (errors.LeaseLost, OUTCOME_UNKNOWN, "lease_lost"),
    (errors.Compacted, NOT_MET, "compacted"),
    (errors.FutureRevision, NOT_MET, "future_revision"),
    (errors.LeaseNotFound, NOT_MET, "lease_not_found"),
    (errors.NotANumber, NOT_MET, "not_a_number"),
    (errors.NumberOverflow, NOT_MET, "number_overflow"),
    (errors.Refused, NOT_MET, "refused"),
    (click.ClickException, USAGE, "usage"),
)


class Failure(Exception):
    """A command cannot do what it was asked to. code: the exit code. kind: its name in JSON."""

    def __init__(self, code: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind


def report(error: Exception, as_json: bool) -> int:
    """Tell the user about `error`, and return the exit code."""
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    code, kind, message = _describe(error)
    line = " ".join(message.split())
    click.echo(f"paxoskv: {line}", err=True)
    if as_json:
        print_document({"error": line, "code": kind})
    return code


def _describe(error: Exception) -> tuple[int, str, str]:
    """Return (exit code, name of the kind, message)."""
    if isinstance(error, Failure):
        return error.code, error.kind, str(error)
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "paxoskv"
        return USAGE, "usage", f"{error.format_message()} See {command} --help"
    for kind, code, name in _KINDS:
        if isinstance(error, kind):
            message = error.format_message() if isinstance(error, click.ClickException) else str(error)
            return code, name, message
    hint = f"this is a bug, please report it (set {TRACEBACK_VARIABLE}=1 for the traceback)"
    return BUG, "internal", f"{type(error).__name__}: {error}: {hint}"
