"""The write-ahead log: what a crash left half written is dropped, what was durable is not (P5, R13)."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from paxoskv.storage.errors import JournalCorrupt
from paxoskv.storage.journal import Journal
from paxoskv.storage.wal import FRAME_HEADER_BYTES, HEADER_BYTES, check_wal
from tests.storage.kit import CLUSTER, NODE, opened, vote

FRAME_BYTES = FRAME_HEADER_BYTES + 4096


@pytest.fixture
async def crashed(tmp_path: Path) -> Path:
    """A directory as a kill leaves it: 8 votes in transactions of their own, in the log alone."""
    async with opened(tmp_path / "live") as journal:
        for slot in range(1, 9):
            await journal.write([vote(slot, b"value %d" % slot)])
        shutil.copytree(tmp_path / "live", tmp_path / "crashed")
    return tmp_path / "crashed"


def flip(directory: Path, at: int) -> None:
    """Flip a bit of the log; negative positions count from its end."""
    data = bytearray((directory / "journal.db-wal").read_bytes())
    data[at] ^= 4
    (directory / "journal.db-wal").write_bytes(data)


async def test_an_undamaged_log_is_read_back_whole(crashed: Path) -> None:
    async with opened(crashed) as journal:
        assert sorted(journal.recovered.open_votes) == [8]
        assert journal.recovered.commit_slot == 7


@pytest.mark.parametrize("opener", [Journal.open, Journal.create])
@pytest.mark.parametrize("offset", [0, 5, 9, 13, 17, 21, 24, 2000, 4119])
async def test_a_flipped_bit_in_the_middle_is_refused_every_time(crashed: Path, offset: int, opener: type) -> None:
    """SQLite alone would start without a word, and without this commit and all later ones."""
    flip(crashed, _frame(crashed, 3) + offset)
    for _ in range(2):
        with pytest.raises(
            JournalCorrupt, match=r"durable commit before frame \d+ is damaged.*Replace it by a new node"
        ):
            await opener(crashed, CLUSTER, NODE)


@pytest.mark.parametrize("offset", [0, 4, 8, 12, 16, 24, 31])
async def test_a_damaged_header_is_refused(crashed: Path, offset: int) -> None:
    flip(crashed, offset)
    with pytest.raises(JournalCorrupt, match="header is damaged"):
        await Journal.open(crashed, CLUSTER, NODE)


async def test_a_half_written_last_transaction_is_dropped(crashed: Path) -> None:
    """Power was lost in the middle of it: nobody ever spoke of it."""
    frames = _frames(crashed)
    os.truncate(crashed / "journal.db-wal", HEADER_BYTES + frames * FRAME_BYTES - 100)
    async with opened(crashed) as journal:
        assert journal.recovered.highest_slot == 7


async def test_leftovers_of_an_earlier_cycle_are_no_damage(tmp_path: Path) -> None:
    """After a checkpoint the log is written over from its beginning; behind the new end stand old frames."""
    async with opened(tmp_path / "live") as journal:
        for slot in range(1, 20):
            await journal.write([vote(slot)])
        await journal.checkpoint()
        await journal.write([vote(20)])
        shutil.copytree(tmp_path / "live", tmp_path / "crashed")
    async with opened(tmp_path / "crashed") as journal:
        assert journal.recovered.highest_slot == 20


@pytest.mark.parametrize("bytes_left", [None, 0, 20, 32, 1000])
async def test_a_log_that_is_gone_is_missed(crashed: Path, bytes_left: int | None) -> None:
    """R13: the votes of the last minutes are in it alone."""
    if bytes_left is None:
        (crashed / "journal.db-wal").unlink()
    else:
        os.truncate(crashed / "journal.db-wal", bytes_left)
    for opener in (Journal.open, Journal.create, Journal.open):
        with pytest.raises(JournalCorrupt, match="missing or cut short although the journal was not closed"):
            await opener(crashed, CLUSTER, NODE)


async def test_after_an_orderly_end_no_log_is_missed(tmp_path: Path) -> None:
    for slot in range(1, 4):
        async with opened(tmp_path) as journal:
            await journal.write([vote(slot)])
        assert os.listdir(tmp_path) == ["journal.db"]


async def test_a_start_that_fails_after_a_crash_can_be_repeated(crashed: Path) -> None:
    """SQLite removes the log when the refused start closes the file; that is not the loss of it."""
    with pytest.raises(Exception, match="belongs to node 1"):
        await Journal.open(crashed, CLUSTER, 2)
    async with opened(crashed) as journal:
        assert journal.recovered.highest_slot == 8


async def test_a_crash_right_after_a_crash_loses_nothing(crashed: Path, tmp_path: Path) -> None:
    async with opened(crashed) as journal:
        await journal.write([vote(9)])
        shutil.copytree(crashed, tmp_path / "again")
    async with opened(tmp_path / "again") as journal:
        assert journal.recovered.highest_slot == 9


def test_no_log_and_an_empty_one_are_fine(tmp_path: Path) -> None:
    check_wal(tmp_path / "none", 4096)
    (tmp_path / "empty").touch()
    check_wal(tmp_path / "empty", 4096)


async def test_every_sampled_byte_of_the_log_is_harmless_or_refused(crashed: Path) -> None:
    """R12: a flip in all but the last transaction never loses a vote."""
    path = crashed / "journal.db-wal"
    clean = path.read_bytes()
    end = _frame(crashed, _frames(crashed) - 3)
    for at in range(0, end, 997):
        data = bytearray(clean)
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(JournalCorrupt):
            await asyncio.to_thread(check_wal, path, 4096)


def _frame(directory: Path, number: int) -> int:
    """Where frame `number` (from 0) begins."""
    assert number < _frames(directory), f"the log has {_frames(directory)} frames"
    return HEADER_BYTES + number * FRAME_BYTES


def _frames(directory: Path) -> int:
    return ((directory / "journal.db-wal").stat().st_size - HEADER_BYTES) // FRAME_BYTES
