"""Watches: ordered, complete, nothing twice, whole revisions, resumable, and harmless when nobody reads (P28, P29)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from paxoskv.kv import commands, operations, requests
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from paxoskv.net.protocol import ProtocolError
from paxoskv.node import cohort
from paxoskv.node.service import Bounds
from paxoskv.node.watches import PROGRESS_S
from paxoskv.paxos.lease import LeaseTerms
from tests.node.kit import TIMING
from tests.node.watching import LIMITS, Audience, Theatre, one_key

OK = protocol.OK


# The nine guarantees


def test_a_watch_is_told_what_comes_after_its_answer() -> None:
    theatre, audience = Theatre(), Audience()
    theatre.put(b"a")
    watch = theatre.watch(audience)
    assert audience.got[watch] == (OK, theatre.lab.engine.ballot, 1, theatre.machine.applied_slot)
    theatre.put(b"a", b"w")
    theatre.delete(b"a")
    assert audience.told[watch] == [(2, b"a", (b"w", 1, 2, 2, 0), None), (3, b"a", None, None)]
    assert audience.last[watch] == 3


def test_watches_of_the_same_keys_share_their_frames_and_others_do_not() -> None:
    """A connection is told once for all that it watches; who began elsewhere in the history is told apart."""
    theatre, audience, other = Theatre(), Audience(), Audience()
    theatre.put(b"a")
    same = [theatre.watch(audience) for _ in range(3)]
    future = theatre.watch(audience, from_revision=4)
    alone, elsewhere = theatre.watch(audience, *one_key(b"a")), theatre.watch(other)
    audience.frames = other.frames = 0
    theatre.put(b"a", b"w")
    assert (audience.frames, other.frames) == (2, 1)
    assert all(len(audience.told[watch]) == 1 for watch in (*same, alone))
    assert len(other.told[elsewhere]) == 1
    assert future not in audience.told
    theatre.ask(audience, protocol.CANCEL, same[0])
    theatre.put(b"b")
    theatre.put(b"b")
    assert [len(audience.told[watch]) for watch in (*same, future, alone)] == [1, 3, 3, 1, 1]


@pytest.mark.parametrize("options", range(8))
def test_filters_and_previous_records(options: int) -> None:
    theatre, audience = Theatre(), Audience()
    watch = theatre.watch(audience, b"a", b"c", options=options)
    for key in (b"a", b"b", b"c", b"a"):
        theatre.put(key)
    theatre.delete(b"a")
    theatre.operate(
        operations.txn([], [operations.put(b"b", b"w"), operations.delete(b"c"), operations.put(b"d", b"")])
    )
    assert audience.told.get(watch, []) == theatre.expected(b"a", b"c", options=options)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        one_key(b"b"),
        (b"b", b"c"),
        (b"", b""),
        (b"b", b""),
        (b"", b"b"),
        (b"a", b"bb"),
        (b"\xff", b""),
        (b"b\xff", b"c"),
    ],
    ids=str,
)
def test_an_interval_of_any_kind_has_its_keys_and_no_others(start: bytes, end: bytes) -> None:
    theatre, audience = Theatre(), Audience()
    watch = theatre.watch(audience, start, end)
    for key in (b"a", b"b", b"b\0", b"bb", b"b\xff", b"b\xff\xff", b"c", b"\xff", b"\xff\xff"):
        theatre.put(key)
    assert theatre.expected(start, end), "a test that tells nothing shows nothing"
    assert audience.told.get(watch, []) == theatre.expected(start, end)


def test_a_watch_from_the_past_is_told_all_since_and_goes_on() -> None:
    theatre, audience = Theatre(), Audience()
    for number in range(10):
        theatre.put(b"k%d" % (number % 3))
    watch = theatre.watch(audience, from_revision=4)
    theatre.put(b"k1")
    assert audience.told[watch] == theatre.expected(first=4)
    assert audience.last[watch] == 11


def test_a_watch_from_the_future_is_told_nothing_before() -> None:
    """P29 (etcd #20221); so a resumed watch does not travel in time when its new node is behind (#15271)."""
    theatre, audience = Theatre(), Audience()
    watch = theatre.watch(audience, from_revision=3)
    theatre.put(b"a")
    theatre.put(b"a")
    assert audience.told.get(watch) is None
    theatre.put(b"a")
    theatre.put(b"a")
    assert audience.told[watch] == theatre.expected(first=3)


def test_the_future_begins_in_the_middle_of_what_a_turn_brings() -> None:
    theatre, audience = Theatre(), Audience()
    theatre.lab.disk.is_quick = False
    watch, other = theatre.watch(audience, from_revision=2), theatre.watch(audience)
    theatre.operate(operations.txn([], [operations.put(b"a", b"1")]))
    theatre.put(b"b")
    theatre.put(b"c")
    assert audience.told[watch] == theatre.expected(first=2)
    assert audience.told[other] == theatre.expected()


def test_a_revision_is_told_whole_even_if_it_is_larger_than_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort, "STRETCH_BYTES_MAX", 200)
    theatre, audience = Theatre(), Audience()
    everything, few = theatre.watch(audience), theatre.watch(audience, b"k00", b"k02")
    theatre.operate(operations.txn([], [operations.put(b"k%02d" % number, b"v") for number in range(20)]))
    theatre.put(b"z")
    assert audience.told[everything] == theatre.expected()
    assert audience.told[few] == theatre.expected(b"k00", b"k02")
    assert not audience.is_half_told(few), "its end was told though nothing more of it was for this watch"
    assert audience.last[few] >= 1


