"""The page of shared memory through which one node's disk and clocks are commanded. Laid out as in shim.c."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

MAGIC = 0x70786B76
TRUE_RATE_PPM = 1_000_000

_LAYOUT = struct.Struct("=IiiIIIqQ5Q")
_NAMES = (
    "magic",
    "sync_errno",
    "write_errno",
    "sync_delay_ms",
    "sync_hangs",
    "rate_ppm",
    "wall_offset_ns",
    "kill_at_sync",
)
_FIELDS = {
    name: (struct.Struct(f"={code}"), offset)
    for name, code, offset in zip(_NAMES, "IiiIIIqQ", (0, 4, 8, 12, 16, 20, 24, 32), strict=True)
}
_COUNTERS = struct.Struct("=5Q")
_COUNTERS_AT = 40
assert _COUNTERS_AT + _COUNTERS.size == _LAYOUT.size, "the parts of the page make up the page"


class Counters(NamedTuple):
    """What the library has done since the page was made, over all processes that used it."""

    syncs: int
    syncs_slow: int
    syncs_failed: int
    writes_failed: int
    clock_reads: int


class Page:
    """The orders for one node; made new, with everything as it is without faults."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.reset()

    def close(self) -> None:
        """Give the memory back; the file stays."""
        self._memory.close()

    @property
    def counters(self) -> Counters:
        """What was really done."""
        return Counters(*_COUNTERS.unpack_from(self._memory, _COUNTERS_AT))

    def reset(self) -> None:
        """Begin anew, the counters too; while no process uses the page."""
        self._memory[:] = bytes(mmap.PAGESIZE)
        self._order("magic", MAGIC)
        self.heal()

    def heal(self) -> None:
        """A good disk and true clocks. What a skewed clock has gained or lost, it keeps."""
        self.sync(delay_ms=0, errno=0, hangs=False)
        self.fail_writes(0)
        self.set_rate(1.0)
        self.step_wall_clock(0.0)
        self.kill_at_sync(0)

    def sync(self, *, delay_ms: int = 0, errno: int = 0, hangs: bool = False) -> None:
        """Make every fsync and fdatasync take longer, fail without syncing, or wait until told otherwise."""
        self._order("sync_delay_ms", delay_ms)
        self._order("sync_errno", errno)
        self._order("sync_hangs", int(hangs))

    def fail_writes(self, errno: int) -> None:
        """Make every write fail with `errno`; 0 for none."""
        self._order("write_errno", errno)

    def set_rate(self, rate: float) -> None:
        """Let all clocks run at `rate` times their true speed; they never run backwards."""
        self._order("rate_ppm", round(rate * TRUE_RATE_PPM))

    def step_wall_clock(self, offset_s: float) -> None:
        """Let the wall clock, and no other, be `offset_s` ahead."""
        self._order("wall_offset_ns", round(offset_s * 1e9))

    def kill_at_sync(self, number: int) -> None:
        """Have the process killed when it begins the sync of this number, from 1 by `counters.syncs`; 0 for never."""
        self._order("kill_at_sync", number)

    def _order(self, name: str, value: int) -> None:
        field, offset = _FIELDS[name]
        field.pack_into(self._memory, offset, value)
