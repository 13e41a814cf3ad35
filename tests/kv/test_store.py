"""The store against a plain dict, its order, its pages, and the digest of its contents."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from paxoskv.kv import digest
from paxoskv.kv.limits import KvLimits
from paxoskv.kv.records import Record
from paxoskv.kv.store import Store

keys = st.binary(min_size=1, max_size=3)
values = st.binary(max_size=4)
bounds = st.binary(max_size=3)


def filled(*keys: bytes, value_bytes: int = 10) -> Store:
    """Return a store with these keys, written in the given order."""
    store = Store(KvLimits())
    for key in keys:
        store.put(key, b"v" * value_bytes)
    return store


def names(page: tuple[list[tuple[bytes, Record]], bool]) -> tuple[list[bytes], bool]:
    """Return the keys of a page and whether more are left."""
    return [key for key, _ in page[0]], page[1]


class StoreAgainstDict(RuleBasedStateMachine):
    """Random puts, deletes and ranges; the model counts revisions and versions by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(KvLimits())
        self.model: dict[bytes, Record] = {}
        self.revision = 0

    @rule(key=keys, value=values)
    def put(self, key: bytes, value: bytes) -> None:
        """Create or change."""
        self.store.put(key, value)
        self.revision += 1
        _, created, _, version, _ = self.model.get(key, (b"", self.revision, 0, 0, 0))
        self.model[key] = (value, created, self.revision, version + 1, 0)

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        """Remove what may not be there."""
        existed = key in self.model
        self.model.pop(key, None)
        self.revision += existed
        assert self.store.delete(key) is existed

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        """Read what may not be there."""
        assert self.store.get(key) == self.model.get(key)

    @rule(start=bounds, end=bounds, limit=st.integers(1, 5))
    def range(self, start: bytes, end: bytes, limit: int) -> None:
        """Any interval, also an empty or a reversed one."""
        expected = sorted((k, r) for k, r in self.model.items() if start <= k and (not end or k < end))
        assert self.store.range(start, end, limit, False, 1 << 20) == (expected[:limit], len(expected) > limit)

    @invariant()
    def everything_agrees(self) -> None:
        """Contents, order, revision; and the incremental digest is the one made from nothing."""
        assert self.store.range(b"", b"", 10_000, False, 1 << 20) == (sorted(self.model.items()), False)
        assert (self.store.revision, len(self.store)) == (self.revision, len(self.model))
        scratch = sum(digest.of_record(key, *record) for key, record in self.model.items())
        assert self.store.contents == scratch % 2**64


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)


# Pages


def test_keys_are_ordered_by_their_bytes() -> None:
    """Not by text, not by length, not by the order of writing."""
    store = filled(b"b", b"\xff", b"a\x00", b"a", b"B", b"aa", b"\x00")
    assert names(store.range(b"", b"", 100, False, 1000)) == (
        [b"\x00", b"B", b"a", b"a\x00", b"aa", b"b", b"\xff"],
        False,
    )


def test_the_start_belongs_to_a_range_and_the_end_does_not() -> None:
    """Bounds need not exist; a reversed range is empty."""
    store = filled(b"a", b"b", b"c", b"d")
    assert names(store.range(b"b", b"d", 9, False, 999)) == ([b"b", b"c"], False)
    assert names(store.range(b"aa", b"cc", 9, False, 999)) == ([b"b", b"c"], False)
    assert names(store.range(b"c", b"", 9, False, 999)) == ([b"c", b"d"], False)
    assert names(store.range(b"d", b"b", 9, False, 999)) == ([], False)
    assert names(store.range(b"b", b"b", 9, False, 999)) == ([], False)


def test_a_page_ends_at_its_limit_and_says_whether_more_is_left() -> None:
    """Exactly the limit is not more."""
    store = filled(b"a", b"b", b"c")
    assert names(store.range(b"", b"", 2, False, 999)) == ([b"a", b"b"], True)
    assert names(store.range(b"", b"", 3, False, 999)) == ([b"a", b"b", b"c"], False)
    assert names(store.range(b"", b"c", 2, False, 999)) == ([b"a", b"b"], False)


def test_a_deleted_key_is_in_no_range_until_it_is_written_again() -> None:
    """P28: and comes back once, in its place."""
    store = filled(b"a", b"b", b"c")
    store.delete(b"b")
    assert names(store.range(b"", b"", 9, False, 999)) == ([b"a", b"c"], False)
    store.put(b"b", b"again")
    assert names(store.range(b"", b"", 9, False, 999)) == ([b"a", b"b", b"c"], False)