def test_a_watch_that_falls_behind_within_a_revision_is_told_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its part was the end of one page; the rest, in which there is nothing for it, did not reach it."""
    monkeypatch.setattr(cohort, "STRETCH_BYTES_MAX", 260)
    theatre, audience = Theatre(), Audience()
    watch = theatre.watch(audience, *one_key(b"k"))
    audience.is_writable = False
    theatre.put(b"k", b"v" * 60)
    theatre.operate(operations.txn([], [operations.put(key, b"") for key in (b"k", b"y", b"z")]))
    audience.make_room()
    audience.frames_left = 1
    theatre.lab.settle()
    assert (audience.last[watch], audience.is_half_told(watch)) == (1, True)
    audience.make_room()
    theatre.lab.settle()
    assert (audience.last[watch], audience.is_half_told(watch)) == (2, False)
    assert audience.told[watch] == theatre.expected(*one_key(b"k"))


def test_a_compacted_revision_is_refused_with_what_is_left() -> None:
    theatre, audience = Theatre(), Audience()
    for _ in range(9):
        theatre.put(b"a")
    theatre.compact(5)
    watch = theatre.watch(audience, from_revision=5)
    status, message, retry_after_ms, compacted_revision = audience.got[watch]
    assert (status, retry_after_ms, compacted_revision) == (protocol.COMPACTED, 0, 5)
    assert "goes back to 5" in message
    watch = theatre.watch(audience, from_revision=6)
    theatre.lab.settle()
    assert audience.told[watch] == theatre.expected(first=6)
    assert len(theatre.service.watches) == 1


def test_deletions_by_expiry_and_by_revocation_are_told() -> None:
    """P29 (etcd #18089): nothing that happens to a key is hidden from who watches it."""
    theatre, audience = Theatre(), Audience()
    watch = theatre.watch(audience)
    leases = [theatre.write(requests.grant(*theatre.header(), 1_000))[3] for _ in "12"]
    for lease in leases:
        theatre.operate(operations.put(b"k%d" % lease, b"v", lease))
    theatre.write(requests.revoke(*theatre.header(), leases[0]))
    assert audience.told[watch][-1][:3] == (3, b"k1", None)
    theatre.lab.let_pass(1.5)
    for _ in range(3):
        theatre.service.on_timer()
        theatre.lab.settle()
    assert audience.told[watch][-1][:3] == (4, b"k2", None)


# The end of a watch


def test_after_the_answer_to_a_cancel_nothing_comes() -> None:
    theatre, audience = Theatre(), Audience()
    watch = theatre.watch(audience)
    assert audience.got[theatre.ask(audience, protocol.CANCEL, watch)] == (OK, 1)
    theatre.put(b"a")
    assert audience.told == {}
    assert audience.got[theatre.ask(audience, protocol.CANCEL, watch)] == (OK, 0)
    stranger = Audience()
    assert stranger.got[theatre.ask(stranger, protocol.CANCEL, 99)] == (OK, 0)
    assert len(theatre.service.watches) == 0


def test_a_connection_that_is_gone_leaves_nothing() -> None:
    theatre, audience = Theatre(), Audience()
    theatre.watch(audience)
    theatre.watch(audience, from_revision=1)
    theatre.watch(audience, *one_key(b"a"))
    audience.is_writable = False
    theatre.put(b"a")
    theatre.service.watch_requests.forget(audience)
    audience.make_room()
    theatre.put(b"a")
    assert audience.frames == 0
    assert (len(theatre.service.watches), theatre.service.watches.behind) == (0, 0)


# Those who do not read


def test_a_slow_connection_costs_nothing_but_its_place_and_misses_nothing() -> None:
    """P33: what it has not read is not kept for it; it is read from the history when there is room."""
    theatre, slow, quick = Theatre(), Audience(), Audience()
    watches = [theatre.watch(audience, b"a", b"b") for audience in (slow, quick)]
    slow.is_writable = False
    for number in range(50):
        theatre.put(b"a%d" % number)
    assert slow.frames == 0
    assert quick.told[watches[1]] == theatre.expected()
    assert theatre.service.watches.behind == 1
    assert len(slow.held) == 1, "one request for room, however much there is to tell"
    slow.make_room()
    theatre.lab.settle()
    assert slow.told[watches[0]] == theatre.expected()
    assert theatre.service.watches.behind == 0


def test_quiet_watches_of_a_slow_connection_stay_level() -> None:
    theatre, slow = Theatre(), Audience()
    theatre.watch(slow, *one_key(b"quiet"))
    theatre.watch(slow, *one_key(b"loud"))
    slow.is_writable = False
    theatre.put(b"loud")
    assert theatre.service.watches.behind == 1


def test_a_watch_that_the_history_has_overtaken_ends_and_says_so() -> None:
    """P29 (etcd #17529): dropped with an error, not skipped."""
    theatre, slow = Theatre(KvLimits(history_events_max=32)), Audience()
    watch, future = theatre.watch(slow), theatre.watch(slow, from_revision=500)
    slow.is_writable = False
    for _ in range(100):
        theatre.put(b"a")
    slow.make_room()
    theatre.lab.settle()
    status, message, _, compacted_revision = slow.ended[watch]
    assert (status, compacted_revision) == (protocol.COMPACTED, theatre.machine.compacted_revision)
    assert "too slow" in message
    assert slow.told.get(watch) is None
    assert len(theatre.service.watches) == 1
    assert future not in slow.ended


def test_a_level_watch_is_overtaken_by_one_slot_alone() -> None:
    """A slot may change more than the history holds; who is told after it has missed the beginning."""
    theatre, audience = Theatre(KvLimits(history_events_max=16)), Audience()
    watch = theatre.watch(audience)
    theatre.lab.disk.is_quick = False
    numbers = list(range(1_000, 1_100))
    for number in numbers:
        theatre.service.requests.handle(
            (protocol.WRITE, number, commands.put(*theatre.header(), b"a", b"v")), theatre.desk.waiter(number)
        )
    theatre.lab.disk.is_quick = True
    theatre.lab.settle()
    assert audience.ended[watch][0] == protocol.COMPACTED


# How far a connection has been told


def test_progress_marks_come_with_time_and_never_before_the_events() -> None:
    """P29 (etcd #15220)."""
    theatre, audience, slow, stranger = Theatre(), Audience(), Audience(), Audience()
    theatre.watch(audience, *one_key(b"quiet"))
    theatre.watch(slow)
    slow.is_writable = False
    for _ in range(5):
        theatre.put(b"loud")
    theatre.service.on_timer()
    assert audience.marks in ([], [5])
    theatre.lab.now_s += PROGRESS_S
    theatre.service.on_timer()
    assert audience.marks[-1] == 5
    assert slow.marks == stranger.marks == []
    slow.is_writable = True
    theatre.service.on_timer()
    theatre.lab.now_s += PROGRESS_S
    theatre.service.on_timer()
    assert slow.marks == [], "it is behind still"


def test_progress_marks_come_before_the_last_one_is_compacted() -> None:
    """Who watches a quiet key can resume, however fast the history turns over (etcd #20262)."""
    theatre, audience = Theatre(KvLimits(history_events_max=640)), Audience()
    theatre.watch(audience, *one_key(b"quiet"))
    for _ in range(3_000):
        theatre.put(b"loud")
        assert (audience.marks or [0])[-1] >= theatre.machine.compacted_revision
    assert len(audience.marks) < 40


def test_a_sync_is_answered_after_everything_before_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort, "STRETCH_REVISIONS_MAX", 1)
    theatre, audience = Theatre(), Audience()
    watch = theatre.watch(audience)
    audience.is_writable = False
    for _ in range(5):
        theatre.put(b"b")
    sync = theatre.ask(audience, protocol.SYNC, protocol.STALE)
    theatre.lab.settle()
    assert sync not in audience.got
    audience.make_room()
    while sync not in audience.got:
        theatre.lab.end_turn()
    assert audience.got[sync][2] == audience.last[watch] == 5
    theatre.put(b"b")
    sync = theatre.ask(audience, protocol.SYNC, protocol.LINEARIZABLE)
    theatre.lab.settle()
    assert audience.got[sync][2] == audience.last[watch] == 6
    alone = Audience()
    sync = theatre.ask(alone, protocol.SYNC, protocol.LINEARIZABLE)
    theatre.lab.settle()
    assert alone.got[sync][:1] == (OK,)


