"""What a power failure leaves: nothing that was synced is ever missing, and what was not may be."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from paxoskv.verifier.exhaustive.crash import SECTOR_BYTES, Loss, Remains, read_files, remains_of, torn, write_files

OLD, NEW = b"o" * 2000, b"n" * 3000
REMAINS = Remains(
    names={"grown": 1, "new": 2},
    contents={1: NEW, 2: b"never synced"},
    synced_names={"grown": 1, "removed": 3},
    synced_contents={1: OLD, 3: b"removed, and not synced"},
)


def test_a_killed_process_loses_nothing() -> None:
    assert REMAINS.after(Loss.KEPT, Random(1)) == {"grown": NEW, "new": b"never synced"}


def test_a_power_failure_may_lose_all_that_was_not_synced() -> None:
    assert REMAINS.after(Loss.LOST, Random(1)) == {"grown": OLD, "removed": b"removed, and not synced"}


def test_a_name_that_was_synced_without_its_content_is_an_empty_file() -> None:
    remains = Remains({"file": 1}, {1: b"x"}, {"file": 1}, {})
    assert remains.after(Loss.LOST, Random(1)) == {"file": b""}


@pytest.mark.parametrize("seed", range(20))
def test_torn_files_have_the_names_of_one_moment_and_sectors_of_either(seed: int) -> None:
    files = REMAINS.after(Loss.TORN, Random(seed))
    assert set(files) in ({"grown", "new"}, {"grown", "removed"})
    assert len(files["grown"]) in (len(OLD), len(NEW))
    for at in range(0, len(files["grown"]), SECTOR_BYTES):
        sector = files["grown"][at : at + SECTOR_BYTES]
        padded = (OLD.ljust(len(NEW), b"\0"), NEW)
        assert sector in [whole[at : at + len(sector)] for whole in padded]


def test_tearing_takes_from_both() -> None:
    mixtures = [torn(OLD, NEW, Random(seed)) for seed in range(20)]
    assert any(b"o" in mixture and b"n" in mixture for mixture in mixtures)
    assert torn(OLD, OLD, Random(1)) == OLD


def test_directories_are_read_and_written_whole(tmp_path: Path) -> None:
    data, durable = tmp_path / "data", tmp_path / "durable"
    write_files(data, {"a": b"1", "b": b""})
    write_files(data, {"b": b"2", "c": b"3"})
    assert read_files(data) == {"b": b"2", "c": b"3"}
    write_files(durable, {})
    assert remains_of(data, durable).after(Loss.LOST, Random(1)) == {}
