"""The slots of one node: open votes, the chosen prefix, and the bounds of both."""

from __future__ import annotations

import pytest

from paxoskv.paxos import log as log_module
from paxoskv.paxos.ballot import Ballot, Vote
from paxoskv.paxos.log import SLOT_AHEAD_MAX, Log

BALLOT = Ballot(1, 1)


def vote(text: str, ballot: Ballot = BALLOT) -> Vote:
    return Vote(ballot, text.encode())


def chosen_log(count: int) -> Log:
    """A log with the slots 1..count chosen, as the journal knows."""
    log = Log()
    log.settle(count)
    for slot in range(1, count + 1):
        log.record(slot, vote(f"v{slot}"))
        log.choose()
    return log


def test_choose_moves_the_commit_slot_by_one_and_hands_out_the_vote() -> None:
    log = Log()
    log.record(1, vote("a"))
    log.record(2, vote("b"))
    assert log.choose() == (1, b"a")
    assert log.choose() == (2, b"b")
    assert log.commit_slot == 2


def test_choose_without_a_vote_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Log().choose()


def test_a_chosen_slot_never_changes() -> None:
    with pytest.raises(AssertionError, match="slot 1, chosen"):
        chosen_log(1).record(1, vote("other", Ballot(9, 1)))


def test_open_votes_lie_above_the_commit_slot_and_from_the_slot_asked_for() -> None:
    log = chosen_log(1)
    for slot in (5, 2, 3):
        log.record(slot, vote(f"v{slot}"))
    assert [slot for slot, _ in log.open_votes(1)] == [2, 3, 5]
    assert [slot for slot, _ in log.open_votes(3)] == [3, 5]


def test_a_recovered_log_knows_its_open_votes_and_its_damage() -> None:
    log = Log(commit_slot=4, open_votes={6: vote("f")}, faulty=[7, 5], compacted_slot=2)
    assert log.highest_slot == 7
    assert log.faulty == [5, 7]
    assert log.chosen_from(3, 4, 100) is None


@pytest.mark.parametrize(("commit_slot", "slot", "compacted"), [(4, 4, 0), (4, 3, 0), (4, 5, 5)])
def test_recovery_refuses_votes_below_the_commit_slot_and_compaction_above_it(
    commit_slot: int, slot: int, compacted: int
) -> None:
    with pytest.raises(AssertionError):
        Log(commit_slot, {slot: vote("x")}, (), compacted)


def test_a_vote_heals_a_damaged_slot() -> None:
    log = Log(faulty=[1, 2])
    log.record(1, vote("a"))
    assert log.faulty == [2]


def test_chosen_slots_are_served_from_memory_in_pieces() -> None:
    """P32: as many as fit, but one at least."""
    log = chosen_log(4)
    assert log.chosen_from(2, 9, 1000) == ((2, vote("v2")), (3, vote("v3")), (4, vote("v4")))
    assert log.chosen_from(2, 4, 4) == ((2, vote("v2")), (3, vote("v3")))
    assert log.chosen_from(2, 4, 0) == ((2, vote("v2")),)


def test_only_a_tail_of_chosen_slots_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "TAIL_SLOTS", 3)
    log = chosen_log(10)
    assert sorted(log.votes) == [8, 9, 10]
    assert log.chosen_from(7, 10, 1000) is None
    assert log.chosen_from(8, 8, 1000) == ((8, vote("v8")),)


def test_the_tail_is_bounded_in_bytes_but_keeps_the_last_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "TAIL_BYTES_MAX", 5)
    log = chosen_log(6)
    assert sorted(log.votes) == [5, 6]
    log.record(7, vote("x" * 50))
    log.settle(7)
    log.choose()
    assert sorted(log.votes) == [7]


