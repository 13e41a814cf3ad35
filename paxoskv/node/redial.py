"""Connections that stand, and on which nothing comes of what is sent (P21, R22).

A damaged length in a header lets the other side wait for megabytes that nobody sends; something between the nodes may
swallow what it has acknowledged. TCP notices none of that. What does is the core: no round trip comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

SILENCE_S = 3.0
"""So long a link may stand without a round trip of heartbeats."""

LOOK_S = 0.5


class Links(Protocol):
    """The mesh, as far as it matters here."""

    @property
    def connected(self) -> list[int]:
        """The peers to which frames leave just now."""

    def redial(self, peer: int, reason: str) -> None:
        """Drop the connection to a peer and make a new one."""


class Redial:
    """Has a link dialled anew that is up and proves useless.

    hears: whether round trips with a peer come back. clock: monotonic seconds.
    """

    def __init__(
        self, links: Links, peers: Iterable[int], hears: Callable[[int, float], bool], clock: Callable[[], float]
    ) -> None:
        self._links = links
        self._hears = hears
        self._clock = clock
        self._fine_s = dict.fromkeys(peers, clock())

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Reset what has been up and silent for too long."""
        now, connected = self._clock(), self._links.connected
        for peer, fine_s in self._fine_s.items():
            if peer not in connected or self._hears(peer, now):
                self._fine_s[peer] = now
            elif now - fine_s > SILENCE_S:
                self._fine_s[peer] = now
                self._links.redial(peer, f"no heartbeat has come back for {SILENCE_S:g} s")
