"""Leases that nobody keeps alive for certain, shared by all programs, and keys under them."""

from __future__ import annotations

from paxoskv.errors import LeaseNotFound
from paxoskv.kv import operations as raw
from paxoskv.kv import replies, requests
from paxoskv.simulator.calls.desk import ANY, Desk

_TTLS_S = (0.1, 0.3, 1.0, 1.5)
_NEVER_GRANTED = 1 << 40


async def grant(desk: Desk) -> None:
    """Make a lease."""
    ttl_s = desk.rng.choice(_TTLS_S)
    ttl_ms = round(ttl_s * 1000)
    op = desk.open(desk.judge.attempt("write", b"", b"", (requests.GRANT, ttl_ms)))
    result = await desk.settle(op, desk.client.grant(ttl_s))
    if result is not None:
        desk.judge.leases.append(result.lease)
        desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot, result.lease, ttl_ms))


async def attach(desk: Desk) -> None:
    """Put a key under a lease."""
    key, lease = desk.rng.choice(ANY), _some_lease(desk)
    op = desk.open(desk.judge.attempt("write", key, desk.mark, raw.put(key, desk.mark, lease)))
    result = await desk.settle(op, desk.client.put(key, desk.mark, lease=lease))
    if result is not None:
        desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot))


async def keep_alive(desk: Desk) -> None:
    """Begin a lease's time anew."""
    lease = _some_lease(desk)
    op = desk.open(desk.judge.ask("lease"))
    try:
        ttl_s = await desk.client.keep_alive(lease)
    except LeaseNotFound:
        desk.judge.renewed(op, lease, 0)
    else:
        desk.judge.renewed(op, lease, round(ttl_s * 1000))


async def revoke(desk: Desk) -> None:
    """End a lease."""
    lease = _some_lease(desk)
    op = desk.open(desk.judge.attempt("write", b"", b"", (requests.REVOKE, lease)))
    result = await desk.settle(op, desk.client.revoke(lease))
    if result is not None:
        desk.judge.wrote(op, (replies.APPLIED, result.revision, result.slot, result.deleted))


async def look_up(desk: Desk) -> None:
    """Ask what there is to know of a lease."""
    lease = _some_lease(desk)
    op = desk.open(desk.judge.ask("lease"))
    try:
        info = await desk.client.time_to_live(lease)
    except LeaseNotFound:
        desk.judge.renewed(op, lease, 0)
    else:
        desk.judge.looked_up(op, lease, info.keys)


def _some_lease(desk: Desk) -> int:
    """Return one of the last leases, which may have ended, or one that never was."""
    return desk.rng.choice(desk.judge.leases[-4:] or [_NEVER_GRANTED])
