"""`check`: whether a recorded history is one that a correct store can produce."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TextIO

import click

from paxoskv.checker import BUDGET_STEPS, Counterexample, HistoryError, Operation, Verdict, judge, read_history
from paxoskv.checker.document import verdict_document
from paxoskv.checker.page import verdict_page
from paxoskv.checker.words import (
    answers_text,
    call_text,
    completion_text,
    count_text,
    elapsed_text,
    number_text,
    outcome_text,
    value_text,
)
from paxoskv.cli.failures import DONE, NOT_MET, UNAVAILABLE, USAGE, Failure
from paxoskv.cli.options import output_option
from paxoskv.cli.output import print_document, table

NOT_LINEARIZABLE = NOT_MET
UNDECIDED = UNAVAILABLE
"""Exit codes of this command: 0 linearizable, 1 not, 2 unusable input, 3 undecided."""

ROWS_MAX = 30
"""Operations of a contradiction that are printed, the last ones."""

EXIT_CODES = {True: DONE, False: NOT_LINEARIZABLE, None: UNDECIDED}
WORDS = {True: "linearizable", False: "not linearizable", None: "undecided"}


@click.command("check")
@click.argument("history")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Write a page to this file."
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help=f"Steps that the search of one key may take ({BUDGET_STEPS:,}, more for long histories).",
)
@output_option
def check_command(history: str, html: Path | None, budget: int | None, as_json: bool) -> int:
    """Judge HISTORY: could one copy of the store, doing one thing at a time, have answered like this?

    HISTORY is a file, or - for standard input, with one JSON object a line, in the order of their times:

    \b
    {"process": 0, "type": "invoke", "f": "put", "key": "a", "value": "1", "time": 10}
    {"process": 1, "type": "invoke", "f": "get", "key": "a", "value": null, "time": 20}
    {"process": 0, "type": "ok", "f": "put", "key": "a", "value": "1", "time": 30}
    {"process": 1, "type": "ok", "f": "get", "key": "a", "value": "1", "time": 40}

    \b
    type   invoke, then ok, fail (surely did not happen) or info (nobody knows)
    f      put, get, delete, cas (value: [expected, new]), append, incr
           or txn (see paxoskv.checker.txns)
    time   nanoseconds of one clock

    A process does one thing at a time, and goes on under a new number after info. Keys start absent; null is the
    value of an absent key. A cas that fails has found another value than expected, unless the event has an "error".
    Events may carry the revision and the slot of the reply, which are then checked as well.

    If no order explains the answers, the few operations that contradict each other are shown, and why; --html draws
    them. If it runs out of steps, try a larger --budget.

    \b
    Exit codes:  0 linearizable    1 not, or wrong by the revisions
                 3 undecided       2 HISTORY cannot be used
    """
    operations = _read(history)
    with _writable(html) as page:
        start_s = time.perf_counter()
        verdict = judge(operations, budget, _show_progress)
        wall_s = time.perf_counter() - start_s
        if page is not None:
            page.write(verdict_page(verdict, operations, "standard input" if history == "-" else history, wall_s))
    if as_json:
        print_document(verdict_document(verdict, wall_s))
    else:
        click.echo(_text(verdict, wall_s))
        if html is not None:
            click.echo(f"\nThe picture: {html}")
    return EXIT_CODES[verdict.acceptable]


def _read(history: str) -> list[Operation]:
    try:
        return read_history(history)
    except HistoryError as error:
        raise Failure(USAGE, "bad_history", f"{history} is no history: {error}") from None
    except OSError as error:
        raise Failure(USAGE, "unreadable", f"cannot read {history}: {error.strerror}") from None


def _writable(path: Path | None) -> AbstractContextManager[TextIO | None]:
    """Open the file of the page before the work begins: it would be done in vain if the file cannot be written."""
    if path is None:
        return nullcontext()
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise Failure(USAGE, "unwritable", f"cannot write {path}: {error.strerror}") from None


def _show_progress(done: int, keys: int) -> None:
    """Count the keys on a terminal."""
    if sys.stderr.isatty():
        end = "" if done < keys else "\r\033[K"
        click.echo(f"\r\033[Kcheck: {done} of {keys} keys{end}", nl=False, err=True)


def _text(verdict: Verdict, wall_s: float) -> str:
    counted = f"{count_text(verdict.operations, 'operation')} on {count_text(len(verdict.keys), 'key')}"
    lines = [
        f"{WORDS[verdict.linearizable]}: {counted}, {verdict.unknown:,} of unknown outcome, judged in {wall_s:.2f} s",
        f"revisions: {verdict.revisions.status}, {verdict.revisions.checked:,} replies carry one",
    ]
    if not verdict.operations:
        lines.append("The history is empty: nothing was judged.")
    undecided = [value_text(key.key) for key in verdict.keys if key.linearizable is None]
    if undecided:
        more = f" and {len(undecided) - 5} more" if len(undecided) > 5 else ""
        lines.append(f"undecided: {', '.join(undecided[:5])}{more}; try a larger --budget")
    if verdict.counterexample is not None:
        lines += ["", _contradiction(verdict.counterexample)]
    return "\n".join(lines)


def _contradiction(found: Counterexample) -> str:
    since_ns = min(op.invoked_ns for op in found.operations)
    rows = [["", "LINE", "PROCESS", "KEY", "OPERATION", "OUTCOME", "INVOKED", "COMPLETED", "REVISION"]]
    rows += [_row(op, since_ns, found.accused) for op in found.operations[-ROWS_MAX:]]
    lines = [f"{found.kind}: {found.why}", table(rows)]
    if len(found.operations) > ROWS_MAX:
        lines.append(f"and {len(found.operations) - ROWS_MAX:,} operations before these: see --html or -o json")
    if found.right_answers:
        lines.append(f"A right answer would have been {answers_text(found.right_answers)}.")
    return "\n".join(lines)


def _row(operation: Operation, since_ns: int, accused: Operation) -> list[str]:
    op = operation
    return [
        ">" if op is accused else "",
        str(op.line),
        str(op.process),
        value_text(op.key),
        call_text(op),
        outcome_text(op),
        elapsed_text(op.invoked_ns, since_ns),
        completion_text(op, since_ns),
        number_text(op.revision),
    ]
