"""Reads in every mode, of the present and of the past, in pages, with their age (P24, P29, H4, H17)."""

from __future__ import annotations

from typing import Any

import pytest

from paxoskv.kv import operations, requests
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from paxoskv.net.protocol import ProtocolError
from paxoskv.node import reads, scans
from paxoskv.node.freshness import Freshness
from paxoskv.node.revisionwaits import TIMEOUT_S
from paxoskv.node.service import Service
from paxoskv.paxos.lease import LeaseTerms
from tests.node.kit import BOUNDS, TIMING, Answers, Lab, serve
from tests.node.watching import LIMITS, Theatre

G, R, L, LS = protocol.GET, protocol.RANGE, protocol.LEASE, protocol.LEASES
LIN, STALE, AT_LEAST = protocol.LINEARIZABLE, protocol.STALE, protocol.AT_LEAST
OK = protocol.OK


def ask(theatre: Theatre, kind: int, *fields: Any) -> tuple[Any, ...]:
    """Ask, let the lab settle, and return the answer, () if there is none."""
    answers = Answers()
    number = theatre.ask(answers, kind, *fields)
    theatre.lab.settle()
    return answers.got.get(number, ())


def filled(keys: int, limits: KvLimits = LIMITS) -> Theatre:
    """A node with keys k00, k01 ..., each put at the revision after its number."""
    theatre = Theatre(limits)
    for number in range(keys):
        theatre.put(b"k%02d" % number, b"v%d" % number)
    return theatre


# The past


def test_a_get_at_a_past_revision() -> None:
    theatre = filled(2)
    theatre.put(b"k00", b"new")
    theatre.delete(b"k01")
    assert ask(theatre, G, LIN, b"k00", 1)[4] == (b"v0", 1, 1, 1, 0)
    assert ask(theatre, G, LIN, b"k00", 4)[4] == (b"new", 1, 3, 2, 0)
    assert ask(theatre, G, LIN, b"k01", 3)[4] == (b"v1", 2, 2, 1, 0)
    assert ask(theatre, G, LIN, b"k01", 4)[4] is None
    assert ask(theatre, G, LIN, b"k01", 1)[4] is None
    assert ask(theatre, G, LIN, b"k00", 1)[2] == 4, "the revision of an answer is that of the store"


@pytest.mark.parametrize(("kind", "fields"), [(G, (b"k00",)), (R, (b"", b"", 0, 0))], ids=str)
def test_what_cannot_be_read_any_more_or_not_yet_is_told_with_what_can(kind: int, fields: tuple[Any, ...]) -> None:
    theatre = filled(9)
    theatre.compact(5)
    assert ask(theatre, kind, LIN, *fields, 5)[0] == OK
    status, message, retry_after_ms, compacted_revision = ask(theatre, kind, LIN, *fields, 4)
    assert (status, retry_after_ms, compacted_revision) == (protocol.COMPACTED, 0, 5)
    assert message
    status, message, retry_after_ms, current = ask(theatre, kind, STALE, *fields, 10)
    assert (status, current) == (protocol.FUTURE_REVISION, 9)
    assert retry_after_ms > 0


# Ranges


def pages(theatre: Theatre, start: bytes, end: bytes, limit: int, options: int, *more: int) -> list[tuple[Any, ...]]:
    """Read a range to its end, at the revision of its first page; return (records, count) of every page."""
    found, revision = [], more[0] if more else 0
    while True:
        _, _, revision, _, records, count, resume, *_ = ask(
            theatre, R, LIN, start, end, limit, options, revision, *more[1:]
        )
        found.append((records, count))
        if resume is None:
            return found
        start, end = (start, resume) if options & operations.DESCENDING else (resume, end)
        theatre.put(b"k05", b"changed meanwhile")


@pytest.mark.parametrize("options", [0, operations.DESCENDING])
@pytest.mark.parametrize("limit", [1, 4, 7, 0])
def test_all_pages_are_one_state_though_it_changes_meanwhile(limit: int, options: int) -> None:
    theatre = filled(20)
    told = [record for records, _ in pages(theatre, b"k", b"k19", limit, options) for record in records]
    keys = [b"k%02d" % number for number in range(19)]
    assert [key for key, _ in told] == (keys[::-1] if options else keys)
    assert dict(told)[b"k05"][0] == b"v5"


