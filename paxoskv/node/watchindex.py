"""Finds who watches a key."""

from __future__ import annotations

from bisect import insort

from paxoskv.node.intervals import Intervals
from paxoskv.node.watchgroup import Group

PREFIX_LENGTHS_MAX = 32
"""Lengths of prefixes that are looked up one by one; prefixes of further lengths are intervals like others."""

Key = tuple[bytes, bytes, int]


class WatchIndex:
    """The groups of watches, by what they watch: one key, a prefix, or any interval.

    A key is looked up as it is, then its beginning of every length that is in use, then in the intervals: a thousand
    watches of different keys or prefixes cost a write a few look-ups in a dict.
    """

    def __init__(self) -> None:
        self._groups: dict[Key, Group] = {}
        self._keys: dict[bytes, list[Group]] = {}
        self._prefixes: dict[bytes, list[Group]] = {}
        self._lengths: list[int] = []
        self._used: dict[int, int] = {}
        self._intervals: Intervals[Group] = Intervals()

    def __bool__(self) -> bool:
        return bool(self._groups)

    def group(self, start: bytes, end: bytes, options: int) -> Group:
        """Return the group of those who watch exactly this, a new one if there is none."""
        group = self._groups.get((start, end, options))
        if group is None:
            group = self._groups[start, end, options] = Group(start, end, options)
            self._place(group)
        return group

    def groups(self) -> list[Group]:
        """Return all groups."""
        return list(self._groups.values())

    def drop(self, group: Group) -> None:
        """Forget a group that nobody is in any more."""
        del self._groups[group.start, group.end, group.options]
        if group.end == group.start + b"\0":
            _take_out(self._keys, group.start, group)
        elif group in self._prefixes.get(group.start, ()):
            _take_out(self._prefixes, group.start, group)
            self._release_length(len(group.start))
        else:
            self._intervals.remove(group)

    def watching(self, key: bytes) -> list[Group]:
        """Return the groups that watch `key`."""
        found = list(self._keys.get(key, ()))
        for length in self._lengths:
            if length > len(key):
                break
            groups = self._prefixes.get(key[:length])
            if groups:
                found += groups
        if self._intervals:
            found += self._intervals.containing(key)
        return found

    def _place(self, group: Group) -> None:
        if group.end == group.start + b"\0":
            self._keys.setdefault(group.start, []).append(group)
        elif group.end == prefix_end(group.start) and self._use_length(len(group.start)):
            self._prefixes.setdefault(group.start, []).append(group)
        else:
            self._intervals.add(group)

    def _use_length(self, length: int) -> bool:
        """Count a prefix of this length, unless there are too many lengths already (H17)."""
        if length not in self._used:
            if len(self._used) >= PREFIX_LENGTHS_MAX:
                return False
            insort(self._lengths, length)
        self._used[length] = self._used.get(length, 0) + 1
        return True

    def _release_length(self, length: int) -> None:
        self._used[length] -= 1
        if not self._used[length]:
            del self._used[length]
            self._lengths.remove(length)


def prefix_end(prefix: bytes) -> bytes:
    """Return the end of the interval of all keys that begin with `prefix`; b"" if that is the end of all keys."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes((head[-1] + 1,)) if head else b""


def _take_out(places: dict[bytes, list[Group]], start: bytes, group: Group) -> None:
    places[start].remove(group)
    if not places[start]:
        del places[start]
