"""The same log gives the same state and digest everywhere, another log another digest (P26, P44, I5)."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from random import Random

import pytest

from paxoskv.kv import commands
from paxoskv.kv.commands import EXPECT_VALUE, REVISION
from paxoskv.kv.history import Change
from paxoskv.kv.limits import RULES, KvLimits
from paxoskv.kv.machine import Machine
from paxoskv.kv.replies import Reply
from tests.kv.driver import Driver
from tests.kv.logs import LIMITS, random_log

REPOSITORY = Path(__file__).parents[2]


def replay(log: list[bytes], limits: KvLimits = LIMITS) -> tuple[Machine, list[list[Reply]]]:
    """Return a new machine that applied the log, and its replies."""
    machine = Machine(limits)
    return machine, [machine.apply(slot, value) for slot, value in enumerate(log, 1)]


def history(machine: Machine) -> list[Change]:
    """Return all that a watch could be told."""
    return list(machine.events(machine.compacted_revision + 1, machine.revision))


def test_two_replicas_agree_in_every_slot() -> None:
    """On replies, contents, leases, history and digest, for logs that make every kind of reply."""
    for seed in range(20):
        log = random_log(seed)
        one, other = Machine(LIMITS), Machine(LIMITS)
        for slot, value in enumerate(log, 1):
            replies = one.apply(slot, value)
            assert other.apply(slot, value) == replies
            assert one.digest() == other.digest()
        assert one.range(b"", b"", 999, False, 1 << 20) == other.range(b"", b"", 999, False, 1 << 20)
        assert one.next_expiry_ms == other.next_expiry_ms
        assert one.list_leases(0, 99) == other.list_leases(0, 99)
        assert history(one) == history(other)


SCRIPT = """
from tests.kv.test_determinism import history, random_log, replay
for seed in range(5):
    machine, replies = replay(random_log(seed))
    print(machine.digest(), machine.range(b"", b"", 999, False, 1 << 20), replies, machine.list_leases(0, 99),
          history(machine))
"""


def test_the_hash_seed_has_no_influence() -> None:
    """P44: the same bytes come out of processes that hash differently."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            check=True,
            timeout=60,
        )
        for hash_seed in ("0", "1", "4242")
    ]
    assert runs[0].stdout.count(b"\n") == 5
    assert runs[0].stdout == runs[1].stdout == runs[2].stdout


def test_the_digest_of_a_known_log_never_changes() -> None:
    """Replicas of two versions compare digests: who changes this number breaks rolling upgrades (P35)."""
    d = Driver(sessions=2)
    d.put(b"a", b"1")
    d.put(b"b", b"2", session=2)
    d.cas(b"a", b"3", EXPECT_VALUE, b"other")
    d.cas(b"a", b"3", REVISION, 1)
    d.delete(b"b", session=2)
    d.advance(600_001)
    d.put(b"c", b"4")
    assert d.machine.digest() == "f06885f1a8e7f14b"


@pytest.mark.parametrize("seed", range(5))
def test_a_replica_whose_log_differs_by_one_bit_differs(seed: int) -> None:
    """In a value, a key or a number: every bit of a put, one at a time, where it still makes a command."""
    log = [
        commands.encode_batch(0, [commands.open_session()]),
        commands.encode_batch(3, [commands.put(1, 1, 0, b"key", Random(seed).randbytes(12))]),
    ]
    original, _ = replay(log)
    compared = 0
    for bit in range(len(log[1]) * 8):
        damaged = bytearray(log[1])
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            other, _ = replay([log[0], bytes(damaged)])
        except commands.BadBatch:
            continue
        assert other.digest() != original.digest(), f"bit {bit}"
        compared += 1
    assert compared > 100


def test_the_contents_count_beside_the_log() -> None:
    """A replica that wrote something else than the log told it is found out, though the log was the same."""
    good, bad = Driver(), Driver()
    for d in (good, bad):
        d.put(b"a", b"value")
    bad.machine._store.put(b"a", b"valuf")
    bad.machine._store.revision -= 1
    assert good.machine.digest() != bad.machine.digest()


def test_what_the_digest_covers() -> None:
    """Time, an empty slot, another value, another order, a session, a reply: each changes it."""
    put_a, put_b = commands.put(1, 1, 0, b"a", b"1"), commands.put(1, 2, 0, b"b", b"1")
    logs = [
        [],
        [b""],
        [commands.encode_batch(1, [])],
        [commands.encode_batch(2, [])],
        [commands.encode_batch(0, [commands.open_session()])],
        [commands.encode_batch(0, [put_a])],
        [commands.encode_batch(0, [commands.open_session(), put_a, put_b])],
        [commands.encode_batch(0, [commands.open_session(), put_b, put_a])],
        [commands.encode_batch(0, [commands.open_session(), put_a]), commands.encode_batch(0, [put_b])],
        [commands.encode_batch(0, [commands.open_session(), put_a, put_b, put_a])],
        [commands.encode_batch(0, [commands.open_session(), put_a, put_b]), b""],
    ]
    digests = [replay(log)[0].digest() for log in logs]
    assert len(set(digests)) == len(logs)
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in digests)


def test_replies_that_differ_differ() -> None:
    """I6: a replica that has lost its memory of a session answers otherwise, and is found out."""
    write = commands.put(1, 1, 0, b"k", b"v")
    good, forgetful = Driver(), Driver()
    for d in (good, forgetful):
        d.one(write)
    forgetful.machine._sessions.close(1)
    assert good.machine.digest() == forgetful.machine.digest()
    assert good.one(write) != forgetful.one(write)
    assert good.machine.revision == forgetful.machine.revision
    assert good.machine.digest() != forgetful.machine.digest()


@pytest.mark.parametrize("limit", RULES)
def test_replicas_with_other_rules_never_agree(limit: str) -> None:
    """P26: they would answer differently one day, so they differ from the first slot on."""
    other = replace(LIMITS, **{limit: getattr(LIMITS, limit) + 1})
    assert Machine(LIMITS).digest() != Machine(other).digest()


def test_replicas_with_other_sizes_at_the_door_or_of_the_history_agree() -> None:
    """Those limits may change at a restart."""
    others = [field.name for field in fields(LIMITS) if field.name not in RULES]
    assert len(others) == 12
    other = replace(LIMITS, **dict.fromkeys(others, 8))
    assert replay(random_log(3), LIMITS)[0].digest() == replay(random_log(3), other)[0].digest()
