"""All that a cluster can be asked, and views of it."""

from __future__ import annotations

from paxoskv.client.calls.base import Text
from paxoskv.client.calls.cluster import ClusterCalls
from paxoskv.client.calls.keys import KeyCalls
from paxoskv.client.calls.leases import LeaseCalls
from paxoskv.client.calls.ranges import RangeCalls
from paxoskv.client.calls.transactions import TxnCalls
from paxoskv.client.calls.watches import WatchCalls
from paxoskv.client.codecs import Codec, T
from paxoskv.client.keys import to_bytes
from paxoskv.client.ops import Compare
from paxoskv.client.typed import TypedStore
from paxoskv.errors import BadRequest


class Store(KeyCalls, RangeCalls, TxnCalls, LeaseCalls, WatchCalls, ClusterCalls):
    """A view of a cluster through a client: the client itself is one, and the methods below make others.

    Keys and values are bytes; str is sent as UTF-8. Besides the errors named, every call may raise Unavailable,
    Overloaded, BadRequest and TooLarge, and every write OutcomeUnknown: see `paxoskv.errors`.
    """

    def scoped(self, prefix: Text) -> Store:
        """Return a view in which every key is relative to `prefix`, on the way in and on the way out."""
        return Store(self._wire, self._prefix + to_bytes("prefix", prefix), self._timeout_s, self._guards)

    def with_timeout(self, timeout_s: float) -> Store:
        """Return a view whose calls may take so long, their retries included."""
        if not timeout_s > 0:
            raise BadRequest(f"timeout_s is {timeout_s}: it must be more than 0")
        return Store(self._wire, self._prefix, timeout_s, self._guards)

    def guarded(self, *guards: Compare) -> Store:
        """Return a view whose writes of keys are refused by the store unless all guards hold, with GuardFailed.

        With the guard of a lock, what a holder writes that has lost it, perhaps without knowing, changes nothing:
        see `Lock.guard` (P27). Reads are not guarded; compact and writes to leases are refused.
        """
        encoded = tuple(guard.encode(self._prefix) for guard in guards)
        return Store(self._wire, self._prefix, self._timeout_s, (*self._guards, *encoded))

    def typed(self, codec: Codec[T]) -> TypedStore[T]:
        """Return a view whose values are Python values: `kv.typed(paxoskv.JSON)`."""
        return TypedStore(self, self, codec)
