"""Wrong command lines: exit code 2, one line on stderr, with -o json one document, and never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from paxoskv.cli import app, failures
from paxoskv.cli.app import COMMANDS, root
from paxoskv.cli.output import asks_for_json, blob_field, table
from tests.cli.conftest import Call

WRONG = [
    ["put"],
    ["put", "k"],
    ["put", "k", "v", "more"],
    ["put", "k", "v", "--colour"],
    ["get"],
    ["get", "k", "--consistency", "eventual"],
    ["get", "k", "--timeout", "0"],
    ["get", "k", "--timeout", "soon"],
    ["get", "k", "--timeout", "nan"],
    ["get", "k", "--endpoints", ""],
    ["get", "k", "--endpoints", "nowhere"],
    ["get", "k", "--endpoints", "127.0.0.1:70000"],
    ["get", "k", "-o", "yaml"],
    ["delete"],
    ["range"],
    ["range", "p", "--limit", "0"],
    ["cas", "k", "v"],
    ["cas", "k", "v", "--revision", "0"],
    ["put", "k", "v", "--lease", "0"],
    ["put", "k", "v", "--if-absent", "--if-present"],
    ["put", "k", "v", "--lease", "1", "--keep-lease"],
    ["get", "k", "--revision", "0"],
    ["range", "p", "--count", "--limit", "1"],
    ["delete", "k", "--prefix", "--range", "l"],
    ["delete", "k", "--limit", "1"],
    ["compact"],
    ["compact", "0"],
    ["incr"],
    ["incr", "k", "much"],
    ["incr", "k", "1.5"],
    ["incr", "k", str(2**63)],
    ["incr", "k", "--colour"],
    ["append", "k"],
    ["txn", "/nonexistent/file"],
    ["txn", "a", "b"],
    ["watch"],
    ["watch", "k", "--prefix", "--end", "l"],
    ["watch", "k", "--no-put", "--no-delete"],
    ["watch", "k", "--revision", "0"],
    ["lease", "grant"],
    ["lease", "grant", "0"],
    ["lease", "grant", "nan"],
    ["lease", "revoke", "x"],
    ["lease", "explode"],
    ["lock"],
    ["lock", "jobs"],
    ["lock", "--ttl", "0", "jobs", "true"],
    ["lock", "jobs", "--ttl", "5", "true"],
    ["lock", "jobs", "--"],
    ["elect"],
    ["elect", "jobs"],
    ["elect", "--listen", "jobs", "value"],
    ["shell", "extra"],
    ["status", "extra"],
    ["status", "--endpoints", ":"],
    ["bench"],
    ["bench", "--op", "delete"],
    ["bench", "--op", "put", "--clients", "0"],
    ["bench", "--op", "put", "--seconds", "nan"],
    ["bench", "--op", "put", "--value-size", "-1"],
    ["bench", "--op", "put", "--endpoints", "x"],
    ["node"],
    ["node", "--node", "1"],
    ["node", "--config", "/nonexistent/node.toml"],
    ["node", "--node", "1", "--dir", "d", "--cluster", "1=0.0.0.0:7401"],
    ["node", "--nod", "1"],
    ["cluster"],
    ["cluster", "explode"],
    ["cluster", "up", "--nodes", "0"],
    ["cluster", "up", "--nodes", "10"],
    ["cluster", "up", "--base-port", "80"],
    ["cluster", "up", "--nodes", "3", "--phase2-quorum", "4", "--dir", "DIR/new"],
    ["cluster", "status", "--dir", "DIR"],
    ["cluster", "kill", "--dir", "DIR"],
    ["cluster", "kill", "1", "--dir", "DIR"],
    ["cluster", "kill", "x", "--dir", "DIR"],
    ["cluster", "start", "0", "--dir", "DIR"],
    ["cluster", "pause", "1", "--dir", "DIR"],
    ["cluster", "resume", "1", "--dir", "DIR"],
    ["cluster", "down", "--dir", "DIR", "--wipe"],
    ["frobnicate"],
    [],
]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(call: Call, tmp_path: Path, arguments: list[str]) -> None:
    outcome = call(*(argument.replace("DIR", str(tmp_path)) for argument in arguments))
    assert outcome.code == 2, outcome
    assert outcome.out == b""
    assert "Traceback" not in outcome.err
    if arguments not in ([], ["cluster"]):  # these show the help
        assert outcome.err.startswith("paxoskv: ")
        assert outcome.err.count("\n") == 1


WRONG_WHATEVER_THE_FORM = [line for line in WRONG if line and line != ["cluster"] and "-o" not in line]


@pytest.mark.parametrize("arguments", WRONG_WHATEVER_THE_FORM, ids=" ".join)
def test_in_json_the_error_is_exactly_one_document(call: Call, tmp_path: Path, arguments: list[str]) -> None:
    outcome = call("-o", "json", *(argument.replace("DIR", str(tmp_path)) for argument in arguments))
    assert outcome.code == 2
    assert outcome.document.keys() == {"error", "code"}
    assert outcome.document["code"] in ("usage", "bad_request")
    assert f"paxoskv: {outcome.document['error']}\n" == outcome.err


@pytest.mark.parametrize("verb", [[], *([verb] for verb in COMMANDS), ["cluster", "up"], ["cluster", "down"]])
def test_every_command_has_help(call: Call, verb: list[str]) -> None:
    outcome = call(*verb, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(b"Usage: paxoskv")


def test_the_version_is_told(call: Call) -> None:
    outcome = call("--version")
    assert outcome.code == 0
    assert outcome.out.startswith(b"paxoskv ")


def test_every_verb_is_listed_and_there(call: Call) -> None:
    context = click.Context(root)
    for verb in root.list_commands(context):
        assert root.get_command(context, verb) is not None, verb
    assert root.get_command(context, "frobnicate") is None


def test_an_unforeseen_error_is_called_a_bug(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(endpoints: str) -> None:
        raise ZeroDivisionError("made\nup")

    monkeypatch.setattr("paxoskv.cli.status.parse_endpoints", fail)
    outcome = call("status", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (failures.BUG, "internal")
    assert "ZeroDivisionError: made up: this is a bug" in outcome.err
    assert "Traceback" not in outcome.err


def test_the_traceback_can_be_asked_for(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failures.TRACEBACK_VARIABLE, "1")
    assert "Traceback" in call("get", "k", "--endpoints", "x").err


def test_ctrl_c_is_no_error_message(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(endpoints: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("paxoskv.cli.status.parse_endpoints", interrupt)
    outcome = call("status")
    assert (outcome.code, outcome.out, outcome.err.strip()) == (failures.INTERRUPTED, b"", "")


def test_a_reader_that_leaves_early_is_no_error_message() -> None:
    """`paxoskv range x | head -1`: the pipe closes while there is more to print."""
    command = [sys.executable, "-m", "paxoskv", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() != 0


@pytest.mark.parametrize("arguments", [["put", "k", "-"], ["append", "k", "-"], ["txn"], ["txn", "-i"], ["shell"]])
def test_a_closed_standard_input_is_a_usage_error(
    call: Call, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    outcome = call(*arguments)
    assert (outcome.code, outcome.out) == (2, b"")
    assert "Standard input is closed" in outcome.err


def test_a_get_does_not_import_the_server() -> None:
    """Starting a command is quick because it loads only what it needs."""
    program = (
        "import sys; from paxoskv.cli import app\n"
        "app.run(['get', 'k', '--endpoints', '127.0.0.1:1', '--timeout', '0.1'])\n"
        "print([m for m in ('uvloop', 'aiosqlite', 'paxoskv.node.server', 'paxoskv.storage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["get", "k", "-o", "json"], True),
        (["get", "k", "--output", "json"], True),
        (["-ojson", "get", "k"], True),
        (["--output=json"], True),
        (["get", "k", "-o", "text"], False),
        (["get", "k", "-o"], False),
        (["put", "--", "-o", "json"], False),
        ([], False),
    ],
)
def test_the_wish_for_json_is_read_from_any_command_line(arguments: list[str], answer: bool) -> None:
    assert asks_for_json(arguments) is answer


def test_a_table_is_aligned() -> None:
    assert table([["A", "LONG"], ["wider", "x"]]) == "A      LONG\nwider  x"


def test_a_blob_is_text_if_it_can_be() -> None:
    assert blob_field("key", "ä".encode()) == {"key": "ä"}
    assert blob_field("key", b"\xff") == {"key_base64": "/w=="}
    assert json.dumps(blob_field("key", b"\x00")) == '{"key": "\\u0000"}'


def test_main_leaves_with_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["paxoskv", "frobnicate"])
    with pytest.raises(SystemExit) as raised:
        app.main()
    assert raised.value.code == 2
