"""The house's own rules on imports: downward only, and a pure core (P26)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "paxoskv"

EVERYTHING_BELOW_CLI = {
    "",
    "checker",
    "simulator",
    "verifier",
    "testbed",
    "testing",
    "errors",
    "client",
    "sync",
    "node",
    "net",
    "storage",
    "kv",
    "paxos",
}
MAY_IMPORT = {
    "checker": set(),  # a judge that shares code with the accused is none
    "paxos": set(),
    "kv": set(),
    "errors": set(),
    "net": {"paxos"},
    "storage": {"paxos"},
    "client": {"net", "kv", "errors"},
    "sync": {"client", "errors"},
    "node": {"net", "storage", "kv", "paxos"},
    "simulator": {"checker", "client", "errors", "node", "net", "storage", "kv", "paxos"},
    "testbed": {"client", "errors", "node", "net", "storage"},
    "verifier": {"", "checker", "client", "errors", "node", "net", "storage", "paxos", "testbed"},
    "testing": {"", "client", "errors", "node", "sync", "testbed"},
    "pytest_plugin": {"", "testing"},
    "": {"client", "errors", "sync"},  # paxoskv/__init__.py itself
    "cli": EVERYTHING_BELOW_CLI,
    "__main__": {"cli"},
}
"""Package -> packages of ours that it may import, itself aside. A new package needs a line, and so a decision."""

PURE_STDLIB = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "operator",
    "struct",
    "types",
    "typing",
    "zlib",
}
"""No clock, no randomness, no input or output, no state of the process."""
PURE_PACKAGES = {"paxos": PURE_STDLIB, "kv": PURE_STDLIB | {"msgpack", "sortedcontainers"}}
SEEDED_RANDOM = ("random", "Random")
"""The one exception: the type of the seeded generator that is passed in."""


def package_of(path: Path) -> str:
    """Return the package of a file under paxoskv/: `kv` for kv/store.py, `errors` for errors.py, `` for __init__.py."""
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imported(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield (line, module, name) of every import anywhere in a module; `name` is empty for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, module, alias.name) for alias in node.names)


def layer_violations(package: str, tree: ast.AST) -> Iterator[str]:
    """Yield imports of ours that do not run downward."""
    if package not in MAY_IMPORT:
        yield f"package {package!r} has no line in MAY_IMPORT"
        return
    for line, module, name in imported(tree):
        if module.startswith("."):
            yield f"line {line}: relative import of {module}{name}: name the package"
        if module.split(".")[0] != "paxoskv":
            continue
        parts = [*module.split(".")[1:], name]  # `from paxoskv import connect`: the name may be a package
        target = parts[0] if parts[0] in MAY_IMPORT or len(parts) > 1 else ""
        if target != package and target not in MAY_IMPORT[package]:
            yield f"line {line}: {package or 'paxoskv'} may not import {target or 'paxoskv'}"


def purity_violations(package: str, tree: ast.AST) -> Iterator[str]:
    """Yield what would make the core depend on more than its arguments."""
    for line, module, name in imported(tree):
        top = module.split(".")[0]
        if top not in PURE_PACKAGES[package] | {"paxoskv"} and (package, module, name) != ("paxos", *SEEDED_RANDOM):
            yield f"line {line}: a pure package may not import {module}.{name}".rstrip(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hash":
            yield f"line {node.lineno}: hash() differs from process to process"
        if isinstance(node, ast.For | ast.comprehension) and is_set(node.iter):
            yield f"line {node.iter.lineno}: the order of a set differs from process to process"


def is_set(expression: ast.expr) -> bool:
    """Say whether an expression is plainly a set: `{a, b}`, `{x for ...}`, `set(...)`, `frozenset(...)`."""
    called = expression.func if isinstance(expression, ast.Call) else None
    return isinstance(expression, ast.Set | ast.SetComp) or (
        isinstance(called, ast.Name) and called.id in {"set", "frozenset"}
    )


def modules() -> list[Path]:
    """Return every module of paxoskv, by path."""
    return sorted(SOURCES.rglob("*.py"))


def test_there_are_modules_to_look_at() -> None:
    assert {"paxos", "net"} <= {package_of(path) for path in modules()}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCES)))
def test_imports_run_downward_only(path: Path) -> None:
    assert list(layer_violations(package_of(path), ast.parse(path.read_bytes()))) == []


@pytest.mark.parametrize(
    "path",
    [path for path in modules() if package_of(path) in PURE_PACKAGES],
    ids=lambda path: str(path.relative_to(SOURCES)),
)
def test_the_core_and_the_state_machine_are_pure(path: Path) -> None:
    """P26: what is applied depends on the log alone; what the core answers, on its arguments alone."""
    assert list(purity_violations(package_of(path), ast.parse(path.read_bytes()))) == []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("paxos", "from paxoskv.kv.store import Store"),
        ("kv", "from paxoskv.paxos.ballot import Ballot"),
        ("kv", "from paxoskv import paxos"),
        ("kv", "from paxoskv import connect"),
        ("kv", "import paxoskv"),
        ("net", "import paxoskv.kv.commands"),
        ("storage", "from paxoskv.net import frames"),
        ("client", "def f():\n    from paxoskv.node.server import serve"),
        ("node", "if TYPE_CHECKING:\n    from paxoskv.client import Client"),
        ("errors", "from paxoskv.kv import replies"),
        ("kv", "from . import store"),
        ("kv", "from ..paxos import ballot"),
        ("attic", "import this"),
        ("kv", "from paxoskv.attic import old"),
    ],
)
def test_the_checker_sees_an_import_that_does_not_run_downward(package: str, source: str) -> None:
    assert list(layer_violations(package, ast.parse(source)))


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("client", "from paxoskv.errors import Unavailable\nfrom paxoskv.client.session import Session"),
        ("cli", "import paxoskv\nfrom paxoskv import connect\nfrom paxoskv.node.config import NodeConfig"),
        ("node", "from paxoskv.paxos.replica import Replica\nimport asyncio"),
        ("", "from paxoskv.client import connect"),
    ],
)
def test_the_checker_lets_downward_imports_pass(package: str, source: str) -> None:
    assert list(layer_violations(package, ast.parse(source))) == []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("paxos", "import time"),
        ("paxos", "def f():\n    import asyncio"),
        ("paxos", "import random"),
        ("paxos", "from random import random"),
        ("kv", "from random import Random"),
        ("kv", "import os.path"),
        ("kv", "from datetime import datetime"),
        ("paxos", "import msgpack"),
        ("kv", "a = hash(key)"),
        ("kv", "for key in {1, 2}: pass"),
        ("kv", "for key in set(keys): pass"),
        ("kv", "out = [key for key in frozenset(keys)]"),
        ("paxos", "for node in {n for n in members}: pass"),
    ],
)
def test_the_checker_sees_what_is_not_pure(package: str, source: str) -> None:
    assert list(purity_violations(package, ast.parse(source)))


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("paxos", "from random import Random\nfrom collections.abc import Iterator"),
        ("kv", "import msgpack\nfrom sortedcontainers import SortedDict"),
        ("kv", "for key in sorted({1, 2}): pass\nfound = key in {1, 2}"),
        ("kv", "digest = self.hash(key)"),
    ],
)
def test_the_checker_lets_what_is_pure_pass(package: str, source: str) -> None:
    assert list(purity_violations(package, ast.parse(source))) == []
