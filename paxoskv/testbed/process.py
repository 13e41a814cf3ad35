"""One node as a process of its own: started, signalled, watched, and its output collected."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from paxoskv.node.config import settings

PIPE_BYTES = 4096
"""Size of the pipe that takes a node's output, as small as the system allows: it fills when nobody reads."""

_READ_BYTES = 1 << 16
_TAIL_BYTES = 4096
_TAIL_LINES = 4
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)


class NodeProcess:
    """A node that was started and may have ended. Made by `start`; `dispose` when nothing more is wanted of it.

    exit_code: negative for a signal, None while it runs.
    """

    def __init__(self, process: asyncio.subprocess.Process, log: Path, output: int) -> None:
        self._process = process
        self._log = log
        self._log_offset = log.stat().st_size if log.exists() else 0
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._is_disposed = False
        self.read_output()

    @classmethod
    async def start(cls, arguments: list[str], environment: Mapping[str, str], log: Path) -> NodeProcess:
        """Run `paxoskv node` with `arguments`, in a session of its own so that Ctrl-C does not reach it."""
        output, write_end = os.pipe()
        os.set_blocking(output, False)
        if _SET_PIPE_SIZE is not None:
            fcntl.fcntl(output, _SET_PIPE_SIZE, PIPE_BYTES)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "paxoskv",
                "node",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                env={**_own_environment(), **environment},
                start_new_session=True,
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(write_end)
        return cls(process, log, output)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended."""
        return self._process.returncode

    @property
    def runs(self) -> bool:
        """Whether it has not ended; a paused process runs."""
        return self._process.returncode is None

    def send(self, number: signal.Signals) -> None:
        """Signal it; nothing if it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self, timeout_s: float | None = None) -> int:
        """Return its exit code. Raises: TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self._process.wait()

    async def kill(self) -> None:
        """Kill it and wait until it is gone."""
        self.send(signal.SIGKILL)
        await self._process.wait()

    def read_output(self) -> None:
        """Move what it says to its log, from now on."""
        self._loop.add_reader(self._output, self._on_output)

    def block_output(self) -> None:
        """Read nothing of what it says, and fill the pipe, so that its next line finds no room (R25)."""
        self._loop.remove_reader(self._output)
        with suppress(OSError):  # full, or not to be opened this way here: then its own lines have to fill it
            filler = os.open(f"/proc/self/fd/{self._output}", os.O_WRONLY | os.O_NONBLOCK)
            try:
                while os.write(filler, b"\n" * 256):
                    pass
            finally:
                os.close(filler)

    def dispose(self) -> None:
        """Take what is left of the output, and close the pipe."""
        if not self._is_disposed:
            self._is_disposed = True
            self._loop.remove_reader(self._output)
            self._collect()
            os.close(self._output)

    def last_words(self) -> str:
        """Return the last lines it said, on one line."""
        if not self._is_disposed:
            self._collect()
        if not self._log.exists():
            return ""
        with self._log.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(self._log_offset, end - _TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-_TAIL_LINES:] if line.strip())

    def _on_output(self) -> None:
        if not self._collect():
            self._loop.remove_reader(self._output)

    def _collect(self) -> bool:
        """Move what is in the pipe to the log; return False at the end of the output."""
        try:
            while data := os.read(self._output, _READ_BYTES):
                with self._log.open("ab") as log:
                    log.write(data)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def _own_environment() -> dict[str, str]:
    """Return our environment without settings of nodes, which would override the configuration."""
    ours = {setting.variable for setting in settings().values()}
    return {name: value for name, value in os.environ.items() if name not in ours}