def test_keys_only_and_count_only() -> None:
    theatre = filled(20)
    records, count, resume = ask(theatre, R, LIN, b"k1", b"", 0, operations.KEYS_ONLY)[4:7]
    assert [(key, record[0]) for key, record in records] == [(b"k1%d" % number, b"") for number in range(10)]
    assert (count, resume) == (10, None)
    assert ask(theatre, R, LIN, b"k1", b"", 3, operations.COUNT_ONLY)[4:7] == ([], 10, None)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((5, 0, 0, 0), [4, 5, 6, 7]),
        ((0, 3, 0, 0), [0, 1, 2]),
        ((0, 0, 3, 4), [2, 3]),
        ((3, 6, 5, 8), [4, 5]),
        ((99,), []),
    ],
)
def test_filters_on_revisions(bounds: tuple[int, ...], expected: list[int]) -> None:
    theatre = filled(8)
    records = ask(theatre, R, LIN, b"", b"", 0, 0, 0, 0, *bounds)[4]
    assert [key for key, _ in records] == [b"k%02d" % number for number in expected]


def test_a_filter_that_nothing_passes_looks_at_a_page_of_keys_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """H17: an empty page that is not the last."""
    monkeypatch.setattr(reads, "PAGE_KEYS_MAX", 8)
    theatre = filled(20)
    assert ask(theatre, R, LIN, b"", b"", 0, 0, 0, 0, 99)[4:7] == ([], 0, b"k08")
    assert pages(theatre, b"", b"", 0, 0, 0, 0, 99) == [([], 0)] * 3


def test_scans_share_a_turn_up_to_a_bound_and_then_wait_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """P42: a thousand ranges that one client asks for at once do not stop the node."""
    monkeypatch.setattr(scans, "TURN_KEYS_MAX", 50)
    theatre, answers = filled(20), Answers()
    numbers = [theatre.ask(answers, R, STALE, b"", b"", 0, 0) for _ in range(7)]
    done = []
    while len(answers.got) < len(numbers):
        theatre.lab.end_turn()
        done.append(len(answers.got))
    assert done == [3, 6, 7]
    assert list(answers.got) == numbers, "first come, first served"


def test_a_scan_for_a_client_that_does_not_read_waits_for_it_and_for_nobody_else() -> None:
    theatre, slow, quick = filled(3), Answers(), Answers()
    theatre.ask(slow, R, STALE, b"", b"", 0, 0)
    slow.is_writable = False
    theatre.ask(quick, R, STALE, b"", b"", 0, 0)
    theatre.lab.settle()
    assert (len(slow.got), len(quick.got)) == (0, 1)
    slow.make_room()
    theatre.lab.settle()
    assert len(slow.got) == 1


# Read my writes


def test_a_read_waits_until_a_revision_is_applied() -> None:
    theatre, answers = filled(1), Answers()
    number = theatre.ask(answers, G, AT_LEAST, b"k00", 0, 2)
    at_once = theatre.ask(answers, G, AT_LEAST, b"k00", 0, 1)
    counted = theatre.ask(answers, R, AT_LEAST, b"", b"", 0, operations.COUNT_ONLY, 0, 3)
    assert list(answers.got) == [at_once]
    theatre.put(b"k00", b"mine")
    assert answers.got[number][4][0] == b"mine"
    assert counted not in answers.got
    theatre.put(b"k01", b"more")
    assert answers.got[counted][5] == 2


def test_a_node_that_does_not_get_there_in_time_says_so() -> None:
    theatre, answers = filled(1), Answers()
    first = theatre.ask(answers, G, AT_LEAST, b"k00", 0, 5)
    theatre.lab.now_s += TIMEOUT_S / 2
    second = theatre.ask(answers, G, AT_LEAST, b"k00", 0, 4)
    theatre.lab.now_s += TIMEOUT_S / 2 + 0.001
    theatre.service.waits.on_timer()
    assert answers.got[first][:2] == (protocol.UNAVAILABLE, "this node has applied revision 1 and not yet 5")
    assert second not in answers.got
    for _ in range(4):
        theatre.put(b"k00")
    assert answers.got[second][0] == OK
    assert len(answers.got) == 2, "what was given up is not answered again"