def test_a_page_ends_before_it_exceeds_its_bytes() -> None:
    """H4: of keys and values together, 11 for each record here."""
    store = filled(b"a", b"b", b"c", value_bytes=10)
    assert names(store.range(b"", b"", 9, False, 33)) == ([b"a", b"b", b"c"], False)
    assert names(store.range(b"", b"", 9, False, 32)) == ([b"a", b"b"], True)
    assert names(store.range(b"", b"", 9, False, 22)) == ([b"a", b"b"], True)


def test_a_page_has_a_record_however_large_it_is() -> None:
    """Otherwise a reader would ask for ever."""
    store = filled(b"a", b"b", value_bytes=1000)
    assert names(store.range(b"", b"", 9, False, 1)) == ([b"a"], True)
    assert names(store.range(b"b", b"", 9, False, 1)) == ([b"b"], False)


def test_keys_only_leaves_the_values_out_and_the_numbers_in() -> None:
    """And large values do not shorten the page."""
    store = filled(b"a", b"b", value_bytes=1000)
    store.put(b"a", b"w" * 1000)
    assert store.range(b"", b"", 9, True, 10) == ([(b"a", (b"", 1, 3, 2, 0)), (b"b", (b"", 2, 2, 1, 0))], False)
    assert store.get(b"a") == (b"w" * 1000, 1, 3, 2, 0)


def test_a_range_asks_for_at_least_one_record() -> None:
    """An invariant of the caller."""
    with pytest.raises(AssertionError, match="limit is 0"):
        filled(b"a").range(b"", b"", 0, False, 999)


@settings(deadline=None)
@given(st.lists(keys, unique=True, max_size=30), st.integers(1, 7), st.integers(1, 40))
def test_paging_reads_every_key_once(written: list[bytes], limit: int, bytes_max: int) -> None:
    """A reader goes on right after the last key of the page before."""
    store = filled(*written)
    read: list[bytes] = []
    more = bool(written)
    while more:
        page, more = names(store.range(read[-1] + b"\x00" if read else b"", b"", limit, False, bytes_max))
        read += page
    assert read == sorted(written)


# The digest of the contents


@settings(deadline=None)
@given(keys, st.binary(min_size=1, max_size=40), st.lists(st.integers(0, 2**63 - 1), min_size=4, max_size=4), st.data())
def test_a_record_that_differs_anywhere_has_another_digest(
    key: bytes, value: bytes, numbers: list[int], data: st.DataObject
) -> None:
    """By one byte of the key or the value, or in any one number."""
    base = digest.of_record(key, value, *numbers)
    flip = data.draw(st.integers(1, 255))

    def flipped(text: bytes) -> bytes:
        at = data.draw(st.integers(0, len(text) - 1))
        return text[:at] + bytes([text[at] ^ flip]) + text[at + 1 :]

    assert digest.of_record(flipped(key), value, *numbers) != base
    assert digest.of_record(key, flipped(value), *numbers) != base
    for index in range(4):
        changed = list(numbers)
        changed[index] ^= 1 << data.draw(st.integers(0, 62))
        assert digest.of_record(key, value, *changed) != base


def test_exchanged_values_have_another_digest() -> None:
    """A plain sum of checksums would not see it."""
    for a, b in ((b"1", b"2"), (b"x" * 100, b"y" * 100), (b"", b"0")):
        straight = digest.of_record(b"a", a, 1, 1, 1, 0) + digest.of_record(b"b", b, 2, 2, 1, 0)
        crossed = digest.of_record(b"a", b, 1, 1, 1, 0) + digest.of_record(b"b", a, 2, 2, 1, 0)
        assert straight % 2**64 != crossed % 2**64


def test_many_small_records_have_different_digests() -> None:
    """Neighbouring keys, values and revisions, as real use has them."""
    digests = {
        digest.of_record(b"key-%d" % key, b"%d" % value, created, modified, modified - created + 1, 0)
        for key in range(8)
        for value in range(8)
        for created in range(1, 9)
        for modified in range(created, 9)
    }
    assert len(digests) == 8 * 8 * 36


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_step_of_a_chain_tells_every_two_numbers_apart(state: int, one: int, other: int) -> None:
    """And stays within 64 bits."""
    assert 0 <= digest.mix(state, one) < 2**64
    assert (digest.mix(state, one) == digest.mix(state, other)) == (one == other)
