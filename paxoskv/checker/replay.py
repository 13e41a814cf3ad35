"""Executes the operations of one key in the order of the revisions that their replies carry.

A change (a put, an append, a cas that succeeded, a delete of a key that existed) has a revision of its own; what
changes nothing carries the revision of the store at that moment, so it comes after the change of this revision.
Writes without a revision, most of them of unknown outcome, may have happened between two known revisions as long as
there is one left between them for their own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from paxoskv.checker.events import DELETE
from paxoskv.checker.frontier import Frontier
from paxoskv.checker.groups import Group
from paxoskv.checker.model import REFUSED, State
from paxoskv.checker.models import model_for
from paxoskv.checker.operations import Operation
from paxoskv.checker.unknowns import noticeable, twins_of

WAYS_MAX = 5_000
"""Beyond so many ways to place writes without a revision the replay gives up."""

Chain = tuple["Chain", tuple[Operation, ...]] | None
"""The operations so far, the last ones at the head."""


class Mismatch(NamedTuple):
    """A reply that the order of revisions does not explain. possible: what the key may have held then."""

    operation: Operation
    possible: frozenset[State | Group]


class Replayed(NamedTuple):
    """mismatch: None if all replies agree. order: then one in which they do. complete: False if it gave up.

    deletes: those, and transactions that only delete, that surely removed something: their revision is their own.
    """

    mismatch: Mismatch | None
    order: tuple[Operation, ...]
    deletes: tuple[Operation, ...]
    complete: bool


class _Ran(NamedTuple):
    """The operations of one revision, executed: in this order, or up to the one that was refused.

    state: what the key holds after them, or what the refused one found. removed: the delete that surely removed
    something, if there is one.
    """

    state: State | Group
    order: tuple[Operation, ...]
    removed: Operation | None
    refused: Operation | None


def is_stamped(operation: Operation) -> bool:
    """Whether it says at which revision it happened."""
    return operation.revision is not None and operation.ended is not None and operation.counts


def replay(operations: Sequence[Operation], taken: Sequence[int]) -> Replayed:
    """Execute the operations of one key by revision. taken: the revisions known to belong to changes, ascending."""
    replayed = _Replay(operations, taken, exact=False).run()
    if replayed.mismatch is None:
        return replayed
    exact = _Replay(operations, taken, exact=True).run()
    return exact if exact.complete else replayed


class _Replay:
    """Goes through the revisions of a key.

    ways: what the key may hold and which of the loose writes that took, each with the order that led there.
    loose: writes without a revision that somebody may have noticed, each with its bit and that of its twin. A delete
        that answers with a revision not its own has noticed that the key was gone, so loose deletes always count.
    """

    def __init__(self, operations: Sequence[Operation], taken: Sequence[int], exact: bool) -> None:
        counting = [op for op in operations if op.counts]
        model = model_for(counting, exact)
        self._step, self._spend = model.step, model.spend
        self._stamped = sorted(filter(is_stamped, counting), key=_revision)
        writes = [op for op in counting if not is_stamped(op) and not op.is_observer]
        others = [op for op in counting if is_stamped(op) or op.is_observer]
        noticed = {op.began for op in noticeable(writes, others)} if writes else set()
        loose = [op for op in writes if not op.surely_changes or op.began in noticed]
        self._may_be_gone = any(_may_delete(op) for op in loose)
        self._loose = list(
            zip(loose, (1 << number for number in range(len(loose))), twins_of(loose, others), strict=True)
        )
        self._taken = taken
        self._ways: dict[tuple[State | Group, int], Chain] = {(model.initial, 0): None}
        self._removing: list[Operation] = []

    def run(self) -> Replayed:
        before = 0
        for revision, group, deadline in self._groups():
            self._insert(self._room(before, revision), deadline)
            if len(self._ways) > WAYS_MAX:
                return Replayed(None, (), tuple(self._removing), complete=False)
            mismatch = self._execute(group, delete_changes=not self._is_taken(revision))
            if mismatch is not None:
                return Replayed(mismatch, (), tuple(self._removing), complete=True)
            before = revision
        return Replayed(None, _unroll(next(iter(self._ways.values()))), tuple(self._removing), complete=True)

    def _groups(self) -> Iterator[tuple[int, list[Operation], int]]:
        """Yield (revision, its operations, when the first of these and all later ones ended)."""
        groups = [(revision, list(group)) for revision, group in groupby(self._stamped, key=_revision)]
        deadlines: list[int] = []
        for _, group in reversed(groups):
            deadlines.append(min([*map(_end, group), *deadlines[-1:]]))
        for (revision, group), deadline in zip(groups, reversed(deadlines), strict=True):
            yield revision, group, deadline

    def _is_taken(self, revision: int) -> bool:
        return self._room(revision - 1, revision) == 0

    def _room(self, after: int, up_to: int) -> int:
        """Return how many revisions in (after, up_to] belong to no known change."""
        return up_to - after - (bisect_right(self._taken, up_to) - bisect_right(self._taken, after))

    def _insert(self, room: int, deadline: int) -> None:
        """Add the ways in which loose writes, at most `room` of them, happened before `deadline`."""
        usable = [loose for loose in self._loose if loose[0].began < deadline]
        met: Frontier[State | Group] = Frontier()
        for state, spent in self._ways:
            met.add(state, spent)
        level = self._ways
        for _ in range(min(room, len(usable))):
            level = {
                (after, spent | bit): (chain, (op,))
                for (state, spent), chain in level.items()
                for op, bit, twin in usable
                if not spent & bit
                and not twin & ~spent
                and (after := self._spend(op, state)) is not REFUSED
                and met.add(after, spent | bit)
            }
            if not level or len(self._ways) > WAYS_MAX:
                return
            self._ways = self._ways | level

    def _execute(self, group: Sequence[Operation], delete_changes: bool) -> Mismatch | None:
        """Execute the operations of one revision in every way; return the mismatch if none allows it."""
        ways: dict[tuple[State | Group, int], Chain] = {}
        met: Frontier[State | Group] = Frontier()
        removed: set[Operation | None] = set()
        refused: list[_Ran] = []
        for (state, spent), chain in sorted(self._ways.items(), key=_spent):
            ran = self._run_group(group, state, delete_changes)
            if ran.refused is not None:
                refused.append(ran)
            elif met.add(ran.state, spent):
                ways[ran.state, spent] = (chain, ran.order)
                removed.add(ran.removed)
        if not ways:
            first = refused[0].refused
            assert first is not None, "a way that is none has an operation that refused"
            return Mismatch(first, frozenset(ran.state for ran in refused if ran.refused == first))
        self._ways = ways
        if not self._may_be_gone:
            self._removing += [op for op in removed if op is not None and len(removed) == 1]
        return None

    def _run_group(self, group: Sequence[Operation], state: State | Group, delete_changes: bool) -> _Ran:
        """Execute the operations that carry one revision: its change, then what changed nothing.

        delete_changes: a delete may be the change of this revision, for no other operation is.
        """
        changes = [op for op in group if op.surely_changes]
        removed = None
        if delete_changes:
            changes, removed = _first_delete([op for op in group if self._removes(op, state)])
        rest = sorted((op for op in group if op not in changes), key=lambda op: op.began)
        for op in changes:
            after = self._step(op, state)
            if after is REFUSED:
                return _Ran(state, (), None, op)
            state = after
        for op in rest:
            if self._step(op, state) != state:
                return _Ran(state, (), None, op)
        return _Ran(state, (*changes, *rest), removed, None)

    def _removes(self, operation: Operation, state: State | Group) -> bool:
        """Whether an operation that only deletes would find something to remove."""
        return not operation.is_observer and self._step(operation, state) not in (state, REFUSED)


def _may_delete(operation: Operation) -> bool:
    return operation.f == DELETE or any(step.f == DELETE for step in operation.steps)


def _first_delete(deletes: Sequence[Operation]) -> tuple[list[Operation], Operation | None]:
    """Return the delete that removed the key, if any did, and again if it is sure that it was this one.

    Of several with one revision it is the one in the first slot; those in the same slot cannot be told apart.
    """
    deletes = sorted(deletes, key=lambda op: (op.slot or 0, _end(op)))
    is_sure = len(deletes) == 1 or (len(deletes) > 1 and (deletes[0].slot or 0) < (deletes[1].slot or 0))
    return deletes[:1], deletes[0] if is_sure else None


def _spent(way: tuple[tuple[State | Group, int], Chain]) -> int:
    """Return how many loose writes a way has taken: the fewest first."""
    return way[0][1].bit_count()


def _end(operation: Operation) -> int:
    assert operation.ended is not None, f"a reply with a revision has arrived: {operation}"
    return operation.ended


def _revision(operation: Operation) -> int:
    assert operation.revision is not None, f"only operations with a revision are sorted by it, not {operation}"
    return operation.revision


def _unroll(chain: Chain) -> tuple[Operation, ...]:
    parts: list[tuple[Operation, ...]] = []
    while chain is not None:
        chain, part = chain
        parts.append(part)
    return tuple(op for part in reversed(parts) for op in part)
