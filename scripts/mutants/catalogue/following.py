"""Mutants of the client's watches, leases and guards (P24, P26, P27, P29)."""

from __future__ import annotations

from scripts.mutants.mutant import Edit, Mutant

_WATCH = "tests/client/test_watch.py"
_LEASES = "tests/client/test_leases.py"
_TRANSACTIONS = "tests/client/test_transactions.py"


def _mutant(name: str, pitfall: str, rule: str, place: str, old: str, new: str, test: str) -> Mutant:
    """Return a mutant of one edit. place: file and function, as `client/stream.py Stream.take`."""
    file, inside = place.split()
    return Mutant(name, pitfall, rule, (Edit(file, inside, old, new),), (test,))


MUTANTS = (
    _mutant(
        "watch-resumes-one-too-late",
        "P29",
        "a watch goes on, on whatever node, at the first revision that it was not told",
        "client/streams.py Streams._request",
        "stream.next_revision, stream.options",
        "stream.next_revision + (stream.has_stood), stream.options",
        _WATCH,
    ),
    _mutant(
        "half-a-revision-kept-for-the-next-node",
        "P29",
        "what a lost node has told in part is told anew, from the start of the revision",
        "client/stream.py Stream.interrupt",
        "self._part = None",
        "pass",
        _WATCH,
    ),
    _mutant(
        "part-of-a-revision-handed-out",
        "P28",
        "a program reads a revision when all of it is there",
        "client/events.py told",
        "if not is_whole:",
        "if False:",
        _WATCH,
    ),
    _mutant(
        "older-revision-after-a-part",
        "P28",
        "revisions are read in their order, whatever a node tells after a part of one",
        "client/events.py Told.after",
        "min(self.first, self.last)",
        "self.last",
        _WATCH,
    ),
    _mutant(
        "part-without-an-end",
        "P29",
        "a revision that was told in part is whole once a later one has been reached",
        "client/events.py Told.after",
        "(_completed(part), *self.batches)",
        "self.batches",
        _WATCH,
    ),
    _mutant(
        "compacted-watch-asked-for-again",
        "P29",
        "a watch whose next revision is forgotten ends, and says so",
        "client/streams.py _final",
        "if refusal.status == protocol.COMPACTED:",
        "if False:",
        _WATCH,
    ),
    _mutant(
        "mark-believed-before-the-watch-stands",
        "P29",
        "a mark speaks of the watches that the node has taken, and of no others",
        "client/streams.py Streams.on_progress",
        "if stream.stands and",
        "if",
        _WATCH,
    ),
    _mutant(
        "mark-taken-for-what-was-read",
        "P29",
        "where a watch may be resumed is where its reader stands, not what has arrived",
        "client/watch.py Watch.next",
        "self._told = event.revision",
        "self._told = max(event.revision, self._stream.next_revision - 1 if self._stream else 0)",
        _WATCH,
    ),
    _mutant(
        "grant-counted-from-its-answer",
        "P24",
        "a lease lives from before its grant was sent, as far as its owner can know",
        "client/lease.py Lease.__aenter__",
        "self._wire.keeper.keep(granted.lease, granted.ttl_s, sent_s)",
        "self._wire.keeper.keep(granted.lease, granted.ttl_s, self._wire.keeper.clock())",
        _LEASES,
    ),
    _mutant(
        "lease-lost-when-a-task-notices",
        "P24",
        "who stood still knows that its lease is gone before any task could tell it",
        "client/keeper.py Kept.is_lost",
        "return self.lost.is_set() or self._clock() >= self.expires_s",
        "return self.lost.is_set()",
        _LEASES,
    ),
    _mutant(
        "unknown-lease-kept-alive",
        "P26",
        "a lease that the store does not know is lost at once",
        "client/keeper.py Keeper._renew",
        "if ttl_ms:",
        "if True:",
        _LEASES,
    ),
    _mutant(
        "lost-lease-leaves-its-block-quietly",
        "P24",
        "who leaves the block of a lost lease is told so",
        "client/lease.py Lease.__aexit__",
        "if await self.end() or error is not None:",
        "if await self.end() or True:",
        _LEASES,
    ),
    _mutant(
        "guard-that-does-not-hold-passes",
        "P27",
        "a write under a guard that does not hold is an error",
        "client/guards.py guarded_parse",
        "if not more[0]:",
        "if False:",
        _TRANSACTIONS,
    ),
    _mutant(
        "results-of-the-other-branch",
        "P28",
        "the results of a transaction are those of the branch that ran",
        "client/ops.py decode_txn",
        "branch = tuple(then if succeeded else otherwise)",
        "branch = tuple(then)",
        _TRANSACTIONS,
    ),
)
