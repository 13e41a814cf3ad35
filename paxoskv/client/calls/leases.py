"""Calls on leases: what keys live under that live only as long as somebody says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

from paxoskv.client import answers
from paxoskv.client.calls.base import Calls, LeaseLike, lease_id
from paxoskv.client.lease import Lease
from paxoskv.client.results import GrantResult, LeaseInfo, RevokeResult
from paxoskv.errors import BadRequest, LeaseNotFound
from paxoskv.kv import requests
from paxoskv.net import protocol

_KEYS_PAGE = 1000


class LeaseCalls(Calls):
    """Granting, renewing, revoking and looking at leases."""

    def lease(self, ttl_s: float = 10.0) -> Lease:
        """Return a lease for use in `async with`, kept alive while the block runs. Does no I/O yet.

        ttl_s: how long it outlives this program, or its connection to the cluster.
        """
        _ttl_ms(ttl_s)
        return Lease(self._wire, ttl_s, self.grant, self.revoke)

    async def grant(self, ttl_s: float) -> GrantResult:
        """Make a lease that ends after `ttl_s` unless `keep_alive` is called in time: whose business that is.

        Raises: TooManyLeases, BadRequest if the time is too short or too long.
        """
        answer = await self._write(answers.grant_answer, requests.grant, _ttl_ms(ttl_s))
        _, revision, slot, lease, ttl_ms = answer.reply[:5]
        return GrantResult(lease, ttl_ms / 1000, revision, slot, answer.ballot)

    async def keep_alive(self, lease: LeaseLike) -> float:
        """Let a lease live for its whole time again; return that, in seconds. Raises: LeaseNotFound."""
        number = lease_id(lease)
        deadline_s = self._deadline_s()
        command = requests.keep_alive([number])
        answer = await self._wire.writer.write_freely(deadline_s, answers.keep_alive_answer, command)
        ttl_ms: int = answer.reply[3][0] if answer.reply[3] else 0
        if not ttl_ms:
            raise _not_found(number)
        return ttl_ms / 1000

    async def revoke(self, lease: LeaseLike) -> RevokeResult:
        """End a lease, and delete the keys that it holds. Raises: LeaseNotFound."""
        answer = await self._write(answers.signed_answer, requests.revoke, lease_id(lease))
        _, revision, slot, deleted = answer.reply[:4]
        return RevokeResult(deleted, revision, slot, answer.ballot)

    async def time_to_live(self, lease: LeaseLike) -> LeaseInfo:
        """Return a lease, and the keys that it holds in this view. Raises: LeaseNotFound."""
        number = lease_id(lease)
        keys: list[bytes] = []
        after = b""
        while True:
            fields = (protocol.LEASE, protocol.LINEARIZABLE, number, after, _KEYS_PAGE)
            found, more = await self._read(answers.lease_answer, *fields)
            if found is None:
                raise _not_found(number)
            keys += found.keys
            if not more or not found.keys:
                cut = len(self._prefix)
                ours = tuple(key[cut:] for key in keys if key.startswith(self._prefix))
                info: LeaseInfo = found._replace(keys=ours)
                return info
            after = found.keys[-1]

    async def leases(self) -> AsyncIterator[LeaseInfo]:
        """Yield all leases, without their keys, the oldest first; page by page, each as it is when read."""
        after = 0
        while True:
            page, more = await self._read(answers.leases_answer, protocol.LEASES, protocol.LINEARIZABLE, after, 0)
            for lease in page:
                yield lease
            if not more:
                return
            after = page[-1].lease


def _ttl_ms(ttl_s: float) -> int:
    if not 0 < ttl_s < 1e15:
        raise BadRequest(f"the time to live is {ttl_s} s: it must be more than 0, and finite")
    return max(round(ttl_s * 1000), 1)


def _not_found(lease: int) -> LeaseNotFound:
    return LeaseNotFound(f"lease {lease} does not exist: it expired, was revoked, or never was")
