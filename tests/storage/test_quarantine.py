"""A directory in quarantine is refused whoever starts it (P3, P4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from paxoskv.storage.errors import JournalCorrupt
from paxoskv.storage.journal import Journal
from paxoskv.storage.quarantine import quarantine
from tests.storage.kit import CLUSTER, NODE, opened, vote, written


async def test_a_directory_in_quarantine_says_why_and_what_to_do(tmp_path: Path) -> None:
    await written(tmp_path, vote(1))
    quarantine(tmp_path, "node 2 remembers more")
    for opener in (Journal.open, Journal.create, Journal.open):
        with pytest.raises(JournalCorrupt, match=r"is in quarantine: node 2 remembers more.*remove .*quarantine"):
            await opener(tmp_path, CLUSTER, NODE)


async def test_without_the_note_it_opens_again(tmp_path: Path) -> None:
    await written(tmp_path, vote(1))
    quarantine(tmp_path, "a mistake")
    (tmp_path / "quarantine").unlink()
    async with opened(tmp_path) as journal:
        assert journal.recovered.highest_slot == 1


async def test_a_note_that_lost_its_text_still_counts(tmp_path: Path) -> None:
    await written(tmp_path, vote(1))
    (tmp_path / "quarantine").write_bytes(b"")
    with pytest.raises(JournalCorrupt, match="the note is empty"):
        await Journal.open(tmp_path, CLUSTER, NODE)


def test_a_note_that_cannot_be_written_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quarantine(tmp_path / "gone", "why")
    assert "could not be noted" in caplog.text
