"""txn: from a file, from standard input, line by line; what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, feed

TEXT = b"""
if
  version(jobs/7) = 0
then
  put jobs/7 "to do"
  incr counter 2
  append log "7;"
  delete old/ --prefix
  get jobs/7
else
  get jobs/7
  range jobs/
"""


async def test_a_text_on_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.seed({b"old/1": b"", b"old/2": b""})
    feed(monkeypatch, TEXT)
    done = await shell("txn")
    assert done.code == 0
    assert done.out.splitlines() == [
        b"SUCCESS, revision 3",
        b"put: ok",
        b"incr: 2",
        b"append: 2",
        b"delete: 2",
        b"get: to do",
    ]
    assert (shell.value(b"log"), shell.value(b"old/1")) == (b"7;", None)


async def test_a_compare_that_does_not_hold_is_exit_code_1(shell: Shell, tmp_path: Path) -> None:
    shell.seed({b"jobs/7": b"done"})
    file = tmp_path / "claim.txn"
    file.write_bytes(TEXT)
    done = await shell("txn", str(file))
    assert (done.code, done.out) == (1, b"FAILURE, revision 1\nget: done\nrange: 1\n  jobs/7\tdone\n")
    assert "not all that was compared held" in done.err
    assert shell.value(b"log") is None


async def test_results_as_json(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "claim.json"
    inner = {"op": "txn", "compare": [{"target": "absent", "key": "k"}], "else": [{"op": "get", "key": "k"}]}
    operations = [
        {"op": "put", "key": "k", "value": "v", "if_absent": True},
        {"op": "get", "key": "none"},
        {"op": "incr", "key": "n"},
        {"op": "append", "key": "s", "text": "ab"},
        {"op": "delete", "key": "n"},
        {"op": "delete", "prefix": "s", "previous": True},
        {"op": "range", "prefix": "", "keys_only": True},
        inner,
    ]
    file.write_text(json.dumps({"then": operations}))
    document = (await shell("txn", str(file), "-o", "json")).document
    put, get, incr, append, one, several, found, nested = document["results"]
    assert (document["succeeded"], document["revision"]) == (True, 1)
    assert put == {"op": "put", "written": True, "previous": None}
    assert get == {"op": "get", "entry": None}
    assert incr == {"op": "incr", "value": 1}
    assert append == {"op": "append", "size_bytes": 2}
    assert one == {"op": "delete", "deleted": 1}
    assert (several["deleted"], several["previous"][0]["value"]) == (1, "ab")
    assert (found["count"], found["more"], found["entries"][0]["key"]) == (1, False, "k")
    assert nested == {"op": "txn", "succeeded": True, "results": []}


async def test_a_refused_operation_is_named_and_nothing_happens(shell: Shell, tmp_path: Path) -> None:
    shell.seed({b"n": b"text"})
    file = tmp_path / "refused"
    file.write_text("then\nput k v\nincr n\n")
    outcome = await shell("txn", str(file), "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (1, "not_a_number")
    assert "operation 1 of the transaction" in outcome.err
    assert shell.value(b"k") is None


async def test_on_a_terminal_it_asks_line_by_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"version(k) = 0\n\nputt k v\nput k v\n\n", is_terminal=True)
    done = await shell("txn")
    assert (done.code, done.out) == (0, b"SUCCESS, revision 1\nput: ok\n")
    asked = done.err.splitlines()
    assert [line.split(":")[0] for line in asked] == ["if", "then", "paxoskv", "else"]
    assert "there is no operation 'putt'" in asked[2]


async def test_without_a_terminal_a_wrong_line_ends_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"\nputt k v\n")
    outcome = await shell("txn", "-i", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (2, "bad_request")


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "the transaction is empty"), (b"then\nput k", "line 2"), (b"{}", "is empty")]
)
async def test_what_is_no_transaction_is_a_bad_request(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    feed(monkeypatch, data)
    outcome = await shell("txn", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (2, "bad_request")
    assert message in outcome.err


async def test_files_that_are_not_there_or_too_long(shell: Shell, tmp_path: Path) -> None:
    missing = await shell("txn", str(tmp_path / "none"))
    assert (missing.code, missing.err.count("\n")) == (2, 1)
    long = tmp_path / "long"
    long.write_bytes(bytes(3_000_000))
    outcome = await shell("txn", str(long), "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (2, "too_large")
