"""Reads of many keys: order, shapes, filters, pages at one revision, and their bounds (H4, H17)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paxoskv.kv import operations as ops
from paxoskv.kv.history import Compacted, FutureRevision
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.queries import Page, Query, Shape
from paxoskv.kv.records import Record
from tests.kv.driver import Driver


def page(
    d: Driver,
    start: bytes = b"",
    end: bytes = b"",
    *,
    limit: int = 100,
    bytes_max: int = 1 << 20,
    revision: int = 0,
    descending: bool = False,
    shape: Shape = Shape.RECORDS,
    modified: tuple[int, int] = (0, 0),
    created: tuple[int, int] = (0, 0),
    scan_max: int = 1000,
) -> Page:
    """Return the first page of a query."""
    query = Query(start, end, limit, bytes_max, revision, descending, shape, modified, created, scan_max)
    return d.machine.query(query)


def names(read: Page) -> tuple[list[bytes], bytes | None]:
    """Return the keys of a page and where to go on."""
    assert read.count == len(read.records)
    return [key for key, _ in read.records], read.resume


@pytest.fixture
def d() -> Driver:
    """Keys a to e at the revisions 1 to 5; then c is changed at 6, b deleted at 7, and e changed at 8."""
    d = Driver()
    for key in (b"a", b"b", b"c", b"d", b"e"):
        d.put(key, key * 10)
    d.put(b"c", b"changed")
    d.delete(b"b")
    d.put(b"e", b"changed")
    return d


def test_both_orders(d: Driver) -> None:
    """A page goes on where it ended, in its own direction."""
    assert names(page(d)) == ([b"a", b"c", b"d", b"e"], None)
    assert names(page(d, descending=True)) == ([b"e", b"d", b"c", b"a"], None)
    assert names(page(d, b"b", b"e", limit=1)) == ([b"c"], b"d")
    assert names(page(d, b"d", b"e", limit=1)) == ([b"d"], None)
    assert names(page(d, b"b", b"e", limit=1, descending=True)) == ([b"d"], b"c\x00")
    assert names(page(d, b"b", b"c\x00", limit=1, descending=True)) == ([b"c"], None)
    assert names(page(d, b"e", b"a")) == ([], None)


def test_a_past_revision_has_the_keys_of_its_time(d: Driver) -> None:
    """Also those that are gone now, in their order; and the records of then."""
    assert names(page(d, revision=6)) == ([b"a", b"b", b"c", b"d", b"e"], None)
    assert names(page(d, revision=6, descending=True, limit=4)) == ([b"e", b"d", b"c", b"b"], b"a\x00")
    assert names(page(d, revision=2)) == ([b"a", b"b"], None)
    assert page(d, b"c", b"d", revision=5).records == [(b"c", (b"c" * 10, 3, 3, 1, 0))]
    assert page(d, b"c", b"d", revision=6).records == [(b"c", (b"changed", 3, 6, 2, 0))]
    assert page(d, revision=8) == page(d)
    assert page(d, revision=3).revision == 3


def test_pages_of_one_revision_do_not_see_later_changes(d: Driver) -> None:
    """A long read is of one state, whatever happens meanwhile."""
    first = page(d, limit=2)
    d.delete(b"d")
    d.put(b"dd", b"new")
    d.put(b"e", b"again")
    assert first.resume is not None
    second = page(d, first.resume, limit=2, revision=first.revision)
    assert first.records + second.records == [
        (b"a", (b"a" * 10, 1, 1, 1, 0)),
        (b"c", (b"changed", 3, 6, 2, 0)),
        (b"d", (b"d" * 10, 4, 4, 1, 0)),
        (b"e", (b"changed", 5, 8, 2, 0)),
    ]
    assert second.resume is None


def test_keys_only_and_count_only(d: Driver) -> None:
    """Without values, or without records; a count of the present needs no visit of the keys."""
    assert page(d, b"c", b"d", shape=Shape.KEYS).records == [(b"c", (b"", 3, 6, 2, 0))]
    assert page(d, shape=Shape.COUNT, scan_max=1) == Page(8, [], 4, None)
    assert page(d, b"b", b"e", shape=Shape.COUNT) == Page(8, [], 2, None)
    assert page(d, b"e", b"a", shape=Shape.COUNT) == Page(8, [], 0, None)
    assert page(d, shape=Shape.COUNT, revision=6) == Page(6, [], 5, None)


def test_filters_on_revisions(d: Driver) -> None:
    """Bounds are included; 0 above is none."""
    assert names(page(d, modified=(6, 0))) == ([b"c", b"e"], None)
    assert names(page(d, modified=(4, 6))) == ([b"c", b"d"], None)
    assert names(page(d, modified=(0, 1))) == ([b"a"], None)
    assert names(page(d, created=(3, 4))) == ([b"c", b"d"], None)
    assert names(page(d, created=(3, 0), modified=(0, 5))) == ([b"d"], None)
    assert names(page(d, created=(3, 0), modified=(0, 5), revision=5)) == ([b"c", b"d", b"e"], None)
    assert page(d, modified=(6, 0), shape=Shape.COUNT).count == 2


def test_a_page_looks_at_a_bounded_number_of_keys(d: Driver) -> None:
    """H17: a filter that nothing passes gives empty pages that say where to go on, not a node that stands still."""
    assert page(d, modified=(99, 0), scan_max=3) == Page(8, [], 0, b"e")
    assert page(d, b"e", modified=(99, 0), scan_max=3) == Page(8, [], 0, None)
    assert page(d, modified=(99, 0), scan_max=4) == Page(8, [], 0, None)
    assert page(d, modified=(99, 0), scan_max=3, descending=True) == Page(8, [], 0, b"a\x00")
    assert page(d, shape=Shape.COUNT, modified=(1, 5), scan_max=2) == Page(8, [], 1, b"d")
    assert page(d, shape=Shape.COUNT, revision=6, scan_max=2) == Page(6, [], 2, b"c")


def test_a_page_ends_before_it_exceeds_its_bytes(d: Driver) -> None:
    """H4: but has one record, however large it is."""
    assert names(page(d, bytes_max=19)) == ([b"a", b"c"], b"d")
    assert names(page(d, bytes_max=18)) == ([b"a"], b"c")
    assert names(page(d, bytes_max=1)) == ([b"a"], b"c")
    assert names(page(d, bytes_max=4, shape=Shape.KEYS)) == ([b"a", b"c", b"d", b"e"], None)


def test_revisions_that_are_not_there(d: Driver) -> None:
    """P29: each with its error."""
    d.compact(4)
    with pytest.raises(Compacted):
        page(d, revision=3)
    with pytest.raises(Compacted):
        page(d, revision=3, shape=Shape.COUNT)
    assert names(page(d, revision=4)) == ([b"a", b"b", b"c", b"d"], None)
    with pytest.raises(FutureRevision):
        page(d, revision=9)


@pytest.mark.parametrize(("limit", "scan_max"), [(0, 1), (1, 0)])
def test_a_page_has_room_for_something(d: Driver, limit: int, scan_max: int) -> None:
    """An invariant of the caller; it would ask for ever."""
    with pytest.raises(AssertionError, match="at least one"):
        page(d, limit=limit, scan_max=scan_max)


def read_all(d: Driver, revision: int, shape: Shape, descending: bool, random: Random) -> list[tuple[bytes, Record]]:
    """Read everything in pages of random sizes."""
    start, end, found, count = b"", b"", [], 0
    while True:
        read = page(
            d,
            start,
            end,
            revision=revision,
            descending=descending,
            shape=shape,
            limit=random.randint(1, 5),
            bytes_max=random.randint(1, 60),
            scan_max=random.randint(1, 9),
        )
        found += read.records
        count += read.count
        if read.resume is None:
            assert count == len(found) or shape is Shape.COUNT
            return found if shape is not Shape.COUNT else [(b"%d" % count, (b"", 0, 0, 0, 0))]
        start, end = (start, read.resume) if descending else (read.resume, end)


def change(d: Driver, random: Random) -> None:
    """Do one of the things that change keys."""
    key = bytes([random.choice(b"abcdefgh")]) * random.randint(1, 2)
    step = random.randrange(5)
    if step == 0:
        d.do(ops.txn([], [ops.put(key, b"t"), ops.delete_range(b"c", b"e"), ops.append(b"a", b"x")]))
    elif step == 1:
        d.delete(key)
    else:
        d.put(key, random.randbytes(random.randrange(9)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_pages_together_are_the_state_at_every_revision(seed: int) -> None:
    """Against a copy of the state taken when it was the present one."""
    random = Random(seed)
    d = Driver(KvLimits(history_events_max=40))
    states: dict[int, list[tuple[bytes, Record]]] = {}
    for _ in range(60):
        change(d, random)
        states[d.machine.revision] = d.items()
    for revision in range(max(1, d.machine.compacted_revision), d.machine.revision + 1):
        for key in (b"a", b"c", b"dd", b"h"):
            assert d.machine.get_at(key, revision) == dict(states[revision]).get(key)
        for descending in (False, True):
            whole = read_all(d, revision, Shape.RECORDS, descending, random)
            assert (whole[::-1] if descending else whole) == states[revision]
        assert read_all(d, revision, Shape.COUNT, False, random)[0][0] == b"%d" % len(states[revision])
