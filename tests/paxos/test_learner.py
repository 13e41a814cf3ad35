"""The learner: what proves that a slot is chosen (P14), and how missing slots are fetched."""

from __future__ import annotations

import pytest

from paxoskv.paxos import learner as learner_module
from paxoskv.paxos import log as log_module
from paxoskv.paxos.ballot import Ballot, Slot, Vote
from paxoskv.paxos.effects import Effects, Load, SaveVote
from paxoskv.paxos.learner import Learner
from paxoskv.paxos.log import Log
from paxoskv.paxos.messages import CatchUp, Envelope, Learn
from paxoskv.paxos.timing import Timing

OLD, NOW = Ballot(1, 2), Ballot(2, 3)
NODE, LEADER, PEER = 1, 3, 2
REPEAT_S = Timing().repeat_s


def learner_with(votes: dict[Slot, Vote], commit_slot: Slot = 0) -> tuple[Learner, Log]:
    log = Log(commit_slot, votes)
    return Learner(NODE, log, Timing()), log


def chosen(count: int) -> tuple[Learner, Log]:
    """A learner that knows the slots 1..count, in memory."""
    learner, log = learner_with({slot: Vote(OLD, f"v{slot}".encode()) for slot in range(1, count + 1)})
    log.settle(count)
    for _ in range(count):
        learner.choose_next(Effects())
    return learner, log


def test_the_leaders_word_covers_votes_of_its_very_ballot() -> None:
    learner, _ = learner_with({1: Vote(NOW, b"a"), 2: Vote(NOW, b"b"), 3: Vote(NOW, b"c")})
    out = Effects()
    learner.on_commit(LEADER, NOW, 2, 10.0, out)
    assert out == Effects(chosen=[(1, b"a"), (2, b"b")])


@pytest.mark.parametrize("ballot", [OLD, Ballot(3, 1)])
def test_a_vote_of_another_ballot_is_not_chosen_but_asked_for(ballot: Ballot) -> None:
    """P14: "commit up to 2" says nothing about a stale vote in slot 1."""
    learner, log = learner_with({1: Vote(ballot, b"stale"), 2: Vote(NOW, b"b")})
    out = Effects()
    learner.on_commit(LEADER, NOW, 2, 10.0, out)
    assert out == Effects(send_now=[Envelope(LEADER, CatchUp(1, 2))])
    assert log.commit_slot == 0


def test_a_missing_vote_stops_the_prefix() -> None:
    learner, _ = learner_with({1: Vote(NOW, b"a"), 3: Vote(NOW, b"c")})
    out = Effects()
    learner.on_commit(LEADER, NOW, 3, 10.0, out)
    assert out == Effects(chosen=[(1, b"a")], send_now=[Envelope(LEADER, CatchUp(2, 3))])


def test_the_word_of_a_former_leader_is_outlived_by_that_of_a_newer_one() -> None:
    """Votes of the former ballot that its leader never confirmed stay open."""
    learner, log = learner_with({1: Vote(OLD, b"a")})
    learner.on_commit(LEADER, NOW, 1, 10.0, Effects())
    learner.on_commit(PEER, OLD, 1, 10.0, Effects())
    assert log.commit_slot == 0


def test_one_question_at_a_time_repeated_when_the_answer_is_overdue() -> None:
    learner, _ = learner_with({})
    out = Effects()
    learner.on_commit(LEADER, NOW, 5, 10.0, out)
    learner.on_commit(LEADER, NOW, 6, 10.0 + REPEAT_S * 0.9, out)
    assert out.send_now == [Envelope(LEADER, CatchUp(1, 5))]
    learner.on_commit(LEADER, NOW, 7, 10.0 + REPEAT_S * 1.1, out)
    assert out.send_now[1:] == [Envelope(LEADER, CatchUp(1, 7))]


def test_nobody_is_asked_for_what_it_does_not_know() -> None:
    learner, _ = chosen(3)
    out = Effects()
    learner.note(PEER, 3)
    learner.ask(PEER, 10.0, out)
    learner.ask(LEADER, 10.0, out)
    assert out == Effects()


def test_a_peer_that_forgot_unsynced_slots_is_not_asked_in_vain() -> None:
    """Its last word counts: a question it cannot answer would hold up the one that another peer can."""
    learner, _ = chosen(2)
    learner.note(PEER, 9)
    learner.note(PEER, 2)
    learner.note(LEADER, 5)
    out = Effects()
    learner.ask(PEER, 10.0, out)
    learner.ask(LEADER, 10.0, out)
    assert out.send_now == [Envelope(LEADER, CatchUp(3, 5))]