@pytest.mark.parametrize("mode", [1, 4, -1, None, b"", 10**18], ids=str)
def test_a_mode_that_is_not_known_is_a_mistake(mode: Any) -> None:
    assert ask(filled(1), G, mode, b"k00")[0] == protocol.BAD_REQUEST


# Age


def test_answers_of_a_node_that_asked_nobody_carry_their_age() -> None:
    theatre = filled(1)
    assert len(ask(theatre, G, LIN, b"k00")) == 5
    assert ask(theatre, G, STALE, b"k00")[5] == 0, "a cluster of one knows everything"
    for request in ((R, STALE, b"", b"", 0, 0), (L, STALE, 1), (LS, STALE, 0, 0), (R, AT_LEAST, b"", b"", 0, 0)):
        assert ask(theatre, *request)[-1] == 0


def test_a_follower_counts_from_the_last_word_of_its_leader_that_it_has_applied() -> None:
    theatre = Theatre(nodes=3)
    lab, engine = theatre.lab, theatre.lab.engine
    freshness = theatre.service.freshness
    assert freshness.age_ms() is not None
    engine.step_down()
    lab.settle()
    lab.cut = {1}
    lab.elect(2)
    lab.cut = set()
    age_ms = freshness.age_ms()
    assert age_ms is not None
    assert age_ms > 0
    lab.now_s += TIMING.heartbeat_s
    lab.seats[2].engine.on_timer()
    for sender, to, message in lab.wire:
        if to == 1:
            engine.on_message(sender, message)
            freshness.on_message(message)
    assert theatre.machine.applied_slot < lab.seats[2].engine.machine.applied_slot
    assert freshness.age_ms() == age_ms + round(TIMING.heartbeat_s * 1000), "heard of, and not applied yet"
    lab.settle()
    assert theatre.machine.applied_slot == lab.seats[2].engine.machine.applied_slot
    assert freshness.age_ms() == 0
    lab.now_s += 0.25
    assert freshness.age_ms() == 250


def test_a_leader_whose_peers_are_gone_counts_from_when_it_last_reached_them() -> None:
    theatre = Theatre(nodes=3)
    lab, freshness = theatre.lab, theatre.service.freshness
    theatre.service.on_timer()
    lab.now_s += 0.2
    lab.engine.on_peer_gone(2)
    lab.engine.on_peer_gone(3)
    age_ms = freshness.age_ms()
    assert age_ms is not None
    assert age_ms >= 200
    assert ask(theatre, G, STALE, b"k")[5] == age_ms


def test_what_a_leader_has_not_applied_yet_makes_it_no_fresher() -> None:
    """What was chosen before it led may be anything, until it is applied."""
    lab = Lab(3)
    lab.elect(1)
    lab.settle()
    replica, applied_slot = lab.engine.replica, lab.engine.machine.applied_slot
    assert replica.reached_s(applied_slot, lab.now_s) is not None
    assert replica.reached_s(applied_slot - 1, lab.now_s) is None


def test_a_node_that_never_heard_of_anything_does_not_know_its_age() -> None:
    lab = Lab(3)
    assert Freshness(lab.engine, lab.clock).age_ms() is None


def test_ages_are_told_by_the_clock_of_the_core() -> None:
    """P24: with leases it counts suspended time, the clock of the log does not; a difference of both is no age."""
    lab = Lab(3)
    service = Service(lab.engine, LIMITS, BOUNDS, lambda *_: False, dict, lambda: lab.now_s - 3_600, lab)
    lab.elect(1)
    lab.settle()
    assert service.freshness.age_ms() == 0
    lab.now_s += 0.25
    assert service.freshness.age_ms() == 250


# Leases


def grant(theatre: Theatre, ttl_ms: int = 5_000) -> int:
    lease: int = theatre.write(requests.grant(*theatre.header(), ttl_ms))[3]
    return lease


