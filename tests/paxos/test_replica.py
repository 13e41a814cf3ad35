"""The replica: one message or tick in a given state, and the exact Effects; roles and what they reset."""

from __future__ import annotations

from random import Random

import pytest

from paxoskv.paxos.ballot import NO_BALLOT, NOOP, Ballot, Vote
from paxoskv.paxos.effects import Effects, SavePromise, SaveVote
from paxoskv.paxos.log import SLOT_AHEAD_MAX, Log
from paxoskv.paxos.messages import (
    Accept,
    Accepted,
    Ask,
    CatchUp,
    Envelope,
    Grant,
    Heartbeat,
    HeartbeatAck,
    Learn,
    Message,
    Prepare,
    Promise,
    ReadAnswer,
    ReadAsk,
    Rejected,
)
from paxoskv.paxos.plausibility import ROUND_JUMP_MAX, Implausible
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.replica import Replica, Role, Settings
from paxoskv.paxos.timing import Timing

NOW = 100.0
B1, B2, B3 = Ballot(1, 2), Ballot(2, 2), Ballot(3, 3)


def replica(
    log: Log | None = None, promised: Ballot = NO_BALLOT, *, nodes: int = 3, phase2: int | None = None, seed: int = 1
) -> Replica:
    settings = Settings(1, Quorums.of(range(1, nodes + 1), phase2), Timing(), window=4)
    return Replica(settings, log or Log(), promised, Random(seed), NOW)


def sent(out: Effects, kind: type[Message]) -> list[Envelope]:
    return [envelope for envelope in out.send_now + out.send_synced if isinstance(envelope.message, kind)]


def role_of(one: Replica) -> Role:
    return one.role


def reach(one: Replica, now: float, *peers: int) -> None:
    """Complete a heartbeat round trip with each of `peers`."""
    beats = sent(one.on_timer(now), Heartbeat)
    for envelope in beats:
        assert isinstance(envelope.message, Heartbeat)
        if envelope.to in peers:
            one.on_message(envelope.to, HeartbeatAck(envelope.message.ballot, envelope.message.round, NO_BALLOT), now)


def ask_of(one: Replica, now: float) -> int:
    """Let the replica ask for consent at `now`; return the number of its attempt."""
    envelope = sent(one.on_timer(now), Ask)[0]
    assert isinstance(envelope.message, Ask)
    return envelope.message.attempt


def stand(one: Replica) -> tuple[Ballot, Effects]:
    """Make the replica a candidate of a cluster of three."""
    reach(one, NOW, 2)
    out = one.on_message(2, Grant(ask_of(one, NOW + 0.2)), NOW + 0.2)
    assert role_of(one) is Role.CANDIDATE
    return one.promised, out


def lead(one: Replica) -> tuple[Ballot, Effects]:
    """Make the replica the leader of a cluster of three, nothing being open."""
    ballot, out = stand(one)
    own = next(e.message for e in out.send_synced if isinstance(e.message, Promise))
    one.on_written(out.ticket, NOW + 0.2)
    one.on_message(1, own, NOW + 0.2)
    out = one.on_message(2, Promise(ballot, 0, 1, 0, 0, (), (), 1, 0), NOW + 0.2)
    assert role_of(one) is Role.LEADER
    return ballot, out


def choose(one: Replica, ballot: Ballot, slot: int) -> Effects:
    one.on_message(1, Accepted(ballot, slot), NOW + 0.2)
    return one.on_message(2, Accepted(ballot, slot), NOW + 0.2)


# Standing


def test_a_node_that_reaches_nobody_does_not_ask() -> None:
    """P21: what it could hear, it does not."""
    one = replica()
    outs = [one.on_timer(NOW + ms / 1000) for ms in range(0, 3000, 10)]
    assert not any(sent(out, Ask) for out in outs)


def test_a_node_that_reaches_a_quorum_and_hears_no_leader_asks_everybody() -> None:
    one = replica()
    reach(one, NOW, 3)
    out = one.on_timer(NOW + 0.2)
    assert [envelope.to for envelope in sent(out, Ask)] == [2, 3]
    assert one.promised == NO_BALLOT, "asking raises no ballot"