def test_lag_is_the_distance_to_the_best_informed_peer() -> None:
    learner, _ = chosen(2)
    assert learner.lag() == -2
    learner.note(PEER, 7)
    learner.note(LEADER, 4)
    assert learner.lag() == 5


def test_learned_values_are_recorded_handed_out_and_followed_by_the_next_question() -> None:
    learner, log = learner_with({})
    votes = ((1, Vote(OLD, b"a")), (2, Vote(NOW, b"b")))
    out = Effects()
    learner.on_learn(PEER, Learn(9, 0, votes), 10.0, out)
    assert out == Effects(
        send_now=[Envelope(PEER, CatchUp(3, 9))],
        persist=[SaveVote(1, Vote(OLD, b"a"), 0), SaveVote(2, Vote(NOW, b"b"), 1)],
        chosen=[(1, b"a"), (2, b"b")],
    )
    assert log.commit_slot == 2


def test_a_learned_value_replaces_a_stale_vote() -> None:
    """P14: the follower's own lower-ballot value was never chosen."""
    learner, log = learner_with({1: Vote(OLD, b"stale")})
    out = Effects()
    learner.on_learn(PEER, Learn(1, 0, ((1, Vote(NOW, b"right")),)), 10.0, out)
    assert out == Effects(persist=[SaveVote(1, Vote(NOW, b"right"), 0)], chosen=[(1, b"right")])
    assert log.votes[1] == Vote(NOW, b"right")


def test_a_vote_of_ours_above_the_learned_ballot_stays() -> None:
    learner, log = learner_with({1: Vote(NOW, b"a")})
    out = Effects()
    learner.on_learn(PEER, Learn(1, 0, ((1, Vote(OLD, b"a")),)), 10.0, out)
    assert out == Effects(chosen=[(1, b"a")])
    assert log.votes[1] == Vote(NOW, b"a")


def test_another_value_than_our_higher_vote_stops_the_process() -> None:
    learner, _ = learner_with({1: Vote(NOW, b"a")})
    with pytest.raises(AssertionError, match="slot 1: voted for another value"):
        learner.on_learn(PEER, Learn(1, 0, ((1, Vote(OLD, b"b")),)), 10.0, Effects())


def test_learned_slots_unlock_votes_the_leader_has_confirmed() -> None:
    learner, _ = learner_with({1: Vote(OLD, b"stale"), 2: Vote(NOW, b"b")})
    learner.on_commit(LEADER, NOW, 2, 10.0, Effects())
    out = Effects()
    learner.on_learn(PEER, Learn(2, 0, ((1, Vote(NOW, b"a")),)), 10.0, out)
    assert out.chosen == [(1, b"a"), (2, b"b")]
    assert out.send_now == []


@pytest.mark.parametrize("slots", [(3,), (0,), ()])
def test_values_that_do_not_follow_ours_are_ignored(slots: tuple[int, ...]) -> None:
    """P31: late, repeated or out of order."""
    learner, log = chosen(1)
    out = Effects()
    learner.on_learn(PEER, Learn(9, 0, tuple((slot, Vote(NOW, b"x")) for slot in slots)), 10.0, out)
    assert out == Effects()
    assert log.commit_slot == 1


def test_a_question_is_answered_from_memory_as_far_as_we_know() -> None:
    learner, _ = chosen(3)
    out = Effects()
    learner.on_catch_up(PEER, CatchUp(2, 99), out)
    votes = ((2, Vote(OLD, b"v2")), (3, Vote(OLD, b"v3")))
    assert out == Effects(send_now=[Envelope(PEER, Learn(3, 0, votes))])


def test_a_long_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """P32; the asker comes again."""
    monkeypatch.setattr(learner_module, "PART_BYTES_MAX", 4)
    learner, _ = chosen(5)
    out = Effects()
    learner.on_catch_up(PEER, CatchUp(1, 5), out)
    [envelope] = out.send_now
    assert isinstance(envelope.message, Learn)
    assert [slot for slot, _ in envelope.message.votes] == [1, 2]


@pytest.mark.parametrize("question", [CatchUp(4, 9), CatchUp(3, 2)])
def test_no_answer_about_slots_we_do_not_know(question: CatchUp) -> None:
    learner, _ = chosen(3)
    out = Effects()
    learner.on_catch_up(PEER, question, out)
    assert out == Effects()


def test_slots_that_left_memory_are_read_from_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "TAIL_SLOTS", 2)
    learner, _ = chosen(5)
    out = Effects()
    learner.on_catch_up(PEER, CatchUp(2, 9), out)
    assert out == Effects(load=[Load(PEER, 2, 5)])


