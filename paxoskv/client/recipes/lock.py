"""A lock: one holder at a time, in the order of arrival."""

from __future__ import annotations

from paxoskv.client.calls.base import Text
from paxoskv.client.recipes.holding import Holding
from paxoskv.client.recipes.line import line_now
from paxoskv.client.recipes.naming import directory
from paxoskv.client.results import Entry
from paxoskv.client.store import Store


class Lock(Holding):
    """Mutual exclusion, as far as there is such a thing between machines: see `token` and `guard`.

        async with Lock(kv, "jobs") as lock:
            await kv.txn(compare=[lock.guard], then=[...])

    ttl_s: after how long without a sign of life the lock is taken from its holder. value: shown to others by `holder`.
    """

    def __init__(self, kv: Store, name: Text, *, ttl_s: float = 10.0, value: Text = b"") -> None:
        super().__init__(kv, directory(name, "lock"), ttl_s, value)

    async def holder(self) -> Entry | None:
        """Return the entry of whoever holds the lock now, with its `value`; None if it is free."""
        line = await line_now(self._kv, self._directory, keys_only=False)
        return line.entries[0] if line.entries else None
