"""Who watches a key, among many: every interval that holds it and no other, whatever came and went."""

from __future__ import annotations

from random import Random

import pytest

from paxoskv.node.intervals import Intervals
from paxoskv.node.watchgroup import Group
from paxoskv.node.watchindex import PREFIX_LENGTHS_MAX, WatchIndex, prefix_end


def holds(group: Group, key: bytes) -> bool:
    """The definition."""
    return group.start <= key and (not group.end or key < group.end)


def random_interval(rng: Random) -> tuple[bytes, bytes]:
    start, end = sorted(bytes(rng.choice(b"ab\xff") for _ in range(rng.randrange(5))) for _ in "12")
    kind = rng.randrange(5)
    if kind == 0:
        return start, b""
    if kind == 1:
        return start, start + b"\0"
    if kind == 2:
        return start, prefix_end(start)
    return start, end + b"\0"


@pytest.mark.parametrize("seed", range(20))
def test_intervals_are_found_as_one_by_one(seed: int) -> None:
    rng = Random(seed)
    intervals: Intervals[Group] = Intervals()
    alive: list[Group] = []
    for number in range(400):
        if alive and rng.random() < 0.4:
            intervals.remove(alive.pop(rng.randrange(len(alive))))
        else:
            alive.append(Group(*random_interval(rng), number))
            intervals.add(alive[-1])
        key = bytes(rng.choice(b"ab\xff") for _ in range(rng.randrange(5)))
        found = intervals.containing(key)
        assert sorted(group.options for group in found) == [group.options for group in alive if holds(group, key)]
    assert len(intervals) == len(alive)


@pytest.mark.parametrize("seed", range(20))
def test_the_index_finds_keys_prefixes_and_intervals_alike(seed: int) -> None:
    rng = Random(seed)
    index = WatchIndex()
    alive: dict[tuple[bytes, bytes, int], Group] = {}
    for _ in range(400):
        if alive and rng.random() < 0.4:
            index.drop(alive.pop(rng.choice(list(alive))))
        else:
            start, end = random_interval(rng)
            options = rng.randrange(2)
            alive[start, end, options] = index.group(start, end, options)
        assert (index.groups() and set(index.groups()) == set(alive.values())) or not alive
        key = bytes(rng.choice(b"ab\xff") for _ in range(rng.randrange(5)))
        found = index.watching(key)
        assert len(found) == len(set(found)), "nobody is found twice"
        assert set(found) == {group for group in alive.values() if holds(group, key)}
    assert bool(index) == bool(alive)


def test_prefixes_of_a_great_many_lengths_are_found_and_do_not_cost_a_look_up_each() -> None:
    """H17: somebody watches the beginnings of one long key, all of them."""
    index = WatchIndex()
    key = b"k" * 1_000
    groups = [index.group(key[:length], prefix_end(key[:length]), 0) for length in range(1, 500)]
    assert set(index.watching(key)) == set(groups)
    assert set(index.watching(key[:100])) == set(groups[:100])
    assert len(index._lengths) == PREFIX_LENGTHS_MAX
    for group in groups:
        index.drop(group)
    assert not index
    assert index.watching(key) == []
    assert index._lengths == []


@pytest.mark.parametrize(
    ("prefix", "end"),
    [(b"", b""), (b"a", b"b"), (b"a\xff", b"b"), (b"\xff\xff", b""), (b"a\x00", b"a\x01"), (b"a\xff\xff", b"b")],
)
def test_the_end_of_a_prefix(prefix: bytes, end: bytes) -> None:
    assert prefix_end(prefix) == end
