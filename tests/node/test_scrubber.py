"""The scrubber: sweeps slowly over a journal in use, reports damage and counts (P5)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from paxoskv.node import scrubber as scrubber_module
from paxoskv.node.scrubber import Scrubber
from paxoskv.paxos.effects import SavePromise
from paxoskv.storage.errors import JournalCorrupt
from paxoskv.storage.journal import Journal
from tests.storage.kit import B1, Disk, opened, sqlite_error, vote
from tests.support import eventually


class Bench:
    """A scrubber over a journal. reported: slots, in order. now_s: what its clock shows."""

    def __init__(self, journal: Journal, interval_s: float = 0.001) -> None:
        self.reported: list[int] = []
        self.now_s = 100.0
        self.scrubber = Scrubber(journal, self._report, interval_s, lambda: self.now_s)

    def _report(self, slots: Collection[int]) -> None:
        self.reported += slots

    def gauge(self, name: str) -> object:
        return self.scrubber.gauges()[name]()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubber_module, "PAUSE_S", 0.0)


async def test_a_sweep_reports_damage_and_counts_rows(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([vote(slot) for slot in range(1, 101)])
        bench = Bench(journal)
        assert (bench.gauge("scrubbed_rows"), bench.gauge("last_scrub_s")) == (0, None)
        await journal._connection.query("UPDATE votes SET value = x'00' WHERE slot IN (5, 77)")
        await bench.scrubber.sweep()
        bench.now_s += 7
        assert bench.reported == [5, 77]
        assert (bench.gauge("scrubbed_rows"), bench.gauge("last_scrub_s")) == (100, 7.0)


async def test_facts_are_mended_and_counted(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([SavePromise(B1)])
        await journal._connection.query("UPDATE meta SET payload = x'00' WHERE name = 'promise'")
        bench = Bench(journal)
        await bench.scrubber.sweep()
        assert (bench.scrubber.mended, bench.reported) == (1, [])
    async with opened(tmp_path) as journal:
        assert journal.recovered.promised == B1


async def test_it_sweeps_again_and_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([vote(1)])
        bench = Bench(journal)
        run = asyncio.create_task(bench.scrubber.run())
        await eventually(lambda: bench.scrubber.rows >= 3)
        run.cancel()


async def test_writes_go_on_while_it_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement of the sweep at a time: a write waits for one look, not for the journal."""
    disk = Disk(monkeypatch)
    async with opened(tmp_path) as journal:
        await journal.write([vote(slot) for slot in range(1, 401)])
        sweep = asyncio.create_task(Bench(journal).scrubber.sweep())
        await eventually(lambda: sum("FROM votes" in sql for sql in disk.statements) > 2)
        before = len(disk.statements)
        await journal.write([vote(401)])
        after = disk.statements[before:]
        assert len(after) < 6, after
        await sweep


async def test_a_full_disk_is_no_reason_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    async with opened(tmp_path) as journal:
        await journal.write([vote(1)])
        await journal._connection.query("DELETE FROM meta WHERE name = 'promise'")
        disk.errors = [sqlite_error(13, "SQLITE_FULL")]
        bench = Bench(journal)
        await bench.scrubber.sweep()
        assert (bench.scrubber.mended, bench.scrubber.rows) == (0, 1)
        await bench.scrubber.sweep()
        assert bench.scrubber.mended == 1


async def test_a_structure_that_cannot_be_read_ends_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    async with opened(tmp_path) as journal:
        await journal.write([vote(1)])

        def broken(sql: str) -> None:
            if "FROM votes" in sql:
                raise sqlite_error(11, "SQLITE_CORRUPT")

        disk.before = broken
        with pytest.raises(JournalCorrupt):
            await Bench(journal).scrubber.sweep()
