"""Every so-many-th byte of every file of a directory flipped: harmless, repaired or refused, never silent (R12).

The short form, in this process. `paxoskv verify --exhaustive bytes` flips every byte, and starts real nodes as well.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from paxoskv.paxos.effects import SavePromise
from paxoskv.storage.records import PeerRecord
from paxoskv.verifier.exhaustive.crash import Files, read_files
from paxoskv.verifier.exhaustive.opening import Memory, Outcome, compare, open_files
from tests.storage.kit import B1, B2, CLUSTER, NODE, opened, vote

EVERY = 101
"""A prime: over all pages, every place of a page and every bit has its turn."""


async def left_by(how: str, root: Path) -> Files:
    """A small directory as a kill or an orderly end leaves it, with chosen and open votes."""
    live = root / "live"
    async with opened(live) as journal:
        await journal.save_peers({2: PeerRecord("a" * 32, 5), 3: PeerRecord("b" * 32, 6)})
        await journal.write([SavePromise(B1), *(vote(slot, b"value %d;" % slot * 20) for slot in range(1, 13))])
        await journal.checkpoint()
        await journal.write([SavePromise(B2), vote(12, b"another value" * 9, B2, 11)])
        for slot in (13, 14):
            await journal.write([vote(slot, b"value %d;" % slot * 20, B2, 11)])
        if how == "killed":
            shutil.copytree(live, root / "killed")
    return read_files(root / "killed" if how == "killed" else live)


def flipped(files: Files, name: str, offset: int) -> Files:
    """The files with one bit changed."""
    content = bytearray(files[name])
    content[offset] ^= 1 << (offset % 8)
    return {**files, name: bytes(content)}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where the system has such a place: a thousand openings flush a lot."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_no_flipped_byte_goes_unnoticed(root: Path, how: str) -> None:
    files = await left_by(how, root)
    before = await open_files(root / "before", files, CLUSTER, NODE)
    assert isinstance(before, Memory)
    assert sorted(before.votes) == list(range(1, 15))
    outcomes: Counter[Outcome] = Counter()
    for name, content in files.items():
        for offset in range(0, len(content), EVERY):
            after = await open_files(root / "after", flipped(files, name, offset), CLUSTER, NODE)
            outcome = compare(before, after)
            assert outcome.is_right, f"{name}, byte {offset}: {outcome.value}: {after!r}"
            outcomes[outcome] += 1
    assert outcomes[Outcome.REFUSED] > 0
    assert outcomes[Outcome.HARMLESS] > 0
    if how == "stopped":
        assert outcomes[Outcome.REPAIRED] > 0
    else:
        assert outcomes[Outcome.DISOWNED] > 0, "the last transaction of a log cannot be told from a torn one"
