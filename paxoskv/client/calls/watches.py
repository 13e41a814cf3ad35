"""Watches."""

from __future__ import annotations

from paxoskv.client.calls.base import Calls, Text
from paxoskv.client.keys import Interval, interval, to_revision
from paxoskv.client.watch import Watch
from paxoskv.errors import BadRequest
from paxoskv.net import protocol


class WatchCalls(Calls):
    """Being told of changes."""

    def watch(
        self,
        prefix: Text | None = None,
        *,
        key: Text | None = None,
        start: Text | None = None,
        end: Text | None = None,
        revision: int | None = None,
        previous: bool = False,
        puts: bool = True,
        deletes: bool = True,
    ) -> Watch:
        """Return a watch of the keys that begin with `prefix`, of one `key`, or of the keys `start <= key < end`.

        revision: of the first change to be told, which may lie in the past or in the future; without it the watch
        tells what happens after its beginning. previous: events tell what the key held before. puts, deletes:
        whether to be told of these. Does no I/O yet.
        """
        if key is not None and not prefix is start is end is None:
            raise BadRequest("a watch has a key, a prefix, or start and end")
        if revision is not None and to_revision("revision", revision) == 0:
            raise BadRequest("revisions count from 1")
        where = interval(prefix, start, end, self._prefix)
        if key is not None:
            where = Interval(self.whole_key(key), self.whole_key(key) + b"\0")
        options = previous * protocol.PREVIOUS | (not puts) * protocol.NO_PUT | (not deletes) * protocol.NO_DELETE
        return Watch(self._wire, where, options, revision, self._timeout_s, len(self._prefix))