def test_a_compacted_slot_is_answered_with_where_the_journal_begins() -> None:
    """P15: an empty answer that names the slot, never "empty slots"."""
    learner, log = chosen(5)
    log.compacted_slot = 3
    out = Effects()
    learner.on_catch_up(PEER, CatchUp(3, 5), out)
    assert out == Effects(send_now=[Envelope(PEER, Learn(5, 3, ()))])


def damaged(faulty: list[Slot], known_slot: Slot, votes: dict[Slot, Vote] | None = None) -> tuple[Learner, Log]:
    """A learner after a start that could not read the chosen slots in `faulty`."""
    log = Log(faulty[0] - 1, votes or {}, faulty, 0, known_slot)
    return Learner(NODE, log, Timing()), log


def test_lost_chosen_values_are_asked_of_peers_and_the_sound_ones_of_our_own_journal() -> None:
    """P5: slots 2, 3 and 6 of 7 are damaged."""
    learner, log = damaged([2, 3, 6], 7)
    out = Effects()
    learner.on_commit(LEADER, NOW, 9, 10.0, out)
    assert out == Effects(send_now=[Envelope(LEADER, CatchUp(2, 3))])
    out = Effects()
    learner.on_learn(LEADER, Learn(9, 0, ((2, Vote(OLD, b"b")), (3, Vote(OLD, b"c")))), 10.0, out)
    assert out == Effects(
        persist=[SaveVote(2, Vote(OLD, b"b"), 1), SaveVote(3, Vote(OLD, b"c"), 2)],
        load=[Load(NODE, 4, 5)],
        chosen=[(2, b"b"), (3, b"c")],
    )
    out = Effects()
    learner.on_learn(NODE, Learn(3, 0, ((4, Vote(OLD, b"d")), (5, Vote(OLD, b"e")))), 10.0, out)
    assert out == Effects(send_now=[Envelope(LEADER, CatchUp(6, 6))], chosen=[(4, b"d"), (5, b"e")])
    assert log.commit_slot == 5


def test_a_vote_of_this_life_in_a_lost_slot_holds_the_chosen_value() -> None:
    """P2b: whatever ballot it is of; no word of its leader is needed."""
    learner, log = damaged([2], 2)
    log.record(2, Vote(NOW, b"b"))
    out = Effects()
    learner.on_commit(LEADER, NOW, 0, 10.0, out)
    assert out == Effects(chosen=[(2, b"b")])


def test_our_journal_is_asked_again_when_its_answer_is_overdue() -> None:
    learner, _ = damaged([2], 5)
    learner.on_learn(PEER, Learn(2, 0, ((2, Vote(OLD, b"b")),)), 10.0, Effects())
    out = Effects()
    learner.on_commit(LEADER, NOW, 1, 10.0 + REPEAT_S * 0.9, out)
    assert out == Effects()
    learner.on_commit(LEADER, NOW, 1, 10.0 + REPEAT_S * 1.1, out)
    assert out == Effects(load=[Load(NODE, 3, 5)])


def test_a_peer_is_asked_at_once_for_what_our_own_journal_cannot_read() -> None:
    learner, log = damaged([2], 5)
    learner.note(PEER, 9)
    learner.on_learn(LEADER, Learn(2, 0, ((2, Vote(OLD, b"b")),)), 10.0, Effects())
    log.lose(3)
    out = Effects()
    learner.on_lost(10.0, out)
    assert out == Effects(send_now=[Envelope(PEER, CatchUp(3, 3))])


def test_the_best_informed_teach_first() -> None:
    learner, _ = chosen(1)
    for node, commit_slot in ((PEER, 5), (LEADER, 9), (4, 9), (5, 3)):
        learner.note(node, commit_slot)
    assert learner.teachers(4) == [LEADER, 4, PEER]
    assert learner.teachers(10) == []


def test_nothing_is_learned_that_the_disk_would_have_no_room_for() -> None:
    """P9: what our own journal holds costs none."""
    learner, log = damaged([2], 3)
    learner.on_learn(PEER, Learn(9, 0, ((2, Vote(OLD, b"b")),)), 10.0, Effects())
    log.is_full = True
    out = Effects()
    learner.on_commit(LEADER, NOW, 9, 20.0, out)
    learner.on_learn(PEER, Learn(9, 0, ((3, Vote(OLD, b"c")), (4, Vote(OLD, b"d")))), 20.0, out)
    assert out == Effects(load=[Load(NODE, 3, 3)], chosen=[(3, b"c")])
