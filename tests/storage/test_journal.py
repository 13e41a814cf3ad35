"""What is written comes back: after a restart, in pieces, and for laggards (P1, P4, P6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.paxos.effects import SavePromise
from paxoskv.storage import connection
from paxoskv.storage.errors import JournalCorrupt
from paxoskv.storage.journal import STATEMENT_ROWS_MAX
from paxoskv.storage.records import CompactionRecord, PeerRecord, Seal, encode_compaction
from tests.storage.kit import B1, B2, B3, CLUSTER, Disk, opened, replayed, tamper, vote, written


async def test_a_promise_survives_a_restart(tmp_path: Path) -> None:
    """P1a across a crash."""
    await written(tmp_path, SavePromise(B2))
    async with opened(tmp_path) as journal:
        assert journal.recovered.promised == B2


async def test_votes_survive_a_restart_chosen_and_open(tmp_path: Path) -> None:
    await written(tmp_path, *(vote(slot, b"%d" % slot, commit_slot=min(slot - 1, 3)) for slot in range(1, 7)))
    async with opened(tmp_path) as journal:
        found = journal.recovered
        assert (found.commit_slot, found.highest_slot, found.faulty) == (3, 6, ())
        assert found.open_votes == {slot: Vote(B1, b"%d" % slot) for slot in (4, 5, 6)}
        assert await replayed(journal) == [(slot, Vote(B1, b"%d" % slot)) for slot in (1, 2, 3)]


async def test_a_vote_is_a_promise(tmp_path: Path) -> None:
    """P6: an acceptor that voted in a ballot has promised it."""
    await written(tmp_path, SavePromise(B1), vote(1, ballot=B2))
    async with opened(tmp_path) as journal:
        assert journal.recovered.promised == B2


async def test_a_damaged_vote_takes_no_promise_with_it(tmp_path: Path) -> None:
    """P5, P1a: the only record of ballot 2.2 was the vote, were it not for the promise written before it."""
    await written(tmp_path, SavePromise(B1), vote(1, ballot=B2))
    tamper(tmp_path, "UPDATE votes SET value = x'00'")
    async with opened(tmp_path) as journal:
        assert journal.recovered.faulty == (1,)
        assert journal.recovered.promised == B2


async def test_a_promise_is_never_lowered(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([SavePromise(B3), SavePromise(B1)])
        await journal.write([SavePromise(B2)])
    async with opened(tmp_path) as journal:
        assert journal.recovered.promised == B3


async def test_a_later_vote_replaces_the_earlier_one(tmp_path: Path) -> None:
    """Within one transaction, and over two."""
    async with opened(tmp_path) as journal:
        await journal.write([vote(1, b"a"), vote(1, b"b", B2), vote(2, b"c", B2)])
        await journal.write([vote(2, b"d", B3)])
    async with opened(tmp_path) as journal:
        assert journal.recovered.open_votes == {2: Vote(B3, b"d")}
        assert await replayed(journal) == [(1, Vote(B2, b"b"))]


async def test_an_empty_value_is_a_value(tmp_path: Path) -> None:
    """NOOP, the filler of gaps."""
    await written(tmp_path, vote(1, b""))
    async with opened(tmp_path) as journal:
        assert journal.recovered.open_votes == {1: Vote(B1, b"")}


async def test_gaps_above_the_commit_slot_are_no_damage(tmp_path: Path) -> None:
    await written(tmp_path, vote(1), vote(5, commit_slot=1), vote(9, commit_slot=1))
    async with opened(tmp_path) as journal:
        assert sorted(journal.recovered.open_votes) == [5, 9]
        assert (journal.recovered.commit_slot, journal.recovered.highest_slot) == (1, 9)


async def test_the_sequence_number_grows_with_every_transaction_and_stays_over_restarts(tmp_path: Path) -> None:
    """P4: peers recognise a directory that was rolled back, however often it is started before they see it."""
    seen = []
    for slot in (1, 2, 3):
        for _ in range(3):
            async with opened(tmp_path) as journal:
                seen.append(journal.seq)
        async with opened(tmp_path) as journal:
            await journal.write([SavePromise(Ballot(slot, 1)), vote(slot, ballot=Ballot(slot, 1))])
            await journal.write([vote(slot, b"again", Ballot(slot, 1))])
            await journal.save_peers({2: PeerRecord("aa", slot)})
    assert seen == [1, 1, 1, 4, 4, 4, 7, 7, 7]


async def test_one_transaction_is_one_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hop to the thread, and nothing half done in between."""
    disk = Disk(monkeypatch)
    async with opened(tmp_path) as journal:
        await journal.write([SavePromise(B1)])
        disk.statements.clear()
        await journal.write([vote(slot) for slot in range(1, 100)])
        assert len(disk.statements) == 1


async def test_more_votes_than_a_statement_takes_are_written_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    count = 2 * STATEMENT_ROWS_MAX + 1
    async with opened(tmp_path) as journal:
        await journal.write([SavePromise(B1)])
        before = len(disk.inserts)
        await journal.write([vote(slot) for slot in range(1, count + 1)])
        assert len(disk.inserts) - before == 3
    async with opened(tmp_path) as journal:
        assert [slot for slot, _ in await replayed(journal)] == list(range(1, count))


async def test_large_votes_are_cut_into_transactions_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    async with opened(tmp_path) as journal:
        await journal.write([SavePromise(B1)])
        before = len(disk.inserts)
        await journal.write([vote(slot, bytes(3 << 20)) for slot in range(1, 6)])
        assert len(disk.inserts) - before == 3
    async with opened(tmp_path) as journal:
        assert journal.recovered.commit_slot == 4


