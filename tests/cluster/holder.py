"""A program that holds something of a cluster, to be paused and killed: `python -m tests.cluster.holder ...`.

It enters the recipe, says `held`, and answers each line that it reads:

    state          held or lost, by its own judgement
    write VALUE    writes VALUE under the guard of what it holds; done or refused
    leave          leaves; left or lost, and ends
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from typing import Any

import paxoskv
from paxoskv import ops

KEY = "written"
LINE_S_MAX = 60.0


async def main(endpoints: str, kind: str, name: str, ttl_s: float) -> None:
    """Hold something until told otherwise."""
    loop = asyncio.get_running_loop()
    async with paxoskv.connect(endpoints, timeout_s=30.0) as kv:
        held = make(kv, kind, name, ttl_s)
        await held.__aenter__()
        say("held")
        while line := (await loop.run_in_executor(None, sys.stdin.readline)).split():
            if line[0] == "leave":
                say(await left(held))
                return
            say(await write(kv, held, line[1]) if line[0] == "write" else state(held))


def make(kv: paxoskv.Client, kind: str, name: str, ttl_s: float) -> Any:
    """Return the recipe, not entered."""
    match kind:
        case "lock":
            return paxoskv.Lock(kv, name, ttl_s=ttl_s)
        case "rwlock":
            return paxoskv.RWLock(kv, name, ttl_s=ttl_s).write()
        case "semaphore":
            return paxoskv.Semaphore(kv, name, 1, ttl_s=ttl_s)
        case "election":
            return paxoskv.Election(kv, name, value="holder", ttl_s=ttl_s)
        case "barrier":
            return paxoskv.Barrier(kv, name, 2, ttl_s=ttl_s)
        case "queue":
            return paxoskv.Queue(kv, name, ttl_s=ttl_s).claim()
        case _:
            return paxoskv.Registration(kv, name, "holder", ttl_s=ttl_s)


def say(word: str) -> None:
    """Answer."""
    print(word, flush=True)  # noqa: T201


def state(held: Any) -> str:
    """Return what the holder believes."""
    return "lost" if getattr(held, "is_lost", False) else "held"


async def write(kv: paxoskv.Client, held: Any, value: str) -> str:
    """Write under the guard."""
    done = await kv.txn(compare=[held.guard], then=[ops.put(KEY, value)])
    return "done" if done.succeeded else "refused"


async def left(held: Any) -> str:
    """Leave."""
    try:
        await held.__aexit__(None, None, None)
    except paxoskv.LeaseLost:
        return "lost"
    return "left"


class Holder:
    """Such a program, as a test handles it: `async with Holder(...) as holder`. It has entered then."""

    def __init__(self, endpoints: str, kind: str, name: str, ttl_s: float) -> None:
        self._arguments = [endpoints, kind, name, str(ttl_s)]
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Holder:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.cluster.holder",
            *self._arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()

    async def hears(self) -> str:
        """Return the next word that it says."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LINE_S_MAX):
            return (await self._process.stdout.readline()).decode().strip()

    async def asked(self, *words: str) -> str:
        """Say something to it and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write((" ".join(words) + "\n").encode())
        await self._process.stdin.drain()
        return await self.hears()

    def pause(self) -> None:
        """Let it stand still."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Let it die."""
        self._process.kill()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