def test_a_sync_under_a_lease_is_confirmed_by_others() -> None:
    """P24: its answer may wait for the connection, longer than any lease; without leases it is refused as any read."""
    theatre, audience = Theatre(lease=LeaseTerms(0.3, 0.0), nodes=3), Audience()
    theatre.lab.now_s += TIMING.heartbeat_s
    theatre.lab.engine.on_timer()
    theatre.lab.settle()
    assert theatre.lab.engine.has_lease()
    sync = theatre.ask(audience, protocol.SYNC, protocol.LEASE_READ)
    assert sync not in audience.got
    theatre.lab.end_turn()
    theatre.lab.settle()
    assert audience.got[sync][0] == OK
    elsewhere = Audience()
    refused = Theatre().ask(elsewhere, protocol.SYNC, protocol.LEASE_READ)
    assert elsewhere.got[refused][0] == protocol.BAD_REQUEST


# Limits and nonsense (H-ids)


def test_watches_beyond_the_limits_are_refused() -> None:
    theatre = Theatre(bounds=Bounds(1 << 20, 7, 5))
    first, second = Audience(), Audience()
    numbers = [theatre.watch(first) for _ in range(6)]
    assert [first.got[number][0] for number in numbers] == [OK] * 5 + [protocol.TOO_MANY_WATCHES]
    numbers = [theatre.watch(second) for _ in range(3)]
    assert [second.got[number][0] for number in numbers] == [OK] * 2 + [protocol.TOO_MANY_WATCHES]
    theatre.service.watch_requests.forget(first)
    assert second.got[theatre.watch(second)][0] == OK


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((b"k" * 34, b"", 0, 0), protocol.TOO_LARGE),
        ((b"", b"k" * 34, 0, 0), protocol.TOO_LARGE),
        ((b"", b"", 0, 8), protocol.BAD_REQUEST),
        ((b"b", b"a", 0, 0), protocol.BAD_REQUEST),
        ((b"b", b"b", 0, 0), protocol.BAD_REQUEST),
    ],
    ids=str,
)
def test_a_wrong_watch_is_answered_once_and_for_all(fields: tuple[Any, ...], status: int) -> None:
    theatre, audience = Theatre(), Audience()
    told, message, retry_after_ms = audience.got[theatre.ask(audience, protocol.WATCH, *fields)]
    assert (told, retry_after_ms) == (status, 0)
    assert message
    assert len(theatre.service.watches) == 0


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (protocol.WATCH, ()),
        (protocol.WATCH, (b"", b"", 0)),
        (protocol.WATCH, (b"", b"", 0, 0, 0)),
        (protocol.WATCH, ("", b"", 0, 0)),
        (protocol.WATCH, (b"", None, 0, 0)),
        (protocol.WATCH, (b"", b"", -1, 0)),
        (protocol.WATCH, (b"", b"", 1 << 63, 0)),
        (protocol.WATCH, (b"", b"", 0, True)),
        (protocol.CANCEL, ()),
        (protocol.CANCEL, (b"",)),
        (protocol.SYNC, ()),
        (protocol.SYNC, (0, -1)),
        (protocol.SYNC, (0, 0, 0)),
    ],
    ids=str,
)
def test_a_request_of_another_shape_is_a_fault_of_the_connection(kind: int, fields: tuple[Any, ...]) -> None:
    theatre, audience = Theatre(), Audience()
    with pytest.raises(ProtocolError):
        theatre.ask(audience, kind, *fields)
    assert len(theatre.service.watches) == 0


