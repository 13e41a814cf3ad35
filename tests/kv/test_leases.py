"""Leases: they end by log time alone, never early, with all their keys at one revision (P18, P26, P30)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paxoskv.kv import operations as ops
from paxoskv.kv import requests
from paxoskv.kv.commands import BadCommand, CommandTooLarge, check, decode_command
from paxoskv.kv.leases import LeaseView
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.records import pack
from paxoskv.kv.replies import APPLIED, LEASE_NOT_FOUND, SESSION_EXPIRED, TOO_MANY_LEASES
from tests.kv.driver import Driver


def alive(d: Driver, lease: int) -> bool:
    """Whether the lease exists."""
    return d.machine.lease(lease) is not None


# Grant, renew, revoke


def test_lease_ids_count_from_one_and_are_never_used_again() -> None:
    """P25: a late copy of a revoke or a put cannot meet another lease; granting changes no revision."""
    d = Driver()
    assert d.one(requests.grant(1, 1, 0, 700)) == (APPLIED, 0, 2, 1, 700)
    assert d.one(requests.grant(1, 1, 0, 700)) == (APPLIED, 0, 2, 1, 700), "a copy"
    assert d.one(requests.revoke(1, 2, 1, 1)) == (APPLIED, 0, 4, 0)
    assert d.one(requests.grant(1, 3, 2, 900)) == (APPLIED, 0, 5, 2, 900)
    assert d.one(requests.revoke(1, 4, 3, 1)) == (LEASE_NOT_FOUND, 0, 6)
    assert (d.machine.leases, d.machine.lease(2)) == (1, LeaseView(2, 900, 900, 0))


def test_a_revoked_lease_takes_its_keys_along() -> None:
    """All at one revision, with events; keys that left it meanwhile stay."""
    d = Driver()
    lease = d.grant(1000)
    for key in (b"c", b"a", b"b", b"left"):
        d.do(ops.put(key, b"v", lease))
    d.put(b"left", b"v")
    d.put(b"other", b"v")
    assert d.machine.lease_keys(lease) == [b"a", b"b", b"c"]
    assert d.machine.get(b"a") == (b"v", 2, 2, 1, lease)
    assert d.revoke(lease) == (APPLIED, 7, d.machine.applied_slot, 3)
    assert [key for key, _ in d.items()] == [b"left", b"other"]
    assert [(revision, [event[:2] for event in events]) for revision, events in d.changes(7)] == [
        (7, [(b"a", None), (b"b", None), (b"c", None)])
    ]
    assert d.do(ops.put(b"a", b"v", lease)) == (LEASE_NOT_FOUND, 7, d.machine.applied_slot)


def test_a_key_has_one_lease_the_last_one_written() -> None:
    """The one before does not delete it."""
    d = Driver()
    first, second = d.grant(1000), d.grant(2000)
    d.do(ops.put(b"k", b"v", first))
    d.do(ops.put(b"k", b"w", second))
    d.revoke(first)
    assert d.machine.get(b"k") == (b"w", 1, 2, 2, second)
    d.revoke(second)
    assert d.machine.get(b"k") is None


def test_a_deleted_key_that_comes_back_has_no_lease() -> None:
    """P28: its new life is its own."""
    d = Driver()
    lease = d.grant(1000)
    d.do(ops.put(b"k", b"v", lease))
    d.delete(b"k")
    assert d.machine.lease_keys(lease) == []
    d.put(b"k", b"v")
    assert d.revoke(lease)[3] == 0
    assert d.machine.get(b"k") == (b"v", 3, 3, 1, 0)


def test_there_are_only_so_many_leases() -> None:
    """H16: a million tiny leases are refused at the bound, which is a rule of the cluster; no id is used up."""
    d = Driver(KvLimits(leases_max=3))
    codes = [d.one(requests.grant(1, seq, seq - 1, 500))[0] for seq in range(1, 1001)]
    assert codes == [APPLIED] * 3 + [TOO_MANY_LEASES] * 997
    d.one(requests.revoke(1, 1001, 1000, 2))
    assert d.one(requests.grant(1, 1002, 1001, 500))[:4] == (APPLIED, 0, d.machine.applied_slot, 4)


def test_leases_are_listed_in_pages() -> None:
    """In the order of their ids."""
    d = Driver()
    for ttl_ms in (500, 600, 700):
        d.grant(ttl_ms)
    d.revoke(2)
    d.advance(100)
    assert d.machine.list_leases(0, 10) == [LeaseView(1, 500, 400, 0), LeaseView(3, 700, 600, 0)]
    assert d.machine.list_leases(0, 1) == [LeaseView(1, 500, 400, 0)]
    assert d.machine.list_leases(1, 1) == [LeaseView(3, 700, 600, 0)]
    assert d.machine.list_leases(3, 1) == []


# Expiry


def test_a_lease_lives_for_the_whole_of_its_time() -> None:
    """P26: at exactly its ttl it is alive, one millisecond later it is not; the boundary is the same everywhere."""
    d = Driver()
    lease = d.grant(1000)
    assert d.machine.next_expiry_ms == 1001
    d.do(ops.put(b"k", b"v", lease))
    d.advance(1000)
    assert d.machine.lease(lease) == LeaseView(lease, 1000, 0, 1)
    d.advance(1)
    assert not alive(d, lease)
    assert d.machine.get(b"k") is None
    assert d.machine.revision == 2
    assert d.changes(2) == [(2, ((b"k", None, (b"v", 1, 1, 1, lease)),))]


def test_leases_expire_earliest_first_each_at_its_own_revision() -> None:
    """Of two that end together, the older one."""
    d = Driver()
    late, early, same = d.grant(900), d.grant(800), d.grant(800)
    for key, lease in ((b"late", late), (b"early", early), (b"same", same)):
        d.do(ops.put(key, b"v", lease))
    d.advance(5000)
    assert [(revision, events[0][0]) for revision, events in d.changes(4)] == [
        (4, b"early"),
        (5, b"same"),
        (6, b"late"),
    ]
    assert d.machine.leases == 0


def test_a_lease_without_keys_expires_without_a_revision() -> None:
    """Nothing changed for anybody."""
    d = Driver()
    d.grant(500)
    d.advance(501)
    assert (d.machine.leases, d.machine.revision) == (0, 0)


def test_a_renewed_lease_lives_on() -> None:
    """From the log time of the renewal; an unknown one is told as 0."""
    d = Driver()
    lease = d.grant(1000)
    d.advance(900)
    assert d.one(requests.keep_alive([lease, 77])) == (APPLIED, 0, 4, (1000, 0))
    d.advance(1000)
    assert alive(d, lease)
    d.advance(1)
    assert not alive(d, lease)
    assert d.one(requests.keep_alive([lease])) == (APPLIED, 0, 7, (0,))


def test_a_renewal_in_the_batch_that_would_end_the_lease_counts() -> None:
    """P26: it arrived while the lease was there, and waited for a slow disk with the time that ran; keys are kept."""
    d = Driver()
    kept, lost = d.grant(1000), d.grant(1000)
    d.do(ops.put(b"kept", b"v", kept))
    d.do(ops.put(b"lost", b"v", lost))
    d.slot(requests.keep_alive([kept]), elapsed_ms=5000)
    assert (alive(d, kept), alive(d, lost)) == (True, False)
    assert [key for key, _ in d.items()] == [b"kept"]
    assert d.machine.lease(kept) == LeaseView(kept, 1000, 1000, 1)


def test_other_commands_of_the_batch_come_after_expiry() -> None:
    """What they see is the state after the time that has passed."""
    d = Driver()
    lease = d.grant(1000)
    d.do(ops.put(b"k", b"v", lease))
    replies = d.slot(
        requests.write(1, 10, 2, ops.put(b"k", b"mine", lease)),
        requests.write(1, 11, 2, ops.put_with(b"k", b"new", options=ops.IF_ABSENT)),
        elapsed_ms=1001,
    )
    assert [reply[:2] for reply in replies] == [(LEASE_NOT_FOUND, 2), (APPLIED, 3)]


def test_an_idle_log_ends_no_lease() -> None:
    """P18, P26: a leader that cannot write brings no log time, so nothing expires while it is stuck."""
    d = Driver()
    lease = d.grant(500)
    for _ in range(20):
        d.slot()
    assert alive(d, lease)


def test_a_new_leader_extends_every_lease() -> None:
    """P18: holders get their whole time to find the new leader; nothing that had expired comes back."""
    d = Driver()
    gone, short, long = d.grant(500), d.grant(1000), d.grant(9000)
    d.advance(999)
    assert not alive(d, gone)
    assert d.one(requests.extend()) == (APPLIED, 0, 6, 2)
    d.advance(1000)
    assert d.machine.list_leases(0, 9) == [LeaseView(short, 1000, 0, 0), LeaseView(long, 9000, 8000, 0)]
    d.slot(requests.extend(), elapsed_ms=1)
    assert alive(d, short), "the time of the very batch does not count either"


def test_one_slot_ends_only_so_many_keys() -> None:
    """P42: the rest follows with the next slots: late, never early, and the machine says that it is due."""
    d = Driver(KvLimits(expiry_keys_max=4))
    leases = [d.grant(1000) for _ in range(4)]
    for number, lease in enumerate(leases):
        for key in range(2):
            d.do(ops.put(b"%d-%d" % (number, key), b"v", lease))
    d.advance(1001)
    assert [alive(d, lease) for lease in leases] == [False, False, True, True]
    assert d.machine.next_expiry_ms == 1001 <= d.machine.now_ms
    assert d.one(requests.keep_alive([leases[3]]))[3] == (1000,)
    assert [alive(d, lease) for lease in leases] == [False, False, False, True]
    assert d.machine.keys == 2


def test_one_slot_ends_only_so_many_leases_without_keys() -> None:
    """P42: they cost nobody a key, and a node some microseconds each."""
    d = Driver(KvLimits(expiry_keys_max=4))
    leases = [d.grant(1000) for _ in range(10)]
    d.advance(1001)
    assert [alive(d, lease) for lease in leases] == [False] * 4 + [True] * 6
    d.advance(0)
    d.advance(0)
    assert d.machine.leases == 0


def test_sessions_and_leases_have_their_own_times() -> None:
    """The next of either is a reason to advance log time; a session's end takes no lease along."""
    d = Driver(KvLimits(session_idle_ms=600))
    lease = d.grant(1000)
    assert d.machine.next_expiry_ms == 601
    d.advance(601)
    assert (d.machine.sessions, alive(d, lease), d.machine.next_expiry_ms) == (0, True, 1001)
    assert d.revoke(lease)[0] == SESSION_EXPIRED
    d.advance(400)
    assert d.machine.next_expiry_ms is None


