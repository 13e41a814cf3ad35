"""A damaged or lost record is faulty, never absent, whether it was open or chosen (P5, R12)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from paxoskv.paxos.ballot import Slot, Vote
from paxoskv.paxos.effects import SavePromise
from paxoskv.storage.errors import JournalCorrupt, JournalFailed, VoteDamaged
from paxoskv.storage.journal import Journal
from paxoskv.storage.records import PeerRecord
from paxoskv.storage.scan import Recovered
from tests.storage.kit import B1, B2, CLUSTER, NODE, opened, replayed, tamper, vote, written

COLUMNS = ("slot_copy", "round", "node", "commit_slot", "seq", "checksum")


@pytest.fixture
async def directory(tmp_path: Path) -> Path:
    """A closed journal: slots 1-3 chosen, 4-6 open."""
    await written(
        tmp_path, SavePromise(B1), *(vote(slot, b"v%d" % slot, commit_slot=min(slot, 4) - 1) for slot in range(1, 7))
    )
    async with opened(tmp_path) as journal:
        await journal.save_peers({2: PeerRecord("aa", 1)})
    return tmp_path


@pytest.mark.parametrize("change", ["value = x'00'", *(f"{c} = {c} + 1" for c in COLUMNS if c != "slot_copy")])
async def test_a_damaged_open_vote_is_reported_as_faulty(directory: Path, change: str) -> None:
    tamper(directory, f"UPDATE votes SET {change} WHERE slot = 5")
    async with opened(directory) as journal:
        assert journal.recovered.faulty == (5,)
        assert sorted(journal.recovered.open_votes) == [4, 6]
        assert journal.recovered.highest_slot == 6
        assert journal.recovered.commit_slot == 3


@pytest.mark.parametrize("change", ["value = x'00'", *(f"{c} = {c} + 1" for c in COLUMNS if c != "slot_copy")])
async def test_after_a_damaged_chosen_vote_the_prefix_before_it_is_left(directory: Path, change: str) -> None:
    tamper(directory, f"UPDATE votes SET {change} WHERE slot = 2")
    async with opened(directory) as journal:
        found = journal.recovered
        assert (found.commit_slot, found.known_slot, found.faulty) == (1, 3, (2,))
        assert sorted(found.open_votes) == [4, 5, 6]
        assert [slot for slot, _ in await replayed(journal)] == [1]
        with pytest.raises(VoteDamaged, match="slot 2 fails its checksum"):
            await journal.load(2, 2, 1 << 20)
        assert [slot for slot, _ in await journal.load(3, 9, 1 << 20)] == [3], "what is known to be chosen is readable"


async def test_a_chosen_vote_that_was_written_anew_is_whole_again(directory: Path) -> None:
    tamper(directory, "UPDATE votes SET value = x'00' WHERE slot = 2")
    await written(directory, vote(2, b"v2", B2))
    async with opened(directory) as journal:
        assert (journal.recovered.commit_slot, journal.recovered.known_slot, journal.recovered.faulty) == (3, 3, ())
        assert await replayed(journal) == [(1, Vote(B1, b"v1")), (2, Vote(B2, b"v2")), (3, Vote(B1, b"v3"))]


async def test_a_record_written_anew_may_claim_more_than_its_own_slot(directory: Path) -> None:
    """Damage found at run time: the row of slot 1 comes back with the commit slot of today."""
    await written(directory, vote(1, b"v1", commit_slot=5))
    async with opened(directory) as journal:
        assert (journal.recovered.commit_slot, sorted(journal.recovered.open_votes)) == (5, [6])


async def test_the_damaged_highest_slot_is_still_known(directory: Path) -> None:
    tamper(directory, "UPDATE votes SET value = x'00' WHERE slot = 6")
    async with opened(directory) as journal:
        assert journal.recovered.faulty == (6,)
        assert journal.recovered.highest_slot == 6


async def test_a_missing_chosen_vote_is_faulty(directory: Path) -> None:
    tamper(directory, "DELETE FROM votes WHERE slot = 2")
    async with opened(directory) as journal:
        assert (journal.recovered.commit_slot, journal.recovered.faulty) == (1, (2,))
        with pytest.raises(VoteDamaged, match="slot 2 is missing"):
            await journal.load(2, 2, 1 << 20)


async def test_what_vanished_together_with_a_chosen_vote_is_faulty_too(directory: Path) -> None:
    """Slots 4 and 5 are open: alone, they would pass for slots without a vote. But whatever took 3 took them too."""
    tamper(directory, "DELETE FROM votes WHERE slot IN (3, 4, 5)")
    async with opened(directory) as journal:
        found = journal.recovered
        assert (found.commit_slot, found.known_slot, found.faulty, sorted(found.open_votes)) == (2, 3, (3, 4, 5), [6])


@pytest.mark.parametrize("change", ["slot = 99", "slot = -5", "slot_copy = 99"])
async def test_a_vote_whose_slot_is_unknown_could_be_any_vote(directory: Path, change: str) -> None:
    """Were slot 5 read as a faulty slot 99, then slot 5 would seem empty: a vote forgotten."""
    tamper(directory, f"UPDATE votes SET {change} WHERE slot = 5")
    with pytest.raises(JournalCorrupt, match="its slot cannot be told"):
        await Journal.open(directory, CLUSTER, NODE)


@pytest.mark.parametrize("name", ["identity", "promise", "compaction"])
@pytest.mark.parametrize(
    "change", ["payload = x'01' || substr(payload, 2)", "payload = NULL", "checksum = checksum + 1"]
)
async def test_a_damaged_row_of_meta_is_refused(directory: Path, name: str, change: str) -> None:
    tamper(directory, f"UPDATE meta SET {change} WHERE name = '{name}'")
    with pytest.raises(JournalCorrupt, match=f"{name}.*(damaged|fails its checksum)"):
        await Journal.open(directory, CLUSTER, NODE)


@pytest.mark.parametrize("name", ["identity", "promise", "compaction"])
async def test_a_missing_row_of_meta_is_refused(directory: Path, name: str) -> None:
    tamper(directory, f"DELETE FROM meta WHERE name = '{name}'")
    with pytest.raises(JournalCorrupt, match=f"the {name} row is missing"):
        await Journal.open(directory, CLUSTER, NODE)


async def test_a_damaged_peer_is_refused(directory: Path) -> None:
    """P3: whom it would believe is no longer certain."""
    tamper(directory, "UPDATE peers SET incarnation = x'6162'")
    with pytest.raises(JournalCorrupt, match="peer 2 fails its checksum"):
        await Journal.open(directory, CLUSTER, NODE)


async def test_damage_that_comes_later_is_found_when_it_is_read(directory: Path) -> None:
    """Every read that consensus relies on verifies again."""
    async with opened(directory) as journal:
        await journal._connection.query("UPDATE votes SET value = x'00' WHERE slot = 2")
        assert [slot for slot, _ in await journal.load(1, 3, 1 << 20)] == [1]
        with pytest.raises(VoteDamaged, match="slot 2 fails its checksum") as damage:
            await journal.load(2, 3, 1 << 20)
        assert damage.value.slot == 2
        with pytest.raises(JournalFailed, match=r"slot 2 fails its checksum, which it did not.*check the disk"):
            await replayed(journal)
        await journal._connection.query("DELETE FROM votes WHERE slot = 2")
        assert [slot for slot, _ in await journal.load(1, 3, 1 << 20)] == [1]
        with pytest.raises(VoteDamaged, match="slot 2 is missing"):
            await journal.load(2, 3, 1 << 20)


@pytest.mark.parametrize("seed", range(4))
async def test_no_flipped_byte_of_the_file_goes_unnoticed(tmp_path: Path, seed: int) -> None:
    """R12: a flip is harmless, faulty or refused, and never a changed or forgotten vote or promise."""
    rng = random.Random(seed)
    await written(tmp_path, SavePromise(B2), *(vote(s, b"value %d" % s * 40, B2, min(s, 12) - 1) for s in range(1, 25)))
    async with opened(tmp_path) as journal:
        await journal.save_peers({2: PeerRecord("aa", 1)})
    path = tmp_path / "journal.db"
    clean = path.read_bytes()
    outcomes = {"refused": 0, "faulty": 0, "harmless": 0}
    async with opened(tmp_path) as journal:
        expected, chosen = journal.recovered, await replayed(journal)
    for _ in range(60):
        at = rng.randrange(len(clean))
        flipped = bytearray(clean)
        flipped[at] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        outcomes[await _judge(tmp_path, expected, chosen, at)] += 1
    assert outcomes["refused"] > 0
    assert outcomes["faulty"] > 0


async def _judge(directory: Path, expected: Recovered, chosen: list[tuple[Slot, Vote]], at: int) -> str:
    try:
        journal = await Journal.open(directory, CLUSTER, NODE)
    except JournalCorrupt:
        return "refused"
    try:
        found = journal.recovered
        assert found.promised == expected.promised, f"byte {at}: the promise changed"
        assert set(found.open_votes.items()) <= {*expected.open_votes.items(), *chosen}, f"byte {at}: a vote changed"
        known = {*range(1, found.known_slot + 1), *found.open_votes, *found.faulty}
        assert known == set(range(1, expected.highest_slot + 1)), f"byte {at}: a vote was forgotten"
        assert await replayed(journal) == chosen[: found.commit_slot], f"byte {at}: a chosen value changed"
        return "faulty" if found.faulty else "harmless"
    finally:
        await journal.close()


async def test_a_page_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    """S13, R13: a misdirected write puts one page over another."""
    await written(tmp_path, *(vote(slot, bytes(1000)) for slot in range(1, 60)))
    path = tmp_path / "journal.db"
    pages = os.stat(path).st_size // 4096
    with path.open("r+b") as file:
        file.seek((pages - 3) * 4096)
        page = file.read(4096)
        file.seek((pages - 6) * 4096)
        file.write(page)
    with pytest.raises(JournalCorrupt):
        await Journal.open(tmp_path, CLUSTER, NODE)


async def test_damage_that_sqlite_cannot_even_describe_is_damage(directory: Path) -> None:
    """R12: a flipped bit makes the schema no text; so is the message that quotes it, which the driver cannot decode."""
    path = directory / "journal.db"
    content = path.read_bytes()
    assert b"CREATE TABLE votes" in content
    path.write_bytes(content.replace(b"CREATE TABLE votes", b"CREATE TABL\xc5 votes"))
    with pytest.raises(JournalCorrupt, match="is damaged"):
        await Journal.open(directory, CLUSTER, NODE)
