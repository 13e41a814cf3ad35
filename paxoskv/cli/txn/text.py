"""The little language: sections of lines, a compare or an operation on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from paxoskv.cli.txn import fields
from paxoskv.cli.txn.plan import Plan, Step
from paxoskv.cli.txn.words import Word, split
from paxoskv.client import ops
from paxoskv.errors import BadRequest

SECTIONS = ("if", "then", "else")

_SHORT = {"val": "value", "ver": "version", "c": "created", "create": "created", "m": "modified", "mod": "modified"}
_SHORT_OPERATIONS = {"del": "delete"}
"""What users of etcdctl type."""
_POSITIONS = {
    "put": ("key", "value"),
    "get": ("key",),
    "delete": ("key",),
    "range": ("prefix",),
    "incr": ("key", "by"),
    "append": ("key", "text"),
}


def parse(text: bytes) -> Plan:
    """Return the transaction that a text describes. Raises: BadRequest, with the number of the line."""
    lines = text.splitlines()
    plan = Plan()
    has_headings = any(_heading(line) is not None for line in lines)
    section = 0
    for number, line in enumerate(lines, start=1):
        with _line(number):
            heading = _heading(line)
            if heading is not None:
                section = _next_section(section, heading)
            elif not line.strip():
                section += not has_headings
            else:
                add(plan, section, line)
    return plan


def add(plan: Plan, section: int, line: bytes) -> None:
    """Add a line to a section of a plan: 0 compares, 1 then, 2 else. Raises: BadRequest."""
    if section == 0:
        words = split(line, punctuated=True)
        if words:
            plan.compare.append(_compare(words))
        return
    words = split(line)
    if words and section >= len(SECTIONS):
        raise BadRequest("a transaction has three sections, and this is a fourth: an empty line ends a section")
    if words:
        (plan.then if section == 1 else plan.otherwise).append(_step(words))


def _heading(line: bytes) -> str | None:
    """Return which section a line begins, if it is a heading."""
    word = line.strip().removesuffix(b":").decode(errors="replace")
    return word if word in SECTIONS else None


def _next_section(section: int, heading: str) -> int:
    following = SECTIONS.index(heading)
    if following < section or following == section > 0:
        raise BadRequest("the sections are if, then, else, in this order, each at most once")
    return following


def _compare(words: Sequence[Word]) -> ops.Compare:
    """Return the compare that stands on a line: TARGET(KEY) RELATION OPERAND. Raises: BadRequest."""
    target = words[0].text.decode(errors="replace")
    target = _SHORT.get(target, target)
    close = next((place for place, word in enumerate(words) if word.means(b")")), 0)
    if target not in fields.TARGETS or close < 3 or not words[1].means(b"("):
        raise BadRequest('a compare looks like version("key") = 0; see paxoskv txn --help')
    given = _arguments(words[2:close], ("key",), {"prefix": bool, "end": bytes})
    rest = words[close + 1 :]
    if len(rest) not in (0, 2):
        raise BadRequest("a compare ends with a relation and what is compared with")
    relation = rest[0].text.decode(errors="replace") if rest else None
    operand = _operand(target, rest[1]) if rest else None
    return fields.compare(target, _span(given, "key"), relation, operand)


def _operand(target: str, word: Word) -> bytes | int:
    return _number(word) if target in fields.NUMBERS else word.text


def _step(words: Sequence[Word]) -> Step:
    """Return the operation that stands on a line: its name, arguments, options. Raises: BadRequest."""
    op = words[0].text.decode(errors="replace")
    op = _SHORT_OPERATIONS.get(op, op)
    if op not in fields.OPERATIONS:
        raise BadRequest(f"there is no operation {op!r:.40}: choose {', '.join(fields.OPERATIONS)}")
    positions = _POSITIONS[op]
    given = _arguments(words[1:], positions, _options(op))
    return fields.step(op, _span(given, positions[0]))


def _options(op: str) -> dict[str, type]:
    """Return the options of an operation in a text, where `prefix` is a flag and the first argument is the start."""
    known = {name: kind for name, kind in fields.OPERATIONS[op].items() if name not in (*_POSITIONS[op], "start")}
    return {**known, "prefix": bool} if op == "delete" else known


def _span(given: dict[str, Any], first: str) -> dict[str, Any]:
    """Say by `prefix`, or by `start` and `end`, what options make of the first argument. Raises: BadRequest."""
    is_prefix = first != "prefix" and given.pop("prefix", False)
    if is_prefix and "end" in given:
        raise BadRequest("--prefix or --end, not both")
    if first in given and is_prefix:
        given["prefix"] = given.pop(first)
    elif first in given and "end" in given:
        given["start"] = given.pop(first)
    return given


def _arguments(words: Sequence[Word], positions: Sequence[str], options: dict[str, type]) -> dict[str, Any]:
    """Return arguments and options by name. Raises: BadRequest for any that is not known, or comes twice."""
    given: dict[str, Any] = {}
    left, free, are_options_over = iter(words), list(positions), False
    for word in left:
        if word.means(b"--") and not are_options_over:
            are_options_over = True
        elif word.text.startswith(b"--") and not word.is_quoted and not are_options_over:
            name, value = _option(word, left, options)
            given[name] = value
        elif free:
            name = free.pop(0)
            given[name] = _number(word) if name == "by" else word.text
        else:
            raise BadRequest(f"{_shown(word)} is too much")
    return given


def _option(word: Word, following: Iterator[Word], options: dict[str, type]) -> tuple[str, Any]:
    """Return name and value of an option, the value taken from what follows. Raises: BadRequest."""
    name = word.text[2:].decode(errors="replace").replace("-", "_")
    name = "end" if name == "range" else name
    if name not in options:
        raise BadRequest(f"there is no option {_shown(word)} here")
    if options[name] is bool:
        return name, True
    value = next(following, None)
    if value is None:
        raise BadRequest(f"{_shown(word)} needs a value")
    return name, _number(value) if options[name] is int else value.text


def _number(word: Word) -> int:
    try:
        return int(word.text)
    except ValueError:
        raise BadRequest(f"{_shown(word)} is not a number") from None


def _shown(word: Word) -> str:
    return f"{word.text.decode(errors='backslashreplace')!r:.60}"


@contextmanager
def _line(number: int) -> Iterator[None]:
    """Say in errors which line is wrong."""
    try:
        yield
    except BadRequest as error:
        raise type(error)(f"line {number}: {error}") from None
