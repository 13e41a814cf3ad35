"""Watches every key that clients use, from its first change on, through all that happens to the nodes (P29)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from paxoskv import Client, PaxoskvError

SETTLE_TIMEOUT_S = 60.0
_POLL_S = 0.05
_PAUSE_S = 0.1


class News(NamedTuple):
    """One change of a key, as a watch told it. value: None if the key was deleted."""

    revision: int
    value: bytes | None


class Gazette:
    """One watch for each key. told: what each has told, in its order. troubles: why one told no more, in words."""

    def __init__(self, make_client: Callable[..., Client], timeout_s: float) -> None:
        self.told: dict[bytes, list[News]] = {}
        self.troubles: list[str] = []
        self._make_client = make_client
        self._timeout_s = timeout_s
        self._reached: dict[bytes, int] = {}

    async def run(self, endpoints: Sequence[str], keys: Callable[[], Sequence[bytes]]) -> None:
        """Watch what `keys` names, now and later, until cancelled."""
        async with self._make_client(endpoints, timeout_s=self._timeout_s) as kv, asyncio.TaskGroup() as group:
            while True:
                for key in keys():
                    if key not in self.told:
                        self.told[key] = []
                        group.create_task(self._watch(kv, key))
                await asyncio.sleep(_PAUSE_S)

    async def settled(self, finals: Mapping[bytes, int]) -> None:
        """Wait until every key's watch has told everything up to a revision; note those that do not."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + SETTLE_TIMEOUT_S
        while late := [key for key, revision in finals.items() if self._reached.get(key, 0) < revision]:
            if loop.time() > deadline_s:
                self.troubles += [f"{key.decode()} is watched up to {self._reached.get(key, 0)} only" for key in late]
                return
            await asyncio.sleep(_POLL_S)

    async def _watch(self, kv: Client, key: bytes) -> None:
        try:
            async for event in kv.watch(key=key, revision=1):
                self.told[key].append(News(event.revision, event.value))
                self._reached[key] = event.revision
        except PaxoskvError as error:
            self.troubles.append(f"the watch of {key.decode()} ended: {type(error).__name__}: {error}")