def test_the_digest_covers_leases() -> None:
    """Replicas that hold other leases, or give them other times, differ though keys and log position are equal."""
    machines = []
    for tamper in ("nothing", "expiry", "ttl", "gone", "key"):
        d = Driver()
        lease = d.grant(1000)
        d.do(ops.put(b"k", b"v", lease))
        leases = d.machine._leases
        if tamper == "expiry":
            leases.renew(lease, 1)
        elif tamper == "ttl":
            leases.revoke(lease)
            leases.granted = 0
            leases.grant(999, 1)
        elif tamper == "gone":
            leases.revoke(lease)
        elif tamper == "key":
            store = d.machine._store
            store.replace(b"k", pack(0, 1, 1, 1, 0, b"v"))
        machines.append(d.machine)
    assert len({machine.digest() for machine in machines}) == len(machines)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["grant", "renew", "revoke", "wait"]), st.integers(1, 9)), max_size=60))
def test_leases_against_a_dict(steps: list[tuple[str, int]]) -> None:
    """The lazy heap agrees with a plain search, whatever the order."""
    d = Driver(KvLimits(leases_max=5))
    model: dict[int, tuple[int, int]] = {}
    for step, number in steps:
        now_ms = d.machine.now_ms
        if step == "grant" and len(model) < 5:
            model[d.grant(number)] = (number, now_ms + number)
        elif step == "renew":
            d.one(requests.keep_alive([number]))
            if number in model:
                model[number] = (model[number][0], now_ms + model[number][0])
        elif step == "revoke":
            d.revoke(number)
            model.pop(number, None)
        elif step == "wait":
            d.advance(number)
            model = {lease: times for lease, times in model.items() if times[1] >= now_ms + number}
        now_ms = d.machine.now_ms
        views = [(view.lease, view.ttl_ms, view.remaining_ms) for view in d.machine.list_leases(0, 99)]
        assert views == [(lease, ttl, expires - now_ms) for lease, (ttl, expires) in sorted(model.items())]
        earliest = min((expires for _, expires in model.values()), default=None)
        assert d.machine._leases.next_expiry_ms == (None if earliest is None else earliest + 1)


