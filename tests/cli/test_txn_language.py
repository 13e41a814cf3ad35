"""The language of transactions, and its JSON: what is understood, and what is refused with the place of the fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.cli.txn import document, text, words
from paxoskv.cli.txn.plan import Plan
from paxoskv.errors import BadRequest
from paxoskv.kv import operations


def sent(plan: Plan) -> list[list[Any]]:
    """Return compares and both branches as they travel."""
    return [
        [compare.encode(b"") for compare in plan.compare],
        *([step.operation.encode(b"") for step in branch] for branch in (plan.then, plan.otherwise)),
    ]


COMPARES: list[tuple[str, operations.Compare]] = [
    ('value("k") = "v w"', operations.compare(operations.VALUE, operations.EQUAL, b"k", b"v w")),
    ("val(k)!=v", operations.compare(operations.VALUE, operations.NOT_EQUAL, b"k", b"v")),
    ('version ( "k" ) < 3', operations.compare(operations.VERSION, operations.LESS, b"k", 3)),
    ('ver("k") > "3"', operations.compare(operations.VERSION, operations.GREATER, b"k", 3)),
    ('c("k") = 3', operations.compare(operations.CREATED, operations.EQUAL, b"k", 3)),
    ('create("k") = 3', operations.compare(operations.CREATED, operations.EQUAL, b"k", 3)),
    ('mod("(=k") = 3', operations.compare(operations.MODIFIED, operations.EQUAL, b"(=k", 3)),
    ('lease("k") = 3', operations.compare(operations.LEASE, operations.EQUAL, b"k", 3)),
    ('absent("k")', operations.compare(operations.ABSENT, operations.EQUAL, b"k", None)),
    ("present('k')", operations.compare(operations.ABSENT, operations.NOT_EQUAL, b"k", None)),
    ("absent(k --prefix)", operations.compare(operations.ABSENT, operations.EQUAL, b"k", None, b"l")),
    ('version(a --end "c") = 1', operations.compare(operations.VERSION, operations.EQUAL, b"a", 1, b"c")),
]

OPERATIONS: list[tuple[str, operations.Operation]] = [
    ("put k v", operations.put(b"k", b"v")),
    ("put k v --lease 7", operations.put(b"k", b"v", 7)),
    ("put --if-absent k v", operations.put_with(b"k", b"v", 0, operations.IF_ABSENT)),
    ("put -- --if-absent v", operations.put(b"--if-absent", b"v")),
    ('put "--if-absent" v', operations.put(b"--if-absent", b"v")),
    ("get k  # why", operations.get(b"k")),
    ("delete k", operations.delete(b"k")),
    ("del k", operations.delete(b"k")),
    ("delete k --previous", operations.delete_range(b"k", b"k\0", 0, operations.PREVIOUS)),
    ("delete k --prefix --limit 2", operations.delete_range(b"k", b"l", 2)),
    ("delete a --range c", operations.delete_range(b"a", b"c")),
    ("range k", operations.read_range(b"k", b"l")),
    ("range k --end z --descending", operations.read_range(b"k", b"z", 0, operations.DESCENDING)),
    ("range k --count", operations.read_range(b"k", b"l", 0, operations.COUNT_ONLY)),
    ("incr k", operations.incr(b"k", 1)),
    ("incr k -5", operations.incr(b"k", -5)),
    (r'append k "\x41\n\"\\"', operations.append(b"k", b'A\n"\\')),
    (r"append k '\x41 #'", operations.append(b"k", rb"\x41 #")),
]


@pytest.mark.parametrize(("line", "compare"), COMPARES, ids=[line for line, _ in COMPARES])
def test_a_compare(line: str, compare: operations.Compare) -> None:
    assert sent(text.parse(line.encode())) == [[compare], [], []]


@pytest.mark.parametrize(("line", "operation"), OPERATIONS, ids=[line for line, _ in OPERATIONS])
def test_an_operation(line: str, operation: operations.Operation) -> None:
    assert sent(text.parse(f"then\n{line}\n".encode())) == [[], [operation], []]


def test_headings_and_empty_lines_end_sections_alike() -> None:
    headed = text.parse(b"if:\n\n  version(a) = 0\n\n# none\nthen\n  put a 1\n  put b 1\nelse\n\n  get a\n")
    spaced = text.parse(b'ver("a") = "0"\n\nput a 1\nput b 1\n\nget a\n\n')
    assert sent(headed) == sent(spaced)
    assert [len(part) for part in sent(headed)] == [1, 2, 1]


WRONG_LINES = [
    ("then\nput k", "line 2: put needs its value"),
    ("then\nput k v w", "line 2: 'w' is too much"),
    ("then\nput k v --leese 7", "line 2: there is no option '--leese' here"),
    ("then\nput k v --lease", "'--lease' needs a value"),
    ("then\nput k v --lease x", "'x' is not a number"),
    ("then\nput '' v", "line 2: the key is empty"),
    ("then\nincr k much", "'much' is not a number"),
    ("then\nfrobnicate k", "there is no operation 'frobnicate': choose put"),
    ('then\nput k "v', "a quote is opened and never closed"),
    (r'then\nput k "\q"'.replace(r"\n", "\n"), r"line 2: \q is no escape"),
    ("then\ndelete a --prefix --end c", "--prefix or --end, not both"),
    ("then\ndelete", "name what to delete"),
    ("else\nget k\nthen\nget k", "line 3: the sections are if, then, else"),
    ("then\nthen", "line 2: the sections are"),
    ("put k v", "line 1: a compare looks like"),
    ("version(k) = x", "'x' is not a number"),
    ("version(k) == 1", "a compare ends with a relation"),
    ("version(k)", "version is compared by =, !=, < or >"),
    ("absent(k) = 1", "absent is all"),
    ("version() = 1", "a compare looks like"),
    ("ab(k) = 1", "a compare looks like"),
    ("\n\n\nget k", "line 4: a transaction has three sections"),
]


@pytest.mark.parametrize(("given", "message"), WRONG_LINES, ids=[line for line, _ in WRONG_LINES])
def test_a_wrong_line_is_named(given: str, message: str) -> None:
    with pytest.raises(BadRequest) as error:
        text.parse(given.encode())
    assert message in str(error.value)


@given(st.binary())
def test_any_line_has_words_or_an_explanation(line: bytes) -> None:
    """H1: input from anywhere is understood or refused, never a bug."""
    for punctuated in (False, True):
        try:
            words.split(line, punctuated=punctuated)
        except BadRequest as error:
            assert str(error)  # noqa: PT017 - the other outcome


@given(st.binary())
def test_any_bytes_can_be_quoted(data: bytes) -> None:
    quoted = b'"' + b"".join(b"\\x%02x" % byte for byte in data) + b'"'
    assert words.split(quoted) == [words.Word(data, True)]


def test_a_document_says_the_same_as_a_text() -> None:
    lines = text.parse(
        b"version(k)=0\nabsent(p --prefix)\n\nput k v --previous\n\nrange a --end c --keys-only\nincr n 2\n"
    )
    given = {
        "compare": [
            {"target": "version", "key": "k", "relation": "=", "operand": 0},
            {"target": "absent", "prefix": "p"},
        ],
        "then": [{"op": "put", "key_base64": "aw==", "value": "v", "previous": True}],
        "else": [{"op": "range", "start": "a", "end": "c", "keys_only": True}, {"op": "incr", "key": "n", "by": 2}],
    }
    assert sent(document.parse(json.dumps(given).encode())) == sent(lines)


def test_a_document_may_nest() -> None:
    inner = {"compare": [{"target": "value", "key": "k", "relation": "=", "operand": "v"}], "then": []}
    (step,) = document.parse(json.dumps({"then": [{"op": "txn", **inner}]}).encode()).then
    assert step.op == "txn"
    assert step.plan is not None
    assert sent(step.plan)[0] == [operations.compare(operations.VALUE, operations.EQUAL, b"k", b"v")]


def nested(depth: int) -> dict[str, Any]:
    return {"then": [{"op": "txn", **nested(depth - 1)}]} if depth else {}


WRONG_DOCUMENTS: list[tuple[str, str]] = [
    ("{", "the transaction is no JSON document"),
    ('{"a": ' * 100_000, "the transaction is no JSON document"),
    ('{"than": []}', "a transaction is an object with compare, then and else"),
    ('{"then": {}}', "then is a list of objects"),
    ('{"then": [1]}', "then is a list of objects"),
    ('{"then": [{}]}', "then[0]: op is one of put"),
    ('{"then": [{"op": ["put"]}]}', "then[0]: op is one of put"),
    ('{"then": [{"op": "put", "key": "k"}]}', "then[0]: put needs its value"),
    ('{"then": [{"op": "put", "key": "k", "value": 7}]}', "then[0]: value is text"),
    ('{"then": [{"op": "put", "key": "k", "value": "v", "lease": true}]}', "lease is a number"),
    ('{"then": [{"op": "incr", "key": "k", "by": 1.5}]}', "by is a number"),
    ('{"then": [{"op": "get", "key": "k", "key_base64": "aw=="}]}', "is there twice"),
    ('{"then": [{"op": "get", "key_base64": "?"}]}', "is not base64"),
    ('{"then": [{"op": "get", "key": "\\ud800"}]}', "give what is no text as base64"),
    ('{"then": [{"op": "delete", "key": "k", "prefix": "k"}]}', "goes with no other field than previous"),
    ('{"then": [{"op": "delete"}]}', "name what to delete"),
    ('{"else": [{"op": "get", "key": "k", "colour": "red"}]}', "else[0]: field 'colour' does not belong here"),
    ('{"compare": [{"target": "size", "key": "k"}]}', "compare[0]: target is one of value"),
    ('{"compare": [{"target": "absent"}]}', "a compare needs a key"),
    ('{"compare": [{"target": "absent", "key": "k", "prefix": "k"}]}', "not several of them"),
    ('{"compare": [{"target": "value", "key": "k", "relation": "~", "operand": "v"}]}', "compared by =, !=, < or >"),
    (json.dumps(nested(100)), "nested too deeply"),
]


@pytest.mark.parametrize(("given", "message"), WRONG_DOCUMENTS, ids=[given[:60] for given, _ in WRONG_DOCUMENTS])
def test_a_wrong_document_is_explained(given: str, message: str) -> None:
    with pytest.raises(BadRequest) as error:
        document.parse(given.encode())
    assert message in str(error.value)