def test_a_lease_and_its_keys() -> None:
    theatre = Theatre()
    lease = grant(theatre)
    for number in range(5):
        theatre.operate(operations.put(b"k%d" % number, b"v", lease))
    assert ask(theatre, L, LIN, lease)[4:] == ((lease, 5_000, 5_000, 5), [], 0)
    assert ask(theatre, L, LIN, lease, b"", 3)[5:] == ([b"k0", b"k1", b"k2"], 1)
    assert ask(theatre, L, LIN, lease, b"k2", 9)[5:] == ([b"k3", b"k4"], 0)
    assert ask(theatre, L, LIN, 77, b"", 9)[4:] == (None, [], 0)


def test_leases_in_pages() -> None:
    theatre = Theatre()
    leases = [grant(theatre, 1_000 * number) for number in range(1, 6)]
    views, more = ask(theatre, LS, LIN, 0, 3)[4:]
    assert ([view[0] for view in views], more) == (leases[:3], 1)
    views, more = ask(theatre, LS, LIN, leases[2], 0)[4:]
    assert ([view[:2] for view in views], more) == ([(leases[3], 4_000), (leases[4], 5_000)], 0)


def test_what_remains_of_a_lease_shrinks_though_the_log_is_idle() -> None:
    """Log time stands still without writes; a person who looks at a lease wants to see it pass."""
    theatre = Theatre()
    lease = grant(theatre)
    theatre.lab.now_s += 2
    assert ask(theatre, L, LIN, lease)[4] == (lease, 5_000, 3_000, 0)
    theatre.lab.now_s += 20
    assert ask(theatre, LS, LIN, 0, 0)[4][0] == (lease, 5_000, 0, 0)


# Under a lease of the leader


def test_a_scan_under_a_lease_looks_at_it_after_reading_and_not_before_its_turn() -> None:
    """P24: between the look and the reading a turn may pass, and in it the lease."""
    lab = Lab(3, LIMITS, lease=LeaseTerms(0.3, 0.0))
    service = serve(lab, LIMITS, lambda leader, number, command: False)
    lab.elect()
    answers = Answers()
    lab.now_s += TIMING.heartbeat_s
    lab.engine.on_timer()
    lab.settle()
    service.requests.handle((R, 1, protocol.LEASE_READ, b"", b"", 0, 0), answers.waiter(1))
    lab.end_turn()
    assert answers.got[1][0] == OK, "nobody was asked"
    assert len(answers.got[1]) == 7, "no age: it is not old"
    service.requests.handle((R, 2, protocol.LEASE_READ, b"", b"", 0, 0), answers.waiter(2))
    lab.now_s += 0.3
    lab.cut = {2, 3}
    lab.end_turn()
    lab.settle()
    assert 2 not in answers.got
    lab.now_s += 10
    lab.engine.on_timer()
    assert answers.got[2][0] == protocol.UNAVAILABLE


# Nonsense


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (G, (LIN, b"k", -1)),
        (G, (LIN, b"k", 0, -1)),
        (G, (LIN, b"k", b"")),
        (G, (LIN, b"k", 0, 0, 0)),
        (R, (LIN, b"", b"", 0, 0, 0, 0, 0, 0, 0, -1)),
        (R, (LIN, b"", b"", 0, 0, 0, 0, 0, 0, 0, 0, 0)),
        (L, (LIN,)),
        (L, (LIN, -1)),
        (L, (LIN, 1, "k", 1)),
        (L, (LIN, 1, b"", -1)),
        (L, (LIN, 1, b"", 1, 0, 0)),
        (LS, (LIN, 0)),
        (LS, (LIN, 1 << 63, 0)),
        (LS, (LIN, 0, 0, 0, 0)),
    ],
    ids=str,
)
def test_a_request_of_another_shape_is_a_fault_of_the_connection(kind: int, fields: tuple[Any, ...]) -> None:
    with pytest.raises(ProtocolError):
        ask(filled(1), kind, *fields)


def test_unknown_options_are_refused() -> None:
    status, message, retry_after_ms = ask(filled(1), R, LIN, b"", b"", 0, 8)
    assert (status, retry_after_ms) == (protocol.BAD_REQUEST, 0)
    assert "options 8" in message
