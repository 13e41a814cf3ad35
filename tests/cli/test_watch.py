"""watch: what it tells, where it begins, and the commands that it runs."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, Shell, Spawn, ending, line
from tests.support import eventually


async def watching(shell: Shell, *arguments: str) -> asyncio.Task[Outcome]:
    """Begin to watch, in JSON if asked for; return when the watch stands."""
    task = asyncio.create_task(shell("watch", *arguments, timeout_s=60))
    await eventually(lambda: any(node.received("watch") for node in shell.nodes))
    return task


async def test_changes_are_told_in_order(shell: Shell) -> None:
    watch = await watching(shell, "w/", "--prefix", "--limit", "2")
    shell.seed({b"other": b"", b"w/b": b"1", b"w/a": b"2"})
    told = await watch
    assert (told.code, told.out) == (0, b"PUT\tw/b\t1\nPUT\tw/a\t2\n")
    assert told.err == "paxoskv: watching from revision 1\n"


async def test_json_is_one_document_a_line(shell: Shell) -> None:
    shell.seed({b"k": b"1"})
    watch = await watching(shell, "k", "--previous", "--limit", "2", "-o", "json")
    shell.seed({b"k": b"2"})
    shell.delete(b"k")
    put, delete = map(json.loads, (await watch).out.splitlines())
    assert (put["type"], put["key"], put["value"], put["create"], put["revision"]) == ("put", "k", "2", False, 2)
    assert put["previous"]["value"] == "1"
    assert (delete["type"], delete["key"], delete["previous"]["value"]) == ("delete", "k", "2")
    assert delete.keys() == {"type", "key", "previous", "create", "revision"}


async def test_the_past_is_told_first(shell: Shell) -> None:
    shell.seed({b"a": b"1", b"b": b"2", b"c": b"3"})
    told = await shell("watch", "a", "--end", "c", "--revision", "2", "--limit", "1")
    assert told.out == b"PUT\tb\t2\n"
    assert "from revision 2" in told.err


async def test_kinds_of_changes_can_be_left_out(shell: Shell) -> None:
    shell.seed({b"k": b"1"})
    shell.delete(b"k")
    assert (await shell("watch", "k", "--revision", "1", "--no-put", "--limit", "1")).out == b"DELETE\tk\n"
    both = await shell("watch", "k", "--no-put", "--no-delete")
    assert (both.code, both.out) == (2, b"")


async def test_what_is_compacted_ends_a_watch(shell: Shell) -> None:
    shell.seed({b"a": b"1", b"b": b"2"})
    await shell("compact", "2")
    outcome = await shell("watch", "a", "--revision", "1", "-o", "json")
    assert (outcome.code, outcome.document["code"]) == (1, "compacted")


async def test_a_command_finds_value_and_key(shell: Shell, tmp_path: Path) -> None:
    shell.seed({b"k": b"\x00v\n"})
    shell.delete(b"k")
    command = f'cat >> {tmp_path}/values; echo "$PAXOSKV_WATCH_TYPE $PAXOSKV_WATCH_KEY $PAXOSKV_WATCH_REVISION"'
    told = await shell("watch", "k", "--revision", "1", "--limit", "2", "--exec", command)
    assert told.out == b"PUT\tk\t\x00v\n\nput k 1\nDELETE\tk\ndelete k 2\n"
    assert (tmp_path / "values").read_bytes() == b"\x00v\n"


async def test_a_key_that_no_variable_can_hold_is_not_told(shell: Shell) -> None:
    shell.seed({b"k\0": b"v"})
    command = 'echo "key: ${PAXOSKV_WATCH_KEY-none}"'
    told = await shell("watch", "k", "--prefix", "--revision", "1", "--limit", "1", "--exec", command)
    assert told.out.splitlines()[-1] == b"key: none"


@pytest.mark.parametrize(("command", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("no-such-command-at-all", 127)])
async def test_a_command_that_fails_ends_the_watch(shell: Shell, command: str, code: int) -> None:
    shell.seed({b"k": b"v"})
    outcome = await shell("watch", "k", "--revision", "1", "--exec", command)
    assert outcome.code == code
    assert "failed for revision 1: the watch ends" in outcome.err


async def test_a_line_is_printed_at_once(shell: Shell, spawn: Spawn) -> None:
    shell.seed({b"k": b"v"})
    watch = await spawn("watch", "k", "--revision", "1")
    assert await line(watch) == b"PUT\tk\tv\n"
    watch.send_signal(signal.SIGTERM)
    assert (await ending(watch))[0] == -signal.SIGTERM
