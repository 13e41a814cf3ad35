"""Each fault of a stopped node's files on a live cluster, and every damage on files of our own."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from paxoskv.verifier.exhaustive.crash import read_files, write_files
from paxoskv.verifier.faults import FAULTS
from paxoskv.verifier.faults.files import Damage, cut_short, flip, misplace, remove_one
from tests.verify.conftest import Live

pytestmark = [pytest.mark.cluster, pytest.mark.asyncio(loop_scope="module")]

FILES = {"journal.db": bytes(range(256)) * 40, "journal.db-wal": b"w" * 999, "journal.open": b"", "lock": b"123\n"}


@pytest.mark.parametrize("name", ["flip-bytes", "truncate", "delete-file", "copy-chunk"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_damage_is_harmless_repaired_or_quarantined(live: Live, name: str, seed: int) -> None:
    async with FAULTS[name].inject(live.stage, Random(seed)) as hit:
        assert hit.endswith((": quarantined", ": harmless or repaired"))
    await live.is_sound()
    leftovers = [path for path in live.cluster.member(1).directory.parent.iterdir() if path.suffix == ".kept"]
    assert leftovers == []


@pytest.mark.parametrize("name", ["emptied-directory", "swapped-directories", "stale-backup"])
async def test_a_node_whose_memory_is_not_its_own_is_refused(live: Live, name: str) -> None:
    """P3, P4, P34. A node that serves then, or ends with another exit code than 5, would be noted as a surprise."""
    async with FAULTS[name].inject(live.stage, Random(1)) as hit:
        assert hit.startswith("node")
    await live.is_sound()


async def test_an_emptied_directory_with_bootstrap_is_refused_by_the_peers(live: Live) -> None:
    """The node itself cannot know that it had another life. Some of these seeds choose it."""
    hits: list[str] = []
    for seed in range(10):
        if not any("bootstrap" in hit for hit in hits):
            async with FAULTS["emptied-directory"].inject(live.stage, Random(seed)) as hit:
                hits.append(hit)
    assert "with --bootstrap" in hits[-1]
    await live.is_sound()


@pytest.mark.parametrize("damage", [flip, cut_short, misplace, remove_one])
@pytest.mark.parametrize("seed", range(8))
async def test_a_damage_changes_one_file_and_says_which(tmp_path: Path, damage: Damage, seed: int) -> None:
    directory = tmp_path / "node"
    write_files(directory, FILES)
    how = damage(directory, Random(seed))
    after = read_files(directory)
    changed = [name for name in FILES if after.get(name) != FILES[name]]
    assert len(changed) <= 1  # a copied part may hold what was there
    assert all(name in how for name in changed)
    if damage is not remove_one:
        assert after["lock"] == FILES["lock"]
