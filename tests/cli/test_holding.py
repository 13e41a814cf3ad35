"""lock and elect: what runs while it is held, what it is told, and that nothing stays held (P27)."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from paxoskv.cli import failures
from paxoskv.cli.child import NOT_EXECUTABLE, NOT_FOUND
from tests.cli.conftest import PATIENCE_S, Process, Shell, Spawn, ending, line
from tests.support import eventually

PRINTING = "import os; print(*(os.environ['PAXOSKV_LOCK_' + name] for name in ('NAME', 'KEY', 'TOKEN')))"
WAITING = """
import signal, sys
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: sys.exit(40 + number))
print("started", flush=True)
signal.pause()
"""
"""Leaves with exit code 40 + the number of the signal that it gets."""


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def is_free(shell: Shell, name: bytes = b"jobs") -> bool:
    """Whether nobody holds or waits for anything called `name`."""
    return not shell.keys(name)


async def started(process: Process) -> None:
    assert await line(process) == b"started\n"


async def test_the_command_finds_its_token_and_its_exit_code_is_ours(shell: Shell, spawn: Spawn) -> None:
    first = await spawn("lock", "jobs", *python(PRINTING + "; exit(7)"))
    code, out, err = await ending(first)
    assert (code, err) == (7, "")
    name, key, token = out.split()
    assert (name, int(token)) == (b"jobs", 1)
    assert key.startswith(b"jobs/.lock/")
    assert is_free(shell)


async def test_a_later_holder_has_a_larger_token(spawn: Spawn) -> None:
    tokens = []
    for _ in range(2):
        _, out, _ = await ending(await spawn("lock", "jobs", *python(PRINTING)))
        tokens.append(int(out.split()[2]))
    assert tokens[0] < tokens[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 55), (signal.SIGINT, 42)])
async def test_a_signal_reaches_the_command_and_the_lock_is_released(
    shell: Shell, spawn: Spawn, number: signal.Signals, code: int
) -> None:
    locked = await spawn("lock", "jobs", *python(WAITING))
    await started(locked)
    assert not is_free(shell)
    locked.send_signal(number)
    assert (await ending(locked))[0] == code
    assert is_free(shell)


async def test_who_waits_leaves_the_line_when_told_to_end(shell: Shell, spawn: Spawn) -> None:
    holder = await spawn("lock", "jobs", *python(WAITING))
    await started(holder)
    waiting = await spawn("lock", "jobs", *python(WAITING))
    await eventually(lambda: len(shell.keys(b"jobs")) == 2, PATIENCE_S)
    waiting.send_signal(signal.SIGTERM)
    assert (await ending(waiting))[0] == failures.INTERRUPTED
    assert len(shell.keys(b"jobs")) == 1


async def test_a_lock_goes_to_who_waits(shell: Shell, spawn: Spawn) -> None:
    holder = await spawn("lock", "jobs", *python(WAITING))
    await started(holder)
    waiting = await spawn("lock", "jobs", *python("print('mine')"))
    await eventually(lambda: len(shell.keys(b"jobs")) == 2, PATIENCE_S)
    holder.send_signal(signal.SIGTERM)
    assert await ending(waiting) == (0, b"mine\n", "")


async def test_waiting_has_an_end(spawn: Spawn) -> None:
    holder = await spawn("lock", "jobs", *python(WAITING))
    await started(holder)
    code, out, err = await ending(await spawn("-o", "json", "lock", "--wait", "0.2", "jobs", "true"))
    assert (code, json.loads(out)["code"]) == (1, "not_acquired")
    assert "'jobs' is held by somebody else" in err


async def test_a_lock_that_is_lost_ends_the_command(shell: Shell, spawn: Spawn) -> None:
    """P27: the holder cannot be sure any more, so its command is told; the exit code says that all is in doubt."""
    locked = await spawn("lock", "--ttl", "1.5", "jobs", *python(WAITING))
    await started(locked)
    shell.nodes[0].store.pass_time(60)
    code, _, err = await ending(locked)
    assert code == failures.OUTCOME_UNKNOWN
    assert "lost" in err


@pytest.mark.parametrize(("command", "code"), [("no-such-command-at-all", NOT_FOUND), ("/", NOT_EXECUTABLE)])
async def test_what_cannot_be_run_has_the_codes_of_a_shell(shell: Shell, spawn: Spawn, command: str, code: int) -> None:
    assert (await ending(await spawn("lock", "jobs", command)))[0] == code
    assert is_free(shell)


async def test_a_command_killed_by_a_signal_has_the_code_of_a_shell(spawn: Spawn) -> None:
    code, _, _ = await ending(await spawn("lock", "jobs", "sh", "-c", "kill -9 $$"))
    assert code == 128 + signal.SIGKILL


async def test_a_candidate_says_that_it_leads_and_resigns(shell: Shell, spawn: Spawn) -> None:
    leading = await spawn("elect", "jobs", "host7", "-o", "json")
    elected = json.loads(await line(leading))
    assert (elected["value"], elected["token"]) == ("host7", 1)
    listening = await spawn("elect", "--listen", "jobs", "-o", "json")
    assert json.loads(await line(listening))["leader"]["value"] == "host7"
    leading.send_signal(signal.SIGTERM)
    assert (await ending(leading))[0] == failures.INTERRUPTED
    assert json.loads(await line(listening)) == {"leader": None}
    assert is_free(shell)


async def test_a_leader_runs_a_command(spawn: Spawn) -> None:
    assert await ending(await spawn("elect", "jobs", "host7", "--", *python("print('leading')"))) == (
        0,
        b"leading\n",
        "",
    )


async def test_a_lost_leadership_is_told(shell: Shell, spawn: Spawn) -> None:
    leading = await spawn("elect", "--ttl", "1.5", "jobs", "host7")
    assert await line(leading) == b"elected, token 1\n"
    shell.nodes[0].store.pass_time(60)
    assert (await ending(leading))[0] == failures.OUTCOME_UNKNOWN