def test_the_number_of_a_watch_is_taken_as_long_as_it_stands() -> None:
    theatre, audience = Theatre(), Audience()
    watch = theatre.watch(audience)
    with pytest.raises(ProtocolError, match="its number is taken"):
        theatre.service.watch_requests.handle((protocol.WATCH, watch, b"", b"", 0, 0), audience)


# Everything at once

Asked = dict[tuple[int, int], tuple[bytes, bytes, int, int]]
"""(audience, watch) -> start, end, first revision, options."""

ACTS = {"put": 9, "delete": 3, "txn": 3, "range": 1, "watch": 4, "cancel": 1, "block": 3, "free": 3, "turn": 9}


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_every_watch_is_told_exactly_what_it_asked_for(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random writes, watches, cancels and connections that do not read, with pages and a history that are tiny."""
    rng = Random(seed)
    monkeypatch.setattr(cohort, "STRETCH_BYTES_MAX", rng.choice([60, 300, 5_000]))
    monkeypatch.setattr(cohort, "STRETCH_REVISIONS_MAX", rng.choice([1, 3, 100]))
    history = rng.choice([16, 64, 100_000])
    theatre = Theatre(KvLimits(key_bytes_max=LIMITS.key_bytes_max, history_events_max=history))
    audiences = [Audience() for _ in range(4)]
    asked: Asked = {}
    for _ in range(300):
        _act(rng, theatre, audiences, asked)
    for audience in audiences:
        audience.make_room()
    theatre.lab.settle()
    assert theatre.service.watches.behind == 0
    told = 0
    for (index, watch), (start, end, first, options) in asked.items():
        audience, expected = audiences[index], theatre.expected(start, end, first, options)
        got = audience.told.get(watch, [])
        if watch in audience.ended:
            assert audience.ended[watch][0] == protocol.COMPACTED
            assert history < 100_000
            assert got == expected[: len(got)]
        else:
            assert got == expected
            assert not audience.is_half_told(watch)
        told += len(got)
    assert told


def _act(rng: Random, theatre: Theatre, audiences: list[Audience], asked: Asked) -> None:
    index = rng.randrange(len(audiences))
    audience = audiences[index]
    match rng.choices(list(ACTS), list(ACTS.values()))[0]:
        case "put":
            write = theatre.write if rng.random() < 0.5 else theatre.submit
            write(commands.put(*theatre.header(), _key(rng), b"v" * rng.randrange(40)))
        case "delete":
            theatre.delete(_key(rng))
        case "txn":
            keys = [_key(rng) for _ in range(rng.randrange(1, 9))]
            theatre.operate(operations.txn([], [operations.put(key, b"t") for key in keys]))
        case "range":
            theatre.operate(operations.delete_range(b"a", b"b"))
        case "watch":
            start, end = sorted((_key(rng), _key(rng)))
            kind = rng.randrange(4)
            interval = [(start, end + b"\0"), one_key(start), (b"", b""), (b"a", b"b")][kind]
            present = theatre.machine.revision
            first = rng.choice([0, present + 1, present + 9, max(1, present - rng.randrange(40))])
            options = rng.choice([0, 0, 1, 2, 4, 5])
            watch = theatre.watch(audience, *interval, first, options)
            if audience.got[watch][0] == OK:
                asked[index, watch] = (*interval, first or present + 1, options)
        case "cancel":
            mine = [watch for owner, watch in asked if owner == index and watch not in audience.ended]
            if mine:
                watch = rng.choice(mine)
                theatre.ask(audience, protocol.CANCEL, watch)
                del asked[index, watch]
        case "block":
            audience.frames_left = rng.randrange(4)
            audience.is_writable = audience.frames_left > 0
        case "free":
            audience.make_room()
        case "turn":
            theatre.lab.end_turn()


def _key(rng: Random) -> bytes:
    return rng.choice([b"a", b"b"]) + b"%d" % rng.randrange(6)