# At the door


def test_a_lease_has_a_time_within_bounds() -> None:
    """Neither shorter than a failover could bear, nor for ever."""
    limits = KvLimits(lease_ttl_ms_min=500, lease_ttl_ms_max=1000)
    for ttl_ms in (500, 1000):
        check(requests.grant(1, 1, 0, ttl_ms), limits)
    for ttl_ms in (1, 499, 1001, 2**63 - 1):
        with pytest.raises(BadCommand, match=f"500 to 1000 ms, not {ttl_ms}"):
            check(requests.grant(1, 1, 0, ttl_ms), limits)


def test_one_command_renews_only_so_many_leases() -> None:
    """H4."""
    check(requests.keep_alive(range(1, 1025)), KvLimits())
    with pytest.raises(CommandTooLarge, match="1024 leases at once: at most 9"):
        check(requests.keep_alive(range(1, 1025)), KvLimits(keep_alive_leases_max=9))
    with pytest.raises(BadCommand, match="at most 1024 items"):
        decode_command(requests.keep_alive(range(1, 1026)))


def test_no_client_extends_all_leases() -> None:
    """Only a leader puts this into the log; in the log it is a command like any other."""
    with pytest.raises(BadCommand, match="only a new leader"):
        check(requests.extend(), KvLimits())
    assert decode_command(requests.extend()) == (requests.EXTEND, 0, 0, 0)
