"""The verdict over all rows: chosen, open, damaged, lost; and the sequence number (P4, P5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paxoskv.paxos.ballot import Ballot, Slot, Vote
from paxoskv.storage.records import CompactionRecord, PromiseRecord, Row, Seal, VoteRecord, decode_vote, encode_vote
from paxoskv.storage.scan import SEQ_AHEAD_MAX, Recovered, Scan, SlotUnknown

SEAL = Seal("a")
B1, B2 = Ballot(1, 1), Ballot(2, 2)


def row(slot: Slot, commit_slot: Slot, seq: int = 1) -> Row:
    return encode_vote(SEAL, VoteRecord(slot, Vote(B1, b"v%d" % slot), commit_slot, seq))


def damaged(good: Row, **columns: object) -> Row:
    """The row with another value, and with other `columns` where named."""
    names = ("slot", "slot_copy", "round", "node", "commit_slot", "seq", "checksum", "value")
    return tuple(columns.get(name, b"?" if name == "value" else item) for name, item in zip(names, good, strict=True))


def verdict(*rows: Row, compacted_slot: Slot = 0, promise_seq: int = 1) -> Recovered:
    scan = Scan(PromiseRecord(B2, promise_seq), CompactionRecord(compacted_slot, 1))
    for one in rows:
        scan.take(one, decode_vote(SEAL, one))
    return scan.result()


def test_the_promise_is_the_highest_ballot_voted_in_whatever_its_own_row_says() -> None:
    """P6: a write that was reported as failed may be there after all, and the one before it not."""
    above = encode_vote(SEAL, VoteRecord(1, Vote(Ballot(5, 3), b"x"), 0, 7))
    assert verdict(above, row(2, 0)).promised == Ballot(5, 3)
    assert verdict(row(1, 0)).promised == B2
    assert verdict(above).seq == 7


def test_nothing_written_is_nothing_lost() -> None:
    assert verdict() == Recovered(B2, 0, 0, 0, 0, 1, {}, ())


def test_votes_up_to_the_highest_commit_slot_are_chosen_the_others_open() -> None:
    found = verdict(row(1, 0), row(2, 0), row(3, 2), row(7, 2))
    assert (found.commit_slot, found.known_slot, found.highest_slot, found.faulty) == (2, 2, 7, ())
    assert sorted(found.open_votes) == [3, 7]


def test_a_gap_above_the_commit_slot_is_no_damage_and_one_below_it_is_lost() -> None:
    assert verdict(row(1, 0), row(4, 1), row(6, 1)).faulty == ()
    assert verdict(row(1, 0), row(4, 1), row(6, 4)).faulty == (2, 3)


def test_a_gap_that_touches_a_chosen_slot_is_lost_as_a_whole() -> None:
    """Slot 3 was chosen and its row is gone: nothing says that 4 and 5 never had one."""
    found = verdict(row(1, 0), row(2, 1), row(6, 3), row(9, 3))
    assert (found.commit_slot, found.known_slot, found.faulty) == (2, 3, (3, 4, 5))
    assert sorted(found.open_votes) == [6, 9]


def test_chosen_rows_missing_at_the_end_are_lost() -> None:
    """Only a record that was written anew at run time claims more than comes before it."""
    found = verdict(row(1, 4))
    assert (found.commit_slot, found.known_slot, found.highest_slot, found.faulty) == (1, 4, 4, (2, 3, 4))


def test_rows_that_were_to_be_removed_count_for_nothing() -> None:
    found = verdict(damaged(row(2, 0)), row(4, 3), row(5, 4), compacted_slot=3)
    assert (found.commit_slot, found.compacted_slot, found.faulty) == (4, 3, ())
    assert verdict(row(5, 4), compacted_slot=3).faulty == (4,)


@pytest.mark.parametrize("columns", [{"slot": 9}, {"slot_copy": 9}, {"slot": 0, "slot_copy": 0}, {"slot_copy": None}])
def test_a_row_whose_slot_cannot_be_told_may_be_any_vote(columns: dict[str, object]) -> None:
    with pytest.raises(SlotUnknown):
        verdict(damaged(row(5, 3), **columns))


def test_the_promise_covers_the_votes_and_the_other_way_round() -> None:
    assert verdict(row(1, 0)).promised == B2
    scan = Scan(PromiseRecord(Ballot(0, 0), 1), CompactionRecord(0, 1))
    scan.take(row(1, 0), decode_vote(SEAL, row(1, 0)))
    assert scan.result().promised == B1


def test_the_sequence_number_is_the_highest_of_all_rows() -> None:
    assert verdict(row(1, 0, seq=7), row(2, 1, seq=5)).seq == 7
    assert verdict(row(1, 0, seq=7), promise_seq=9).seq == 9


@pytest.mark.parametrize(("claim", "seq"), [(9, 9), (3, 7), (7 + SEQ_AHEAD_MAX, 7 + SEQ_AHEAD_MAX)])
def test_a_damaged_row_may_hold_the_latest_sequence_number(claim: int, seq: int) -> None:
    """P4: without it, a node that can be repaired would look like one that was rolled back."""
    assert verdict(row(1, 0, seq=7), damaged(row(2, 1), seq=claim)).seq == seq


@pytest.mark.parametrize("claim", [8 + SEQ_AHEAD_MAX, (1 << 63) - 1, -1, None, b"x"])
def test_an_absurd_claim_is_part_of_the_damage(claim: object) -> None:
    """And a plausible one beside it counts still."""
    found = verdict(row(1, 0, seq=7), damaged(row(2, 1), seq=claim), damaged(row(3, 1), seq=8))
    assert found.seq == 8


@given(
    votes=st.sets(st.integers(1, 40)),
    chosen=st.integers(0, 20),
    hurt=st.sets(st.integers(1, 40)),
    lost=st.sets(st.integers(1, 40)),
)
def test_no_slot_that_had_a_vote_passes_for_empty(votes: set[int], chosen: int, hurt: set[int], lost: set[int]) -> None:
    """Whatever is damaged, and whatever chosen rows vanish: each vote is there as it was, or its slot is faulty."""
    votes |= set(range(1, chosen + 1))
    gone = lost & set(range(1, chosen + 1))
    rows = [row(slot, min(slot - 1, chosen)) for slot in sorted(votes - gone)]
    found = verdict(*(damaged(one) if one[0] in hurt else one for one in rows))
    told = {*range(1, found.commit_slot + 1), *found.open_votes, *found.faulty}
    assert found.commit_slot <= found.known_slot <= chosen
    assert votes - gone <= told | set(range(1, found.known_slot + 1))
    assert not {*range(1, found.commit_slot + 1)} & (hurt | gone)
    assert not found.open_votes.keys() & hurt
    assert gone & set(range(1, found.known_slot + 1)) <= set(found.faulty)