async def test_a_cut_never_lets_a_commit_slot_run_ahead_of_its_votes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slot 1 is voted twice; the first statement claims it chosen, so it has to hold a vote of it."""
    disk = Disk(monkeypatch)
    big = bytes(5 << 20)
    async with opened(tmp_path) as journal:
        await journal.write([SavePromise(B2)])
        held = len(disk.inserts)
        disk.before = lambda sql: _stop_after(disk, held + 1)
        with pytest.raises(_PowerLost):
            await journal.write([vote(1, b"chosen"), vote(2, big), vote(3, big), vote(1, b"chosen", B2, 2)])
        disk.before = None
    async with opened(tmp_path) as journal:
        assert journal.recovered.commit_slot == 1
        assert await replayed(journal) == [(1, Vote(B1, b"chosen"))]


class _PowerLost(Exception):
    pass


def _stop_after(disk: Disk, inserts: int) -> None:
    if len(disk.inserts) > inserts:
        raise _PowerLost


async def test_peers_are_remembered(tmp_path: Path) -> None:
    """P3: a peer that comes back with another incarnation is recognised."""
    async with opened(tmp_path) as journal:
        await journal.save_peers({2: PeerRecord("aa", 7), 3: PeerRecord("bb", 0)})
        await journal.save_peers({2: PeerRecord("aa", 9)})
        with pytest.raises(AssertionError, match="node 2 is known as aa, not"):
            await journal.save_peers({2: PeerRecord("cc", 9)})
        with pytest.raises(AssertionError, match="node 2 had announced 9, not 8"):
            await journal.save_peers({2: PeerRecord("aa", 8)})
    async with opened(tmp_path) as journal:
        assert journal.peers == {2: PeerRecord("aa", 9), 3: PeerRecord("bb", 0)}


async def test_the_copy_of_the_peers_cannot_change_the_journal(tmp_path: Path) -> None:
    """A caller that notes a peer in its copy first still gets it saved."""
    async with opened(tmp_path) as journal:
        known = journal.peers
        known[2] = PeerRecord("aa", 1)
        assert journal.peers == {}
        await journal.save_peers(known)
    async with opened(tmp_path) as journal:
        assert journal.peers == {2: PeerRecord("aa", 1)}


async def test_load_gives_a_contiguous_piece_that_fits(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.write([vote(slot, bytes(1000)) for slot in range(1, 21)])
        assert [slot for slot, _ in await journal.load(3, 19, 3500)] == [3, 4, 5]
        assert [slot for slot, _ in await journal.load(3, 4, 1 << 20)] == [3, 4]
        assert [slot for slot, _ in await journal.load(7, 19, 1)] == [7], "one at least, or nobody gets further"


async def test_load_gives_nothing_that_may_not_be_the_chosen_value(tmp_path: Path) -> None:
    """Above the durable commit slot the row may be of a lower ballot than the choice, which waits in the queue."""
    async with opened(tmp_path) as journal:
        await journal.write([vote(1), vote(2), vote(3, commit_slot=1)])
        assert [slot for slot, _ in await journal.load(1, 3, 1 << 20)] == [1]
        assert await journal.load(2, 3, 1 << 20) == []


async def test_replay_comes_in_bounded_pieces(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for slot in range(1, 12):
            await journal.write([vote(slot, bytes(300 << 10))])
    async with opened(tmp_path) as journal:
        pieces = [[slot for slot, _ in piece] async for piece in journal.replay(2, 10)]
        assert pieces == [[2, 3, 4], [5, 6, 7], [8, 9, 10]]


async def test_replay_begins_after_what_was_compacted(tmp_path: Path) -> None:
    """P15: compacted slots are not missing, and are not skipped in silence either."""
    await written(tmp_path, *(vote(slot) for slot in range(1, 8)))
    payload, checksum = encode_compaction(Seal(CLUSTER), CompactionRecord(slot=3, seq=99))
    tamper(tmp_path, "UPDATE meta SET payload = ?, checksum = ? WHERE name = 'compaction'", payload, checksum)
    tamper(tmp_path, "DELETE FROM votes WHERE slot <= 2")
    async with opened(tmp_path) as journal:
        assert (journal.recovered.compacted_slot, journal.recovered.commit_slot) == (3, 6)
        assert journal.seq == 99
        assert [slot for slot, _ in await replayed(journal, 4)] == [4, 5, 6]
        with pytest.raises(JournalCorrupt, match=r"begins at slot 4.*ends at 2"):
            await replayed(journal, 3)


async def test_a_checkpoint_lets_the_log_be_written_over(tmp_path: Path) -> None:
    """P8: the write-ahead log stays as long as it was at its longest, and does not grow on."""
    async with opened(tmp_path) as journal:
        sizes = []
        for round_ in range(1, 6):
            await journal.write([vote(slot, bytes(4000), Ballot(round_, 1)) for slot in range(1, 50)])
            assert journal.unsettled_bytes > 0
            await journal.checkpoint()
            assert journal.unsettled_bytes == 0
            sizes.append(journal.wal_bytes())
        assert sizes[1:] == [sizes[1]] * 4
        assert journal.file_bytes() > 49 * 4000


async def test_a_large_journal_is_opened_without_quick_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scan verifies every row in any case."""
    await written(tmp_path, vote(1), vote(2))
    disk = Disk(monkeypatch)
    async with opened(tmp_path):
        assert "PRAGMA quick_check(1)" in disk.statements
    disk.statements.clear()
    monkeypatch.setattr(connection, "QUICK_CHECK_BYTES_MAX", 1)
    async with opened(tmp_path) as journal:
        assert "PRAGMA quick_check(1)" not in disk.statements
        assert journal.recovered.commit_slot == 1


async def test_closing_twice_changes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.close()
        async with opened(tmp_path):
            await journal.close()
            assert (tmp_path / "journal.open").exists(), "the mark belongs to the second life"
