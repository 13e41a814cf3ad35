"""What a mutant is: the production code with one rule of it broken, on purpose."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "paxoskv"


class DoesNotApply(ValueError):
    """The code has moved away from under a mutant: its text is not there, or more than once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `old` by `new`; `old` stands exactly once in its part of the file.

    file: below the package. inside: the class or function, as `Class.method`, that holds the text.
    """

    file: str
    inside: str
    old: str
    new: str

    def applied_to(self, source: str) -> str:
        """Return the file's text with the edit made. Raises: DoesNotApply, SyntaxError."""
        first, last = span(source, self.inside, self.file)
        lines = source.splitlines(keepends=True)
        part = "".join(lines[first:last])
        count = part.count(self.old)
        if count != 1:
            raise DoesNotApply(f"{self.file}, {self.inside}: {self.old!r} stands there {count} times, not once")
        changed = part.replace(self.old, self.new)
        return "".join([*lines[:first], changed, *lines[last:]])


@dataclass(frozen=True, slots=True)
class Mutant:
    """One rule broken, and the tests that should see it first.

    pitfall: the id of the rule in the project's list of pitfalls, faults and inputs: P*, S*, R*, H*.
    rule:    what the code does right and the mutant does wrong, in one line.
    edits:   usually one; more where a second line of defence would hide the loss of the first.
    tests:   paths of tests, the likeliest first. Whatever survives them meets all the others.
    simulated: whether the code runs in the simulated world, so that seeds may kill it too.
    """

    name: str
    pitfall: str
    rule: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
    simulated: bool = True

    def sources(self, root: Path) -> dict[Path, str]:
        """Return the mutated text of every file it touches, by path below `root`. Raises: DoesNotApply."""
        changed: dict[Path, str] = {}
        for edit in self.edits:
            path = root / PACKAGE / edit.file
            before = changed.get(path) or path.read_text(encoding="utf-8")
            changed[path] = edit.applied_to(before)
        for path, text in changed.items():
            compile(text, str(path), "exec")
        return changed


def span(source: str, name: str, file: str) -> tuple[int, int]:
    """Return the lines [first, last) of the class or function called `name` in full. Raises: DoesNotApply."""
    body: list[ast.stmt] = ast.parse(source).body
    found: ast.stmt | None = None
    for part in name.split("."):
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        found = next((node for node in body if isinstance(node, kinds) and node.name == part), None)
        if not isinstance(found, kinds):
            raise DoesNotApply(f"{file} has no {name}")
        body = found.body
    if found is None or found.end_lineno is None:
        raise DoesNotApply(f"{file} has no {name}")
    return found.lineno - 1, found.end_lineno
