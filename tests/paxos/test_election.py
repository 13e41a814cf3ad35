"""Who may try: silence, consent, patience, and random waits (P19 to P21)."""

from __future__ import annotations

from random import Random

from paxoskv.paxos.ballot import Ballot
from paxoskv.paxos.election import Election
from paxoskv.paxos.quorum import Quorums
from paxoskv.paxos.timing import Timing

TIMING = Timing()
T0 = 100.0
B1, B2 = Ballot(1, 2), Ballot(2, 3)
LONG_S = 10.0


def election(nodes: int = 3, seed: int = 1) -> Election:
    return Election(1, Quorums.of(range(1, nodes + 1)), TIMING, Random(seed), T0)


def test_nobody_asks_in_the_first_moment() -> None:
    """A node that has just started listens first, for a random time."""
    one = election()
    assert not one.may_ask(T0)
    assert one.may_ask(T0 + 2 * TIMING.heartbeat_s)


def test_a_leader_is_news_once() -> None:
    one = election()
    assert one.hear_leader(2, B1, T0)
    assert not one.hear_leader(2, B1, T0)
    assert one.hear_leader(3, B2, T0)
    assert (one.leader, one.leader_ballot) == (3, B2)


def test_an_outdated_leader_is_not_heard() -> None:
    one = election()
    one.hear_leader(3, B2, T0)
    assert not one.hear_leader(2, B1, T0 + 0.3)
    assert one.leader == 3
    assert not one.hears_leader(T0 + 0.41)


def test_while_a_leader_is_heard_nobody_asks() -> None:
    one = election()
    one.hear_leader(2, B1, T0)
    assert one.hears_leader(T0 + TIMING.election_timeout_s - 0.001)
    assert not one.may_ask(T0 + TIMING.election_timeout_s - 0.001)


def test_a_silent_leader_is_forgotten_once_after_a_random_patience() -> None:
    waits = set()
    for seed in range(30):
        one = election(seed=seed)
        one.hear_leader(2, B1, T0)
        patience_ms = next(ms for ms in range(1000) if one.lost_leader(T0 + ms / 1000))
        assert one.leader is None
        assert not one.lost_leader(T0 + LONG_S)
        waits.add(patience_ms)
    assert min(waits) >= 400
    assert max(waits) <= 601
    assert len(waits) > 10


def test_a_leader_known_to_be_gone_need_not_be_waited_for() -> None:
    one = election()
    one.hear_leader(2, B1, T0)
    assert not one.on_gone(3, T0)
    assert one.on_gone(2, T0)
    assert one.leader is None
    assert not one.hears_leader(T0)
    assert one.may_ask(T0 + TIMING.heartbeat_s)


def test_a_quorum_of_grants_of_the_current_attempt_is_consent() -> None:
    one = election(nodes=5)
    attempt = one.ask(T0)
    one.on_grant(2, attempt)
    one.on_grant(2, attempt)
    assert not one.is_granted()
    one.on_grant(3, attempt)
    assert one.is_granted()


def test_a_grant_of_another_attempt_counts_for_nothing() -> None:
    """P31: late, or meant for an earlier life of this node."""
    one = election()
    first = one.ask(T0)
    second = one.ask(T0 + 1)
    one.on_grant(2, first)
    one.on_grant(3, 0)
    assert not one.is_granted()
    one.on_grant(2, second)
    assert one.is_granted()


def test_without_an_attempt_no_grant_counts() -> None:
    one = election()
    one.on_grant(2, 0)
    one.on_grant(3, 0)
    assert not one.is_granted()


def test_attempts_of_two_lives_differ() -> None:
    assert election(seed=1).ask(T0) != election(seed=2).ask(T0)


def test_a_new_leader_ends_our_attempt() -> None:
    one = election()
    attempt = one.ask(T0)
    one.hear_leader(2, B1, T0)
    one.on_grant(2, attempt)
    assert not one.is_granted()


def test_an_unanswered_question_is_repeated() -> None:
    one = election()
    one.ask(T0)
    assert not one.may_ask(T0 + TIMING.repeat_s - 0.001)
    assert one.may_ask(T0 + TIMING.repeat_s + 0.001)


def test_the_wait_after_a_loss_is_random_grows_and_is_bounded() -> None:
    """P19."""
    bounds = [0.05, 0.1, 0.2, 0.4, 0.8, 0.8, 0.8]
    longest = [0.0] * len(bounds)
    for seed in range(40):
        one, now = election(seed=seed), T0
        for loss, bound in enumerate(bounds):
            now += LONG_S
            one.back_off(now)
            wait_s = next(ms / 1000 for ms in range(2000) if one.may_ask(now + ms / 1000))
            assert wait_s <= bound + 0.001
            longest[loss] = max(longest[loss], wait_s)
    assert all(seen > bound / 2 for seen, bound in zip(longest, bounds, strict=True))


def test_hearing_a_new_leader_ends_the_memory_of_losses() -> None:
    one = election()
    for _ in range(9):
        one.back_off(T0)
    one.hear_leader(2, B1, T0)
    one.on_gone(2, T0 + LONG_S)
    one.back_off(T0 + LONG_S)
    assert one.may_ask(T0 + LONG_S + TIMING.heartbeat_s)


def test_whoever_promised_another_candidate_leaves_it_the_time_to_win() -> None:
    """P19."""
    one = election()
    attempt = one.ask(T0)
    one.yield_to(T0)
    one.on_grant(2, attempt)
    assert not one.is_granted()
    assert not one.may_ask(T0 + TIMING.election_timeout_s - 0.001)
    assert one.may_ask(T0 + TIMING.election_timeout_s)


def test_deferring_to_a_better_informed_peer_is_a_courtesy_shown_once() -> None:
    """P20 (b): a rule would leave the cluster without a leader when only the laggard reaches a quorum."""
    one = election()
    now = T0 + LONG_S
    assert one.defer(now)
    assert not one.may_ask(now)
    assert one.may_ask(now + TIMING.election_jitter_s)
    assert not one.defer(now + LONG_S)
    one.hear_leader(2, B1, now)
    assert one.defer(now)


def test_a_node_alone_consents_to_itself() -> None:
    one = election(nodes=1)
    one.ask(T0)
    assert one.is_granted()
