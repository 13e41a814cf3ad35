"""A command that runs while something is held: started, told when that is lost or we are asked to stop, waited for."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from paxoskv.cli.failures import Failure
from paxoskv.cli.looping import take_sigterm_for_interrupt

GRACE_S = 10.0
"""From SIGTERM to SIGKILL."""

NOT_EXECUTABLE = 126
NOT_FOUND = 127


async def run_child(command: Sequence[str], variables: Mapping[str, str], lost: asyncio.Event) -> int:
    """Run `command` to its end and return its exit code as a shell does: 128 + N if signal N ended it.

    variables: added to its environment. lost: once set, the command gets SIGTERM, and `GRACE_S` later SIGKILL.
    SIGTERM to us does the same. Ctrl-C is the command's own business: it has got the signal from the terminal, or gets
    it from us if there is none, and we wait for what it makes of it. To be called in a loop of `run_loop`.
    Raises: Failure if it cannot be started.
    """
    process = await _start(command, {**os.environ, **variables})
    try:
        with _signals(process) as asked:
            code = await _ended(process, lost, asked)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return code if code >= 0 else 128 - code


async def _start(command: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(*command, env=environment)
    except FileNotFoundError:
        raise Failure(NOT_FOUND, "command_not_found", f"there is no command {command[0]!r}") from None
    except OSError as error:
        raise Failure(NOT_EXECUTABLE, "command_not_executable", f"{command[0]!r} cannot be run: {error}") from None


async def _ended(process: asyncio.subprocess.Process, *reasons: asyncio.Event) -> int:
    """Wait until a process ends by itself, or make it end for one of the reasons; return its return code."""
    ended = asyncio.create_task(process.wait())
    told = [asyncio.create_task(reason.wait()) for reason in reasons]
    try:
        await asyncio.wait([ended, *told], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            await _end(process)
        return await ended
    finally:
        for task in (ended, *told):
            task.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, and make it end when it does not."""
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(GRACE_S):
                await process.wait()
        except TimeoutError:
            process.kill()


@contextmanager
def _signals(process: asyncio.subprocess.Process) -> Iterator[asyncio.Event]:
    """While the command runs, SIGTERM sets the event that this returns, and SIGINT is left to the command."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt() -> None:
        if not _has_terminal():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)

    loop.add_signal_handler(signal.SIGTERM, asked.set)
    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        yield asked
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
        take_sigterm_for_interrupt()


def _has_terminal() -> bool:
    """Whether we run in the foreground of a terminal, which sends Ctrl-C to us and to the command alike."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