def test_a_node_stands_only_if_it_could_also_finish_phase_2() -> None:
    """With phase-1 quorums of 2 and phase-2 quorums of 4, one peer is enough to win and too few to lead."""
    one = replica(nodes=5, phase2=4)
    reach(one, NOW, 2)
    assert sent(one.on_timer(NOW + 0.2), Ask) == []
    other = replica(nodes=5, phase2=4)
    reach(other, NOW, 2, 3, 4)
    assert len(sent(other.on_timer(NOW + 0.2), Ask)) == 4


def test_hearing_others_is_not_reaching_them() -> None:
    """P21: heartbeats that arrive prove nothing about ours, neither for standing nor for staying."""
    idle, leader = replica(), replica()
    lead(leader)
    for ms in range(210, 1200, 10):
        for one in (idle, leader):
            one.on_message(2, Heartbeat(NO_BALLOT, 0, ms, connected=True), NOW + ms / 1000)
            assert sent(one.on_timer(NOW + ms / 1000), Ask) == []
    assert role_of(leader) is Role.FOLLOWER


def test_consent_is_given_when_no_leader_is_heard() -> None:
    assert replica().on_message(2, Ask(77), NOW) == Effects(send_now=[Envelope(2, Grant(77))])


def test_no_consent_while_a_connected_leader_is_heard() -> None:
    """P20, P21."""
    one = replica()
    one.on_message(2, Heartbeat(B1, 0, 1, connected=True), NOW)
    assert one.on_message(3, Ask(77), NOW + 0.39) == Effects()
    assert one.on_message(3, Ask(77), NOW + 0.41) == Effects(send_now=[Envelope(3, Grant(77))])


def test_a_leader_without_a_quorum_is_no_reason_to_refuse_consent() -> None:
    """P20 (a)."""
    one = replica()
    one.on_message(2, Heartbeat(B1, 0, 1, connected=False), NOW)
    assert one.leader is None
    assert sent(one.on_message(3, Ask(77), NOW), Grant)


def test_a_leader_gives_no_consent() -> None:
    one = replica()
    lead(one)
    assert one.on_message(3, Ask(77), NOW + 0.2) == Effects()


def test_a_quorum_of_consent_makes_a_candidate_with_a_durable_new_ballot() -> None:
    """P2: the Prepare leaves behind the record of its ballot."""
    one = replica(promised=Ballot(6, 3))
    ballot, out = stand(one)
    assert ballot == Ballot(7, 1)
    assert out.persist == [SavePromise(ballot)]
    assert out.send_now == []
    assert [e.to for e in out.send_synced if isinstance(e.message, Prepare)] == [2, 3]
    assert out.role_changed


def test_a_new_ballot_is_above_every_ballot_heard_of() -> None:
    """P2, P19: rejections and acks carry the higher ballot as a hint."""
    one = replica()
    one.on_message(2, HeartbeatAck(NO_BALLOT, 1, Ballot(8, 3)), NOW)
    one.on_message(2, Rejected(Ballot(1, 1), Ballot(9, 3)), NOW)
    assert stand(one)[0] == Ballot(10, 1)


def test_a_stalled_disk_does_not_stand() -> None:
    """P18."""
    one = replica()
    one.on_message(2, Accept(B1, 1, b"x", 0), NOW - 1)
    reach(one, NOW, 2)
    assert sent(one.on_timer(NOW + 0.3), Ask) == []


def test_a_candidate_without_answers_gives_up() -> None:
    one = replica()
    stand(one)
    one.on_timer(NOW + 0.59)
    assert role_of(one) is Role.CANDIDATE
    out = one.on_timer(NOW + 0.61)
    assert role_of(one) is Role.FOLLOWER
    assert out.role_changed


@pytest.mark.parametrize("message", [Prepare(B3, 1), Accept(B3, 1, b"x", 0), Heartbeat(B3, 0, 1, connected=True)])
@pytest.mark.parametrize("role", [Role.CANDIDATE, Role.LEADER])
def test_a_higher_ballot_deposes(role: Role, message: Message) -> None:
    one = replica()
    stand(one) if role is Role.CANDIDATE else lead(one)
    out = one.on_message(3, message, NOW + 0.2)
    assert role_of(one) is Role.FOLLOWER
    assert out.role_changed
    assert not one.can_propose()


def test_a_rejection_of_our_ballot_deposes_a_rejection_of_another_does_not() -> None:
    one = replica()
    ballot, _ = lead(one)
    one.on_message(3, Rejected(Ballot(0, 1), B3), NOW + 0.2)
    assert role_of(one) is Role.LEADER
    one.on_message(3, Rejected(ballot, B3), NOW + 0.2)
    assert role_of(one) is Role.FOLLOWER


