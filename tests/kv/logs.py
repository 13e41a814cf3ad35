"""Random logs in which everything happens: every command, copies, refusals, expiry, no-ops."""

from __future__ import annotations

from random import Random

from paxoskv.kv import commands, requests
from paxoskv.kv import operations as ops
from paxoskv.kv.commands import ABSENT, EXPECT_VALUE, REVISION
from paxoskv.kv.limits import KvLimits

LIMITS = KvLimits(
    session_idle_ms=40,
    session_replies_max=3,
    sessions_max=6,
    session_reply_bytes_max=64,
    leases_max=5,
    lease_keys_max=1,
    expiry_keys_max=3,
    command_keys_max=6,
    reply_bytes_max=250,
    grown_value_bytes_max=16,
)
"""So small that random commands reach every one of them."""


def key(random: Random) -> bytes:
    """Return one of few keys."""
    return b"key-%d" % random.randrange(12)


def value(random: Random) -> bytes:
    """Return a value: bytes, or a number."""
    return random.choice([random.randbytes(random.randrange(20)), b"%d" % random.randrange(-9, 99)])


def lease(random: Random) -> int:
    """Return none, or a lease that may exist."""
    return random.choice([0, random.randint(1, 12)])


def interval(random: Random) -> tuple[bytes, bytes]:
    """Return any interval, also an empty one."""
    return random.choice([b"", key(random)]), random.choice([b"", key(random), key(random) + b"\x00"])


def operation(random: Random, depth: int = 1) -> ops.Operation:
    """Return any operation, up to three transactions within one another."""
    name = key(random)
    choices = [
        ops.put(name, value(random), lease(random)),
        ops.delete(name),
        ops.get(name),
        ops.incr(name, random.choice([1, -5, (1 << 63) - 20])),
        ops.append(name, random.randbytes(random.randrange(9))),
        ops.put_with(name, value(random), 0, random.choice([0, 1, 2, 3, 4, 5, 6, 8, 9, 11])),
        ops.put_with(name, value(random), lease(random), ops.PREVIOUS),
        ops.delete_range(*interval(random), random.choice([0, 0, 1, 5]), random.randrange(2)),
        ops.read_range(*interval(random), random.choice([0, 0, 1, 5]), random.randrange(8)),
    ]
    return transaction(random, depth + 1) if depth < 4 and random.random() < 0.2 else random.choice(choices)


def compare(random: Random) -> ops.Compare:
    """Return any compare that often holds."""
    start, end = interval(random) if random.random() < 0.3 else (key(random), None)
    target = random.randrange(6)
    if target == ops.ABSENT:
        return ops.compare(target, random.randrange(2), start or key(random), None, end)
    operand = value(random) if target == ops.VALUE else random.choice([0, 1, 2, random.randrange(60)])
    return ops.compare(target, random.randrange(4), start if end is not None else key(random), operand, end)


def transaction(random: Random, depth: int = 1) -> ops.Operation:
    """Return any transaction."""
    then, otherwise = ([operation(random, depth) for _ in range(random.randrange(5))] for _ in range(2))
    return ops.txn([compare(random) for _ in range(random.choice([0, 0, 1, 2]))], then, otherwise)


def disorderly(random: Random) -> tuple[int, int, int]:
    """Return session, seq and acked that may be anything, and collide often."""
    session, seq = random.randint(1, 8), random.randint(1, 30)
    return session, seq, max(0, seq - random.randint(1, 12))


def command(random: Random, header: tuple[int, int, int]) -> bytes:
    """Return any command."""
    condition = random.choice([(EXPECT_VALUE, value(random)), (ABSENT, None), (REVISION, random.randrange(40))])
    single = operation(random, 9)
    choices = [
        commands.put(*header, key(random), value(random), lease(random)),
        commands.put(*header, key(random), value(random)),
        commands.delete(*header, key(random)),
        commands.cas(*header, key(random), value(random), *condition),
        commands.cas(*header, key(random), value(random), *condition),
        commands.open_session(),
        commands.close_session(*header) if header[0] > 1 and random.random() < 0.1 else commands.open_session(),
        requests.write(*header, transaction(random)),
        requests.write(*header, transaction(random)),
        requests.write(*header, single if single[0] not in (ops.GET, ops.RANGE) else transaction(random)),
        requests.grant(*header, random.choice([5, 20, 60, 300])),
        requests.keep_alive([random.randint(1, 12) for _ in range(random.randint(1, 3))]),
        requests.revoke(*header, random.randint(1, 12)),
        requests.compact(*header, random.randrange(60)) if random.random() < 0.3 else requests.extend(),
        commands.put(*header, key(random), value(random), random.randint(1, 12)),
    ]
    return random.choice(choices)


def random_log(seed: int, slots: int = 120) -> list[bytes]:
    """Return the values of a log: half of its commands come from one orderly client, session 1."""
    random = Random(seed)
    log, seq = [commands.encode_batch(0, [commands.open_session()])], 0
    for _ in range(slots):
        batch: list[bytes] = []
        for _ in range(random.randrange(6)):
            is_orderly = not batch or random.random() < 0.5
            seq += is_orderly
            batch.append(
                command(random, (1, seq, max(0, seq - random.randint(1, 5))) if is_orderly else disorderly(random))
            )
        elapsed_ms = random.choice([0, 0, 1, 5, 30 if batch else 0])
        log.append(commands.encode_batch(elapsed_ms, batch) if batch or elapsed_ms else b"")
    return log