def test_what_the_journal_does_not_know_to_be_chosen_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """P15: a laggard that nobody can tell would be left behind until the next write, however long that takes.

    A vote's row tells what was chosen before it, so the last slots of a burst are chosen and the journal knows nothing.
    """
    monkeypatch.setattr(log_module, "TAIL_SLOTS", 2)
    log = Log()
    for slot in range(1, 7):
        log.record(slot, vote(f"v{slot}"))
    log.settle(2)
    for _ in range(6):
        log.choose()
    assert log.chosen_from(3, 6, 1000) == tuple((slot, vote(f"v{slot}")) for slot in range(3, 7))
    assert log.chosen_from(2, 6, 1000) is None
    log.settle(6)
    log.record(7, vote("v7"))
    log.choose()
    assert sorted(log.votes) == [6, 7]


def test_no_room_far_above_the_commit_slot() -> None:
    """H14: no forged slot number makes a later leader fill an endless gap."""
    log = chosen_log(3)
    assert log.has_room(3 + SLOT_AHEAD_MAX)
    assert not log.has_room(4 + SLOT_AHEAD_MAX)
    assert not log.has_room(1 << 63)


def test_open_votes_are_bounded_in_bytes_but_the_next_slot_always_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """P33: the slot after the commit slot is what frees the others, so it is never refused."""
    monkeypatch.setattr(log_module, "OPEN_BYTES_MAX", 4)
    log = Log()
    log.record(2, vote("12345"))
    assert not log.has_room(3)
    assert log.has_room(1)
    log.record(1, vote("1"))
    log.choose()
    log.choose()
    assert log.has_room(4)


def test_a_replaced_vote_does_not_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "OPEN_BYTES_MAX", 6)
    log = Log()
    log.record(2, vote("12345"))
    log.record(2, vote("54321", Ballot(2, 2)))
    assert log.has_room(3)


def test_a_log_with_damage_in_its_chosen_part_knows_what_its_journal_still_tells() -> None:
    """P5: slots up to 9 are chosen; 4, 5 and 8 are damaged, and 11 is a damaged open one."""
    log = Log(3, {10: vote("j"), 12: vote("l")}, [4, 5, 8, 11], 0, known_slot=9)
    assert [slot for slot in range(1, 13) if slot > log.commit_slot and log.is_in_journal(slot)] == [6, 7, 9]
    assert (log.lost_to(4), log.lost_to(5), log.lost_to(8)) == (5, 5, 8)
    assert (log.sound_to(6), log.sound_to(7), log.sound_to(9)) == (7, 7, 9)
    assert [slot for slot, _ in log.open_votes(1)] == [10, 12]
    assert log.open_faulty() == [11]
    assert log.highest_slot == 12


def test_votes_of_this_life_count_from_the_known_slots_on() -> None:
    log = Log(3, {}, [4], 0, known_slot=SLOT_AHEAD_MAX * 2)
    assert log.has_room(4)
    assert log.has_room(3 * SLOT_AHEAD_MAX)
    assert not log.has_room(3 * SLOT_AHEAD_MAX + 1)


def test_choosing_moves_the_known_slot_when_it_is_passed() -> None:
    log = Log(1, {}, [2], 0, known_slot=2)
    for slot in (2, 3):
        log.record(slot, vote(f"v{slot}"))
        log.choose()
        assert (log.commit_slot, log.known_slot) == (slot, slot)
    assert log.mended == 1


def test_only_what_the_journal_should_hold_can_be_lost() -> None:
    log = Log(3, {6: vote("f")}, [4], 0, known_slot=5)
    for slot in (3, 4, 5, 6, 7):
        log.lose(slot)
    assert log.faulty == [4, 5]


def test_recovery_refuses_votes_that_are_known_to_be_chosen() -> None:
    with pytest.raises(AssertionError, match="known to be chosen"):
        Log(3, {5: vote("e")}, [4], 0, known_slot=5)


def test_a_full_disk_leaves_no_room_for_any_vote() -> None:
    """P9: not even for the one after the commit slot."""
    log = chosen_log(2)
    log.is_full = True
    assert not any(log.has_room(slot) for slot in (1, 3, 4))
    log.is_full = False
    assert log.has_room(3)
