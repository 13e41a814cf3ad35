"""A semaphore: so many holders at a time, in the order of arrival."""

from __future__ import annotations

from collections.abc import Sequence

from paxoskv.client.calls.base import Text
from paxoskv.client.recipes.holding import Holding
from paxoskv.client.recipes.line import Blocking
from paxoskv.client.recipes.naming import directory
from paxoskv.client.results import Entry
from paxoskv.client.store import Store
from paxoskv.errors import BadRequest


class Semaphore(Holding):
    """As a lock, with up to `limit` holders; all who use the same name should agree on it."""

    def __init__(self, kv: Store, name: Text, limit: int, *, ttl_s: float = 10.0, value: Text = b"") -> None:
        if limit < 1:
            raise BadRequest(f"the limit is {limit}: a semaphore has at least 1 holder")
        super().__init__(kv, directory(name, "semaphore"), ttl_s, value)
        self._limit = limit

    def _blocking(self) -> Blocking:
        """As long as all of the last `limit` who came before us are there, there is no room."""

        def blocking(before: Sequence[Entry]) -> Sequence[Entry]:
            return before[-self._limit :] if len(before) >= self._limit else ()

        return blocking
