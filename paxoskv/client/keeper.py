"""Keeps the leases of a client alive, many of them with one command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from paxoskv.client import answers
from paxoskv.client.chores import Chores
from paxoskv.client.session import Writer
from paxoskv.errors import PaxoskvError
from paxoskv.kv import requests

RENEWALS_PER_TTL = 3
"""A lease is renewed when a third of its time is gone, and then again and again until it works or has run out."""

_EARLY = 0.1
"""A renewal that goes out takes along those due within so much of their time to live."""
_RETRY = 0.05
_BATCH_MAX = 1024


class Kept:
    """A lease that is kept alive.

    expires_s: when it may have ended, by our clock and counted from before the last renewal that worked was sent:
    as long as it has not come, the lease is alive (P24, P26). renew_s: when the next renewal is due.
    lost: set when it has ended, or may have; that is final.
    """

    __slots__ = ("_clock", "expires_s", "id", "is_renewing", "lost", "renew_s", "ttl_s")

    def __init__(self, id: int, ttl_s: float, sent_s: float, clock: Callable[[], float]) -> None:
        self.id = id
        self.ttl_s = ttl_s
        self.lost = asyncio.Event()
        self.is_renewing = False
        self._clock = clock
        self.renew(sent_s)

    @property
    def is_lost(self) -> bool:
        """Whether it may have ended: by the clock, and so right even before any task could notice, after a pause."""
        return self.lost.is_set() or self._clock() >= self.expires_s

    def renew(self, sent_s: float) -> None:
        """A grant or a renewal sent at `sent_s` has worked."""
        self.expires_s = sent_s + self.ttl_s
        self.renew_s = sent_s + self.ttl_s / RENEWALS_PER_TTL


class Keeper:
    """One task that renews all leases of a client; it lives while there are any.

    clock: monotonic seconds, of suspended time too.
    """

    def __init__(self, writer: Writer, clock: Callable[[], float], chores: Chores) -> None:
        self.clock = clock
        self._chores = chores
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._kept: dict[Kept, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def keep(self, id: int, ttl_s: float, sent_s: float) -> Kept:
        """Keep a lease alive that was granted by a request sent at `sent_s`."""
        kept = Kept(id, ttl_s, sent_s, self.clock)
        self._kept[kept] = None
        self._wake.set()
        if self._task is None:
            self._task = self._chores.begin(self._run(), "lease keeper")
        return kept

    def drop(self, kept: Kept) -> None:
        """Keep a lease alive no longer."""
        self._kept.pop(kept, None)
        self._wake.set()

    def close(self) -> None:
        """Nothing is kept alive any more: whatever is left is lost."""
        for kept in list(self._kept):
            self._lose(kept)

    async def _run(self) -> None:
        while self._kept:
            now_s = self.clock()
            for kept in [kept for kept in self._kept if kept.is_lost]:
                self._lose(kept)
            self._renew_due(now_s)
            await self._pause(self._next_s() - now_s)
        self._task = None

    def _renew_due(self, now_s: float) -> None:
        idle = [kept for kept in self._kept if not kept.is_renewing]
        if not any(kept.renew_s <= now_s for kept in idle):
            return
        due = sorted((kept for kept in idle if kept.renew_s <= now_s + _EARLY * kept.ttl_s), key=lambda kept: kept.id)
        for first in range(0, len(due), _BATCH_MAX):
            self._chores.begin(self._renew(due[first : first + _BATCH_MAX]), "lease renewal")

    async def _renew(self, batch: list[Kept]) -> None:
        """Renew some leases with one command; those that fail are due again soon, until their time is over."""
        for kept in batch:
            kept.is_renewing = True
        sent_s = self.clock()
        left_s = min(kept.expires_s for kept in batch) - sent_s
        try:
            command = requests.keep_alive(kept.id for kept in batch)
            answer = await self._writer.write_freely(self._loop.time() + left_s, answers.keep_alive_answer, command)
        except PaxoskvError:
            for kept in batch:
                kept.renew_s = self.clock() + _RETRY * kept.ttl_s
        else:
            for kept, ttl_ms in zip(batch, answer.reply[3], strict=True):
                if ttl_ms:
                    kept.renew(sent_s)
                else:
                    self._lose(kept)
        finally:
            for kept in batch:
                kept.is_renewing = False
            self._wake.set()

    def _lose(self, kept: Kept) -> None:
        if kept in self._kept:
            del self._kept[kept]
            kept.lost.set()

    def _next_s(self) -> float:
        """Return when there is something to do next, as far as known now."""
        renewals = (kept.renew_s for kept in self._kept if not kept.is_renewing)
        expiries = (kept.expires_s for kept in self._kept)
        return min([*renewals, *expiries], default=self.clock())

    async def _pause(self, pause_s: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(max(pause_s, 0.0)):
                await self._wake.wait()
        except TimeoutError:
            return
