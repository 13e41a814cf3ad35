"""A lock for many readers or one writer, in the order of arrival."""

from __future__ import annotations

from paxoskv.client.calls.base import Text
from paxoskv.client.recipes.holding import Holding
from paxoskv.client.recipes.line import Blocking
from paxoskv.client.recipes.naming import directory
from paxoskv.client.store import Store

_READER = b".r"
_WRITER = b".w"


class _Reader(Holding):
    """Waits for the last writer who came before."""

    def _blocking(self) -> Blocking:
        return lambda before: [entry for entry in before if entry.key.endswith(_WRITER)][-1:]


class RWLock:
    """Many may read at the same time, or one may write; nobody starves, since nobody overtakes a writer.

    async with RWLock(kv, "catalogue").read() as held: ...
    """

    def __init__(self, kv: Store, name: Text, *, ttl_s: float = 10.0) -> None:
        self._kv = kv
        self._directory = directory(name, "rwlock")
        self._ttl_s = ttl_s

    def read(self) -> Holding:
        """Return the lock for reading, to be entered or acquired."""
        return _Reader(self._kv, self._directory, self._ttl_s, b"", _READER)

    def write(self) -> Holding:
        """Return the lock for writing, to be entered or acquired."""
        return Holding(self._kv, self._directory, self._ttl_s, b"", _WRITER)
