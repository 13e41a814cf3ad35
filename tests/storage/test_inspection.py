"""A second look at a journal in use: damage that came later is found, and facts are mended from memory (P5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paxoskv.paxos.ballot import Slot
from paxoskv.paxos.effects import SavePromise
from paxoskv.storage import inspection
from paxoskv.storage.journal import Journal
from paxoskv.storage.records import PeerRecord
from tests.storage.kit import B1, B2, B3, CLUSTER, NODE, Disk, opened, vote, written

PEERS = {2: PeerRecord("aa", 5), 3: PeerRecord("bb", 6)}


async def sweep(journal: Journal) -> tuple[int, list[Slot]]:
    """Look at everything; return how many rows there were, and the damaged slots."""
    rows, damaged, slot = 0, list[Slot](), 1
    while True:
        look = await journal.inspect(slot)
        rows += look.rows
        damaged += look.damaged
        if look.next_slot is None:
            return rows, damaged
        slot = look.next_slot


async def change(journal: Journal, sql: str) -> None:
    """Damage an open journal."""
    await journal._connection.query(sql)


async def test_a_sound_journal_is_looked_through_in_small_pieces(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([vote(slot) for slot in range(1, 101)])
        look = await journal.inspect(1)
        assert (look.rows, look.damaged, look.next_slot) == (inspection.ROWS_MAX, (), inspection.ROWS_MAX + 1)
        assert await sweep(journal) == (100, [])


async def test_large_votes_make_smaller_pieces(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([vote(slot, bytes(100 << 10)) for slot in range(1, 6)])
        assert (await journal.inspect(1)).rows == 2


async def test_damaged_and_vanished_votes_are_found(tmp_path: Path) -> None:
    """Chosen or open; a slot above the commit slot that has no row never had one."""
    async with opened(tmp_path) as journal:
        await journal.write([vote(slot, commit_slot=min(slot, 61) - 1) for slot in range(1, 71)])
        await change(journal, "UPDATE votes SET value = x'00' WHERE slot IN (3, 65)")
        await change(journal, "UPDATE votes SET slot_copy = 9 WHERE slot = 40")
        await change(journal, "DELETE FROM votes WHERE slot IN (1, 32, 33, 60, 66)")
        assert await sweep(journal) == (65, [1, 3, 32, 33, 40, 60, 65])


async def test_rows_that_vanished_at_the_end_are_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([vote(slot) for slot in range(1, 11)])
        await change(journal, "DELETE FROM votes WHERE slot > 7")
        assert await sweep(journal) == (7, [8, 9])
        await change(journal, "DELETE FROM votes")
        assert await sweep(journal) == (0, list(range(1, 10)))


async def test_a_look_tells_of_so_many_losses_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "LOST_MAX", 4)
    async with opened(tmp_path) as journal:
        await journal.write([vote(slot) for slot in range(1, 11)])
        await change(journal, "DELETE FROM votes WHERE slot < 9")
        assert await sweep(journal) == (2, [1, 2, 3, 4])


@pytest.mark.parametrize("name", ["identity", "promise", "compaction"])
@pytest.mark.parametrize(
    "damage", ["UPDATE meta SET payload = x'00'", "UPDATE meta SET checksum = NULL", "DELETE FROM meta"]
)
async def test_facts_are_written_anew_from_memory(tmp_path: Path, name: str, damage: str) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([SavePromise(B2), vote(1, ballot=B2)])
        identity, seq = journal.identity, journal.seq
        assert await journal.mend_facts() == 0
        await change(journal, f"{damage} WHERE name = '{name}'")
        assert await journal.mend_facts() == 1
        assert await journal.mend_facts() == 0
    async with opened(tmp_path) as journal:
        assert (journal.identity, journal.recovered.promised, journal.seq) == (identity, B2, seq)


async def test_a_damaged_promise_is_not_written_over_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1a: between the look and the mending the writer makes a higher promise durable."""
    disk = Disk(monkeypatch)
    async with opened(tmp_path) as journal:
        await journal.write([SavePromise(B1)])
        await change(journal, "UPDATE meta SET payload = x'00' WHERE name = 'promise'")

        async def promise_first(sql: str) -> None:
            disk.before = None
            await journal.write([SavePromise(B3)])
            journal._promised = B1  # as if the writer had not come back yet

        disk.before = lambda sql: promise_first(sql) if sql.startswith("UPDATE meta") else None
        await journal.mend_facts()
    async with opened(tmp_path) as journal:
        assert journal.recovered.promised == B3


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE peers SET incarnation = x'00' WHERE node = 2",
        "UPDATE peers SET node = 7 WHERE node = 2",
        "UPDATE peers SET seq = NULL",
    ],
)
async def test_peers_are_written_anew_from_memory(tmp_path: Path, damage: str) -> None:
    async with opened(tmp_path) as journal:
        await journal.save_peers(PEERS)
        await change(journal, damage)
        assert await journal.mend_facts() > 0
        assert await journal.mend_facts() == 0
    async with opened(tmp_path) as journal:
        assert journal.peers == PEERS


async def test_a_damaged_row_of_a_peer_that_was_never_met_is_removed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await change(journal, "INSERT INTO peers VALUES (9, x'00', 1, 1)")
        assert await journal.mend_facts() == 1
    async with opened(tmp_path) as journal:
        assert journal.peers == {}


async def test_damage_of_the_file_is_found_below_the_caches(tmp_path: Path) -> None:
    """A byte changes on the disk; SQLite has the page in memory, and goes on as if nothing had happened."""
    await written(tmp_path, *(vote(slot, b"value %d!" % slot * 10) for slot in range(1, 40)))
    async with opened(tmp_path) as journal:
        assert await sweep(journal) == (39, [])
        path = tmp_path / "journal.db"
        at = path.read_bytes().index(b"value 17!")
        fd = os.open(path, os.O_WRONLY)
        os.pwrite(fd, b"V", at)
        assert await sweep(journal) == (39, []), "what memory remembers proves nothing"
        await journal.forget_cached()
        assert await sweep(journal) == (39, [17])
    os.close(fd)


async def test_the_lock_of_sqlite_outlives_looking_again(tmp_path: Path) -> None:
    """P7: closing another descriptor of the file would drop it."""
    await written(tmp_path, vote(1))
    journal = await Journal.open(tmp_path, CLUSTER, NODE)
    await journal.forget_cached()
    held = write_locks(tmp_path / "journal.db")
    await journal.close()
    assert held
    assert not write_locks(tmp_path / "journal.db")


def write_locks(path: Path) -> list[str]:
    """The kernel's list of locks for writing on a file."""
    locks = Path("/proc/locks")
    if not locks.exists():
        pytest.skip("this system has no /proc/locks")
    inode = path.stat().st_ino
    return [line for line in locks.read_text().splitlines() if f":{inode} " in line and "WRITE" in line]