def test_an_ack_that_tells_of_a_higher_promise_deposes() -> None:
    """Otherwise the node that promised could never follow again."""
    one = replica()
    ballot, _ = lead(one)
    one.on_message(3, HeartbeatAck(ballot, 1, B3), NOW + 0.2)
    assert role_of(one) is Role.FOLLOWER


def test_whoever_promised_another_candidate_does_not_ask_at_once() -> None:
    """P19."""
    one = replica()
    reach(one, NOW, 2)
    one.on_message(2, Prepare(B1, 1), NOW + 0.1)
    assert sent(one.on_timer(NOW + 0.2), Ask) == []


# Leading


def test_a_new_leader_says_so_and_opens_its_leadership_with_a_noop() -> None:
    one = replica()
    ballot, out = lead(one)
    assert [e.to for e in sent(out, Heartbeat)] == [2, 3]
    assert [e.message for e in sent(out, Accept)] == [Accept(ballot, 1, NOOP, 0)] * 2
    assert out.persist == [SaveVote(1, Vote(ballot, NOOP), 0)]
    assert out.send_synced == [Envelope(1, Accepted(ballot, 1))]
    assert (one.leader, one.ballot) == (1, ballot)


def test_accepts_leave_before_the_leaders_own_disk_write() -> None:
    one = replica()
    ballot, _ = lead(one)
    slot, out = one.propose(b"x", NOW + 0.2)
    assert slot == 2
    assert out.send_now == [Envelope(peer, Accept(ballot, 2, b"x", 0)) for peer in (2, 3)]
    assert out.persist == [SaveVote(2, Vote(ballot, b"x"), 0)]
    assert out.send_synced == [Envelope(1, Accepted(ballot, 2))]


def test_a_quorum_of_votes_hands_the_value_out_once() -> None:
    one = replica()
    ballot, _ = lead(one)
    assert choose(one, ballot, 1).chosen == [(1, NOOP)]
    assert one.on_message(3, Accepted(ballot, 1), NOW + 0.2) == Effects()


def test_proposing_without_leading_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="without leading"):
        replica().propose(b"x", NOW)


def test_proposing_beyond_the_window_is_a_bug() -> None:
    one = replica()
    lead(one)
    for _ in range(3):
        assert one.can_propose()
        one.propose(b"x", NOW + 0.2)
    assert not one.can_propose()
    with pytest.raises(AssertionError, match="full window"):
        one.propose(b"x", NOW + 0.2)


def test_a_candidate_learns_what_others_know_before_it_leads() -> None:
    """P15: below a reported commit slot nothing is empty."""
    one = replica()
    ballot, out = stand(one)
    one.on_written(out.ticket, NOW + 0.2)
    for envelope in out.send_synced:
        if envelope.to == 1:
            one.on_message(1, envelope.message, NOW + 0.2)
    out = one.on_message(2, Promise(ballot, 0, 1, 2, 0, (), (), 1, 2), NOW + 0.2)
    assert role_of(one) is Role.CANDIDATE
    assert out.send_now == [Envelope(2, CatchUp(1, 2))]
    out = one.on_message(2, Learn(2, 0, ((1, Vote(B1, b"a")), (2, Vote(B1, b"b")))), NOW + 0.3)
    assert out.chosen == [(1, b"a"), (2, b"b")]
    assert role_of(one) is Role.LEADER
    assert one.next_slot == 4


def test_learning_gives_a_candidate_more_time() -> None:
    """P20 (b): a candidate far behind fetches more than one answer holds."""
    one = replica()
    stand(one)
    one.on_message(2, Learn(9, 0, ((1, Vote(B1, b"a")),)), NOW + 0.5)
    one.on_timer(NOW + 0.8)
    assert role_of(one) is Role.CANDIDATE


def test_a_leader_without_a_quorum_steps_down() -> None:
    one = replica()
    lead(one)
    out = Effects()
    for ms in range(200, 500, 10):
        out = one.on_timer(NOW + ms / 1000)
    assert role_of(one) is Role.FOLLOWER
    assert not out.role_changed, "it stepped down when the timeout was over, not in the last step"


