"""What opening a damaged directory is judged by, and that a lie of the journal would be seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.paxos.effects import SaveVote
from paxoskv.storage.errors import JournalCorrupt
from paxoskv.storage.identity import Identity
from paxoskv.storage.journal import Journal
from paxoskv.verifier.exhaustive.crash import Files, read_files
from paxoskv.verifier.exhaustive.flip import Flip, Trier, task_line
from paxoskv.verifier.exhaustive.flips import sample_of
from paxoskv.verifier.exhaustive.opening import Memory, Outcome, compare, difference, open_files

VOTES = {slot: Vote(Ballot(1, 1), b"value %d" % slot) for slot in (1, 2, 3)}
BEFORE = Memory(Identity("c", 1, "life"), Ballot(1, 1), VOTES, frozenset(), seq=9, lives={2: "a", 3: "b"})


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (BEFORE, Outcome.HARMLESS),
        (replace(BEFORE, seq=10), Outcome.HARMLESS),
        (JournalCorrupt("damaged"), Outcome.REFUSED),
        (ValueError("what?"), Outcome.CRASHED),
        (replace(BEFORE, votes={1: VOTES[1], 3: VOTES[3]}, faulty=frozenset({2})), Outcome.REPAIRED),
        (replace(BEFORE, faulty=frozenset({4})), Outcome.REPAIRED),
        (replace(BEFORE, seq=8), Outcome.DISOWNED),
        (replace(BEFORE, seq=8, votes={1: VOTES[1], 2: VOTES[2]}), Outcome.DISOWNED),
        (replace(BEFORE, votes={1: VOTES[1], 2: VOTES[2]}), Outcome.SILENT),
        (replace(BEFORE, votes={**VOTES, 2: VOTES[1]}), Outcome.SILENT),
        (replace(BEFORE, votes={**VOTES, 4: VOTES[1]}), Outcome.SILENT),
        (replace(BEFORE, promised=Ballot(0, 1)), Outcome.SILENT),
        (replace(BEFORE, promised=Ballot(2, 1)), Outcome.SILENT),
        (replace(BEFORE, identity=Identity("c", 1, "another")), Outcome.SILENT),
        (replace(BEFORE, lives={2: "a"}), Outcome.SILENT),
    ],
)
def test_only_what_nobody_would_notice_is_silent(after: Memory | Exception, outcome: Outcome) -> None:
    assert compare(BEFORE, after) is outcome


def test_two_outcomes_are_wrong() -> None:
    assert [outcome for outcome in Outcome if not outcome.is_right] == [Outcome.CRASHED, Outcome.SILENT]


@pytest.fixture
async def files(tmp_path: Path) -> Files:
    """The files of a journal that was in use when its process was killed."""
    directory = tmp_path / "made"
    journal = await Journal.create(directory, "c", 1)
    for slot, vote in VOTES.items():
        await journal.write([SaveVote(slot, vote, slot - 1)])
    left = read_files(directory)
    await journal.close()
    return left


async def opened(directory: Path, files: Files) -> Memory:
    memory = await open_files(directory, files, "c", 1)
    assert isinstance(memory, Memory), memory
    return memory


async def test_an_opened_directory_tells_every_vote(files: Files, tmp_path: Path) -> None:
    memory = await opened(tmp_path / "opened", files)
    assert memory.votes == VOTES
    assert memory.promised == Ballot(1, 1)
    assert memory == await opened(tmp_path / "again", files)


async def test_every_flip_of_a_stride_is_harmless_repaired_or_refused(files: Files, tmp_path: Path) -> None:
    """A short form of `verify --exhaustive bytes`, over a journal without peers."""
    before = await opened(tmp_path / "opened", files)
    outcomes = set()
    for name, content in files.items():
        for offset in range(0, len(content), 2503):
            flip = Flip("killed", name, offset)
            after = await open_files(tmp_path / "flipped", flip.apply(files), "c", 1)
            outcome = compare(before, after)
            assert outcome.is_right, f"{flip}: {outcome} {after}"
            outcomes.add(outcome)
    assert {Outcome.HARMLESS, Outcome.REFUSED} <= outcomes


async def test_a_journal_that_hides_a_lost_vote_would_be_seen(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P5: were damaged rows taken for absent ones, the comparison would call it silent."""
    before = await opened(tmp_path / "opened", files)
    open_journal = Journal.open

    async def forgetful(directory: Path, cluster: str, node: int) -> Any:
        journal = await open_journal(directory, cluster, node)
        votes = {slot: vote for slot, vote in journal.recovered.open_votes.items() if slot != 3}
        journal.recovered = replace(journal.recovered, open_votes=votes)
        return journal

    monkeypatch.setattr(Journal, "open", forgetful)
    assert compare(before, await opened(tmp_path / "lied", files)) is Outcome.SILENT


def test_every_bit_of_a_byte_has_its_turn_and_only_one_flips() -> None:
    content = bytes(64)
    masks = set()
    for offset in range(64):
        flipped = Flip("killed", "f", offset).apply({"f": content, "g": content})
        assert flipped["g"] == content
        masks.add(flipped["f"][offset])
        assert sum(byte.bit_count() for byte in flipped["f"]) == 1
    assert masks == {1 << bit for bit in range(8)}


def test_the_sample_holds_every_outcome_in_every_file() -> None:
    found = [
        (Flip(how, file, offset), outcome)
        for how in ("killed", "stopped")
        for file in ("a", "b")
        for offset, outcome in enumerate([Outcome.HARMLESS] * 50 + [Outcome.REFUSED] * 2 + [Outcome.SILENT] * 3)
    ]
    sample = list(sample_of(found))
    assert len(sample) == len(set(sample)) == 2 * 2 * (6 + 2)
    assert Outcome.SILENT not in {outcome for _, outcome in sample}


async def test_a_trier_gives_every_flip_its_outcome(files: Files, tmp_path: Path) -> None:
    trier = Trier(json.loads(task_line(tmp_path, "c", 1, {"killed": files})))
    flips = [Flip("killed", name, offset) for name in files for offset in range(0, len(files[name]), 2000)]
    found = await trier.try_all(flips)
    assert len(found) == len(flips) > 10
    assert {Outcome(one.outcome).is_right for one in found} == {True}
    assert {one.why for one in found} == {""}


async def test_a_trier_knows_what_it_was_given(files: Files, tmp_path: Path) -> None:
    trier = Trier(json.loads(task_line(tmp_path, "another cluster", 1, {"killed": files})))
    with pytest.raises(RuntimeError, match="is not opened undamaged"):
        await trier.try_all([Flip("killed", "journal.db", 0)])


def test_a_difference_is_told_in_words() -> None:
    after = replace(BEFORE, seq=10, votes={1: VOTES[1], 2: VOTES[1]}, faulty=frozenset({3}))
    assert difference(BEFORE, after) == "seq 9 became 10, the votes in slots [2] changed"
    assert "ValueError" in difference(BEFORE, ValueError("what?"))
