"""The state machine against its plain twin: every reply, every state, every event (I5, P25 to P29)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from paxoskv.kv import digest, replies
from paxoskv.kv.history import Compacted
from paxoskv.kv.leases import LeaseView
from paxoskv.kv.machine import Machine
from paxoskv.kv.queries import Query
from tests.kv.logs import LIMITS, random_log
from tests.kv.naive import Naive

SEEDS = 20


def assert_same_state(machine: Machine, naive: Naive) -> None:
    """Keys, leases, revision and next expiry."""
    page = machine.query(Query(b"", b"", 1000, 1 << 20))
    assert page.records == sorted(naive.keys.items())
    assert (machine.revision, machine.keys, machine.sessions) == (naive.revision, len(naive.keys), len(naive.clients))
    assert machine.list_leases(0, 99) == [
        LeaseView(lease, ttl_ms, max(0, expires_ms - naive.now_ms), len(naive.held(lease)))
        for lease, (ttl_ms, expires_ms) in sorted(naive.leases.items())
    ]
    for lease in naive.leases:
        assert machine.lease_keys(lease) == naive.held(lease)
    contents = sum(digest.of_record(key, *record) for key, record in naive.keys.items())
    assert machine._store.contents == contents % 2**64, "the incremental digest is the one made from nothing"
    expiries = [expires_ms + 1 for _, expires_ms in naive.leases.values()]
    expiries += [client.active_ms + LIMITS.session_idle_ms + 1 for client in naive.clients.values()]
    assert machine.next_expiry_ms == min(expiries, default=None)


def assert_same_past(machine: Machine, naive: Naive) -> None:
    """Every revision of the window, and every event after it."""
    oldest = machine.compacted_revision
    for revision in range(max(1, oldest), naive.revision + 1):
        page = machine.query(Query(b"", b"", 1000, 1 << 20, revision=revision))
        assert page.records == sorted(naive.states[revision].items()), f"revision {revision}"
    changes = list(machine.events(oldest + 1, naive.revision))
    told = [(revision, naive.events(revision)) for revision in range(oldest + 1, naive.revision + 1)]
    assert changes == [(revision, events) for revision, events in told if events]
    if oldest:
        with pytest.raises(Compacted):
            next(machine.events(oldest, naive.revision))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_reply_and_every_state_agree(seed: int) -> None:
    """Slot by slot; the past is compared now and then, and at the end."""
    limits = replace(LIMITS, history_events_max=48) if seed % 2 else LIMITS
    machine, naive = Machine(limits), Naive(limits)
    for slot, value in enumerate(random_log(seed), 1):
        assert machine.apply(slot, value) == naive.apply(slot, value), f"slot {slot}"
        assert_same_state(machine, naive)
        if slot % 20 == 0:
            assert_same_past(machine, naive)


def test_the_random_logs_reach_every_reply() -> None:
    """Otherwise the comparison above shows less than it says."""
    codes: Counter[int] = Counter()
    for seed in range(3 * SEEDS):
        machine = Machine(LIMITS)
        for slot, value in enumerate(random_log(seed), 1):
            codes.update(reply[0] for reply in machine.apply(slot, value))
    every = {number for name, number in vars(replies).items() if name.isupper() and name != "BARE_ITEMS"}
    assert min(codes[code] for code in every) >= 5, codes