def test_a_leader_whose_disk_stands_still_steps_down() -> None:
    """P18: its network is fine."""
    one = replica()
    lead(one)
    for ms in range(200, 700, 10):
        reach(one, NOW + ms / 1000, 2, 3)
    assert role_of(one) is Role.FOLLOWER


def test_stepping_down_is_told_to_the_others_with_the_next_tick() -> None:
    one = replica()
    lead(one)
    one.step_down(NOW + 0.21)
    beats = sent(one.on_timer(NOW + 0.22), Heartbeat)
    assert [(e.to, e.message.ballot) for e in beats if isinstance(e.message, Heartbeat)] == [
        (2, NO_BALLOT),
        (3, NO_BALLOT),
    ]


def test_a_leader_learns_nothing_from_others() -> None:
    one = replica()
    lead(one)
    assert one.on_message(2, Learn(1, 0, ((1, Vote(B1, b"a")),)), NOW + 0.2) == Effects()
    assert one.on_message(2, ReadAnswer(1, Ballot(0, 2), 9, 9), NOW + 0.2) == Effects()


def test_an_unanswered_accept_is_repeated_to_a_peer_within_reach() -> None:
    one = replica()
    ballot, _ = lead(one)
    reach(one, NOW + 0.3, 2)
    accepts = sent(one.on_timer(NOW + 0.41), Accept)
    assert accepts == [Envelope(2, Accept(ballot, 1, NOOP, 0))]


# Following


def test_a_heartbeat_is_answered_with_our_promise_and_followed() -> None:
    one = replica(promised=B1)
    out = one.on_message(2, Heartbeat(B1, 0, 5, connected=True), NOW)
    assert out == Effects(send_now=[Envelope(2, HeartbeatAck(B1, 5, B1))], role_changed=True)
    assert (one.leader, one.ballot) == (2, B1)


def test_a_heartbeat_below_our_promise_is_answered_but_not_followed() -> None:
    one = replica(promised=B3)
    out = one.on_message(2, Heartbeat(B1, 4, 5, connected=True), NOW)
    assert out == Effects(send_now=[Envelope(2, HeartbeatAck(B1, 5, B3))])
    assert one.leader is None


def test_a_heartbeat_in_the_name_of_another_is_not_followed() -> None:
    one = replica()
    one.on_message(3, Heartbeat(B1, 0, 5, connected=True), NOW)
    assert one.leader is None


def test_a_leader_that_leads_no_more_is_forgotten_at_once() -> None:
    one = replica()
    one.on_message(2, Heartbeat(B1, 0, 5, connected=True), NOW)
    out = one.on_message(2, Heartbeat(NO_BALLOT, 0, 6, connected=False), NOW + 0.01)
    assert one.leader is None
    assert out.role_changed


def test_a_leader_whose_process_is_gone_is_forgotten_at_once() -> None:
    one = replica()
    one.on_message(2, Heartbeat(B1, 0, 5, connected=True), NOW)
    assert not one.on_peer_down(3, NOW).role_changed
    assert one.on_peer_down(2, NOW).role_changed
    assert one.leader is None


def test_an_accept_is_voted_for_followed_and_tells_what_is_chosen() -> None:
    one = replica(Log(0, {1: Vote(B1, b"a")}), B1)
    out = one.on_message(2, Accept(B1, 2, b"b", 1), NOW)
    assert out == Effects(
        persist=[SaveVote(2, Vote(B1, b"b"), 0)],
        ticket=1,
        send_synced=[Envelope(2, Accepted(B1, 2))],
        chosen=[(1, b"a")],
        role_changed=True,
    )


def test_without_a_leader_anybody_who_knows_more_is_asked() -> None:
    one = replica()
    out = one.on_message(3, Heartbeat(NO_BALLOT, 4, 1, connected=True), NOW)
    assert sent(out, CatchUp) == [Envelope(3, CatchUp(1, 4))]


def test_answers_of_two_lives_have_different_numbers() -> None:
    """P12, P31: else parts of a promise of before a restart would be put together with parts of one after it."""
    answers = set()
    for life in (1, 2):
        [envelope] = replica(seed=life).on_message(2, Prepare(B1, 1), NOW).send_synced
        assert isinstance(envelope.message, Promise)
        answers.add(envelope.message.answer)
    assert len(answers) == 2


# Reads


