"""One bit of one byte of one file, flipped; and a process that tries many of them.

The process reads lines of JSON on stdin: first its task, `{"root": DIR, "cluster": ID, "node": 1, "left": {"killed":
{"journal.db": BASE64, ...}, ...}}`, then batches of flips, `[["killed", "journal.db", 17], ...]`. Each batch is
answered by one line on stdout: `[["harmless", ""], ...]`, the outcomes and, for wrong ones, why. End of input ends it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from paxoskv.verifier.exhaustive.crash import Files
from paxoskv.verifier.exhaustive.opening import Memory, compare, difference, open_files

LINE_BYTES_MAX = 64 << 20


class Flip(NamedTuple):
    """One bit, in one file of the directory as it was left. how: `killed` or `stopped`."""

    how: str
    file: str
    offset: int

    @property
    def bit(self) -> int:
        """Which bit of the byte: all eight have their turn."""
        return 1 << (self.offset + self.offset // 8) % 8

    def apply(self, files: Files) -> dict[str, bytes]:
        """Return the files with the bit flipped."""
        content = bytearray(files[self.file])
        content[self.offset] ^= self.bit
        return {**files, self.file: bytes(content)}

    def __str__(self) -> str:
        return f"{self.file} of a node that was {self.how}, byte {self.offset} ^ {self.bit:#04x}"


class Found(NamedTuple):
    """What came of one flip. why: of an outcome that is not right."""

    outcome: str
    why: str


def task_line(root: Path, cluster: str, node: int, left: Mapping[str, Files]) -> bytes:
    """Return the line that tells a process its task."""
    coded = {
        how: {name: base64.b64encode(content).decode("ascii") for name, content in files.items()}
        for how, files in left.items()
    }
    return json.dumps({"root": str(root), "cluster": cluster, "node": node, "left": coded}).encode() + b"\n"


class Trier:
    """Tries flips on one task, in a directory of its own."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self._directory = Path(task["root"]) / f"flip-{os.getpid()}"
        self._cluster: str = task["cluster"]
        self._node: int = task["node"]
        self._before: dict[str, Memory] = {}
        self._left: dict[str, Files] = {
            how: {name: base64.b64decode(content) for name, content in files.items()}
            for how, files in task["left"].items()
        }

    async def try_all(self, flips: Sequence[Flip]) -> list[Found]:
        """Open the directory once with each of `flips`. Raises: RuntimeError if it does not even open undamaged."""
        found = []
        for flip in flips:
            files = self._left[flip.how]
            before = self._before.get(flip.how) or await self._remember(flip.how)
            after = await open_files(self._directory, flip.apply(files), self._cluster, self._node)
            outcome = compare(before, after)
            found.append(Found(outcome.value, "" if outcome.is_right else difference(before, after)))
        return found

    async def _remember(self, how: str) -> Memory:
        memory = await open_files(self._directory, self._left[how], self._cluster, self._node)
        if isinstance(memory, Exception):
            raise RuntimeError(f"the directory of a node that was {how} is not opened undamaged: {memory}") from memory
        self._before[how] = memory
        return memory


def main() -> None:
    """Serve the lines on stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the verifier, which ends us when it is done
    trier = Trier(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        flips = [Flip(*fields) for fields in json.loads(line)]
        sys.stdout.write(json.dumps(asyncio.run(trier.try_all(flips))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
