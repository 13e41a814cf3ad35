"""Finds the intervals that a key lies in."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class Interval(Protocol):
    """Keys of start <= key < end; end b"" is the end of all keys."""

    start: bytes
    end: bytes


_Item = TypeVar("_Item", bound=Interval)


class Intervals(Generic[_Item]):
    """A set of intervals. Taking one costs O(log n) on average, finding those of a key O(log n ** 2 + found).

    They stand in trees that never change, each larger than the next: a new interval is a tree of one, and trees of
    about one size become one. What was removed stays in its tree until as much is gone as is left.
    """

    def __init__(self) -> None:
        self._alive: dict[_Item, None] = {}
        self._trees: list[_Tree[_Item]] = []
        self._dead = 0

    def __len__(self) -> int:
        return len(self._alive)

    def add(self, item: _Item) -> None:
        """Take an interval that was never in the set."""
        self._alive[item] = None
        items = [item]
        while self._trees and len(self._trees[-1].items) <= len(items):
            items += self._trees.pop().items
        self._trees.append(_Tree(items))

    def remove(self, item: _Item) -> None:
        """Drop an interval that is in the set, for good."""
        del self._alive[item]
        self._dead += 1
        if self._dead > len(self._alive):
            self._dead = 0
            self._trees = [_Tree(list(self._alive))] if self._alive else []

    def containing(self, key: bytes) -> list[_Item]:
        """Return the intervals that `key` lies in."""
        found: list[_Item] = []
        for tree in self._trees:
            tree.find(key, found)
        return [item for item in found if item in self._alive] if self._dead else found


class _Tree(Generic[_Item]):
    """Intervals ordered by start; the middle of a stretch of them is the root of a tree made of its two halves.

    tops: for each root the greatest end in its tree, b"" if one of them has no end.
    """

    __slots__ = ("items", "tops")

    def __init__(self, items: list[_Item]) -> None:
        self.items = sorted(items, key=lambda item: item.start)
        self.tops = [item.end for item in self.items]
        self._raise_top(0, len(items))

    def find(self, key: bytes, found: list[_Item]) -> None:
        """Add the intervals that `key` lies in."""
        stretches = [(0, len(self.items))]
        while stretches:
            low, high = stretches.pop()
            root = (low + high) // 2
            if low == high or (self.tops[root] and self.tops[root] <= key):
                continue
            stretches.append((low, root))
            item = self.items[root]
            if item.start <= key:
                stretches.append((root + 1, high))
                if not item.end or key < item.end:
                    found.append(item)

    def _raise_top(self, low: int, high: int) -> None:
        """Set the tops of a stretch, of which none was set."""
        if low == high:
            return
        root = (low + high) // 2
        for first, last in ((low, root), (root + 1, high)):
            self._raise_top(first, last)
            if first < last:
                top = self.tops[(first + last) // 2]
                self.tops[root] = max(self.tops[root], top) if top and self.tops[root] else b""