def test_a_follower_passes_a_read_on_and_answers_when_it_has_the_slot() -> None:
    one = replica(Log(0, {1: Vote(B1, b"a")}), B1)
    one.on_message(2, Heartbeat(B1, 0, 5, connected=True), NOW)
    [envelope] = one.read(11, NOW).send_now
    assert isinstance(envelope.message, ReadAsk)
    out = one.on_message(2, ReadAnswer(envelope.message.ask, B1, 1, 1), NOW + 0.01)
    assert out == Effects(chosen=[(1, b"a")], reads_ready=[11])


def test_a_read_without_a_leader_fails_at_once() -> None:
    assert replica().read(11, NOW) == Effects(reads_failed=[11])


def test_reads_that_wait_behind_a_lost_question_are_asked_in_their_turn() -> None:
    """No read hangs: neither the one whose question was lost, nor those that came after it."""
    one = replica()
    one.on_message(2, Heartbeat(B1, 0, 1, connected=True), NOW)
    one.read(11, NOW)
    one.read(12, NOW + 0.1)
    one.on_message(2, Heartbeat(B1, 0, 2, connected=True), NOW + 0.4)
    out = one.on_timer(NOW + 0.41)
    assert out.reads_failed == [11]
    [envelope] = sent(out, ReadAsk)
    assert isinstance(envelope.message, ReadAsk)
    answer = ReadAnswer(envelope.message.ask, B1, 0, 0)
    assert one.on_message(2, answer, NOW + 0.42).reads_ready == [12]


def test_a_change_of_leader_fails_a_followers_reads() -> None:
    one = replica()
    one.on_message(2, Heartbeat(B1, 0, 1, connected=True), NOW)
    one.read(11, NOW)
    assert one.on_message(3, Heartbeat(B3, 0, 1, connected=True), NOW).reads_failed == [11]


def test_stepping_down_fails_the_leaders_reads() -> None:
    """P23 (4)."""
    one = replica()
    lead(one)
    one.read(11, NOW + 0.2)
    assert one.step_down(NOW + 0.2).reads_failed == [11]


def test_a_leader_confirms_a_read_with_a_round_of_its_own() -> None:
    one = replica()
    ballot, _ = lead(one)
    choose(one, ballot, 1)
    beats = sent(one.read(11, NOW + 0.2), Heartbeat)
    assert len(beats) == 2
    message = beats[0].message
    assert isinstance(message, Heartbeat)
    assert one.on_message(3, HeartbeatAck(ballot, message.round - 1, ballot), NOW + 0.2).reads_ready == []
    assert one.on_message(3, HeartbeatAck(ballot, message.round, ballot), NOW + 0.2).reads_ready == [11]


# What no correct peer sends (H14)


@pytest.mark.parametrize(
    "message",
    [
        Prepare(Ballot(5, 3), 1),
        Accept(Ballot(5, 3), 1, b"x", 0),
        Prepare(Ballot(ROUND_JUMP_MAX + 1, 2), 1),
        Accept(Ballot(1 << 62, 2), 1, b"x", 0),
        Heartbeat(Ballot(1 << 62, 2), 0, 1, connected=True),
        HeartbeatAck(NO_BALLOT, 1, Ballot(1 << 62, 2)),
        Rejected(B1, Ballot(1 << 62, 2)),
        Promise(B1, 0, 1, 0, 0, ((2 + SLOT_AHEAD_MAX, Vote(B1, b"x")),), (), 1, 0),
        Promise(B1, 0, 1, 0, 0, (), (1 << 62,), 1, 0),
        Promise(B1, 1, 1, 0, 0, (), (), 1, 0),
        Promise(B1, 0, 0, 0, 0, (), (), 1, 0),
    ],
    ids=lambda message: f"{type(message).__name__}",
)
def test_an_implausible_message_is_refused_and_changes_nothing(message: Message) -> None:
    one = replica()
    with pytest.raises(Implausible):
        one.on_message(2, message, NOW)
    assert one.promised == NO_BALLOT
    assert one.log.votes == {}
    assert stand(one)[0] == Ballot(1, 1), "the numbers are not used up"


def test_a_bounded_jump_of_the_round_is_believed() -> None:
    one = replica()
    one.on_message(2, Prepare(Ballot(ROUND_JUMP_MAX, 2), 1), NOW)
    assert one.promised == Ballot(ROUND_JUMP_MAX, 2)
