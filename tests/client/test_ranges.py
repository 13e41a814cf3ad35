"""Ranges, counting, past revisions, and single keys beyond put, get, delete and cas."""

from __future__ import annotations

from typing import Any

import pytest

from paxoskv import client
from paxoskv.errors import (
    BadRequest,
    Compacted,
    FutureRevision,
    LeaseNotFound,
    NotANumber,
    NumberOverflow,
    TooLarge,
    Unavailable,
)
from paxoskv.kv import replies
from paxoskv.net import protocol
from tests.client.fake import BALLOT, FakeNode, raw, reply

pytestmark = pytest.mark.usefixtures("each_client")


def keys(entries: tuple[client.Entry, ...]) -> list[bytes]:
    """Return the keys of some entries."""
    return [entry.key for entry in entries]


async def test_pages_are_what_the_range_held_when_the_first_was_read(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for key in ("a/1", "a/2", "a/3", "a/4"):
            await kv.put(key, "v")
        first = await kv.range("a/", limit=3)
        await kv.delete("a/4")
        await kv.put("a/35", "new")
        second = await kv.range("a/", limit=3, continuation=first.continuation)
    assert (keys(first.entries), keys(second.entries)) == ([b"a/1", b"a/2", b"a/3"], [b"a/4"])
    assert first.revision == second.revision == 4


async def test_pages_run_backwards_as_well(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for key in ("a/1", "a/2", "a/3"):
            await kv.put(key, "v")
        first = await kv.range("a/", limit=2, descending=True)
        second = await kv.range("a/", limit=2, descending=True, continuation=first.continuation)
        rest = await kv.range("a/", descending=True, after="a/3")
        scanned = [entry.key async for entry in kv.scan("a/", descending=True, page_size=1, limit=2)]
    assert keys(first.entries) == keys(tuple(reversed(first.entries)))[::-1] == [b"a/3", b"a/2"]
    assert (keys(second.entries), second.more) == ([b"a/1"], False)
    assert keys(rest.entries) == [b"a/2", b"a/1"]
    assert scanned == [b"a/3", b"a/2"]


async def test_after_a_key_means_beyond_it(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for key in ("a", "b", "c"):
            await kv.put(key, "v")
        assert keys((await kv.range("", after="a")).entries) == [b"b", b"c"]
        assert keys((await kv.range(start="c", after="a")).entries) == [b"c"], "never before the start"
        assert keys((await kv.range(end="b", after="c", descending=True)).entries) == [b"a"], "nor beyond the end"


async def test_a_continuation_of_another_range_is_refused(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put_many({"a/1": "v", "a/2": "v"})
        page = await kv.range("a/", limit=1)
        with pytest.raises(BadRequest, match="another range"):
            await kv.range("b/", continuation=page.continuation)


async def test_filters_by_revision(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for key in ("a", "b", "c", "a"):
            await kv.put(key, "v")
        assert keys((await kv.range(created=(2, 3))).entries) == [b"b", b"c"]
        assert keys((await kv.range(modified=(3, 0))).entries) == [b"a", b"c"]
        assert (await kv.count(created=(0, 2))).keys == 2
        with pytest.raises(BadRequest, match="bound"):
            await kv.range(created=(-1, 0))


async def test_empty_pages_are_read_over(node: FakeNode) -> None:
    """A node that looks at many keys none of which passes sends a page without entries that is not the last."""
    entry = (b"k", (b"v", 1, 1, 1, 0))
    node.plan["range"].append(raw(protocol.OK, BALLOT, 5, 9, (), 0, b"j"))
    node.plan["range"].append(raw(protocol.OK, BALLOT, 5, 9, (entry,), 1, None))
    async with client.connect(node.endpoint) as kv:
        assert [found.key async for found in kv.scan("", modified=(1, 1))] == [b"k"]
    assert protocol.decode(node.received("range")[1])[2:9] == (protocol.AT_LEAST, b"j", b"", 1000, 0, 5, 5)


async def test_count_goes_on_where_a_page_ended(node: FakeNode) -> None:
    node.plan["range"].append(raw(protocol.OK, BALLOT, 5, 9, (), 3, b"j"))
    node.plan["range"].append(raw(protocol.OK, BALLOT, 5, 9, (), 4, None))
    async with client.connect(node.endpoint) as kv:
        assert await kv.count("") == client.CountOfKeys(7, 5, 9, BALLOT)


async def test_the_past_is_readable_until_it_is_compacted(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for value in ("1", "2", "3"):
            await kv.put("k", value)
        await kv.delete("k")
        assert (await kv.get("k", revision=2)).value == b"2"
        assert [entry.value async for entry in kv.scan(revision=3)] == [b"3"]
        assert (await kv.count(revision=1)).keys == 1
        assert (await kv.compact(3)).revision == 4
        with pytest.raises(Compacted) as gone:
            await kv.get("k", revision=2)
        assert gone.value.revision == 3
        with pytest.raises(Compacted):
            await kv.range("", revision=1)


async def test_the_future_is_refused(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(FutureRevision, match="in the future"):
            await kv.get("k", revision=9)
        with pytest.raises(FutureRevision):
            await kv.compact(9)


async def test_delete_range_deletes_at_once(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put_many({"a/1": "v", "a/2": "w", "b": "x"})
        first = await kv.delete_range("a/", limit=1)
        second = await kv.delete_range("a/", previous=True)
        with pytest.raises(BadRequest, match='the prefix "" means every key'):
            await kv.delete_range()
        rest = await kv.delete_range("")
    assert (first.deleted, first.more, first.previous, first.revision) == (1, True, (), 2)
    assert second.previous == (client.Entry(b"a/2", b"w", 1, 1, 1, 0),)
    assert (rest.deleted, node.store.machine.keys) == (1, 0)


async def test_numbers_and_texts_grow(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        assert await kv.incr("n", 5) == client.CountResult(5, 1, 2, BALLOT)
        assert (await kv.incr("n", -7)).value == -2
        assert (await kv.get("n")).value == b"-2"
        assert await kv.append("t", "ab") == client.AppendResult(2, 3, 4, BALLOT)
        assert (await kv.append("t", b"c")).size_bytes == 3
        with pytest.raises(NotANumber):
            await kv.incr("t")
        await kv.put("n", str((1 << 63) - 1))
        with pytest.raises(NumberOverflow):
            await kv.incr("n")


async def test_put_with_conditions_and_the_entry_before(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        first = await kv.put("k", "1", if_absent=True)
        second = await kv.put("k", "2", if_absent=True)
        third = await kv.put("k", "3", previous=True)
        fourth = await kv.put("none", "4", if_present=True)
        with pytest.raises(BadRequest, match="choose one"):
            await kv.put("k", "5", if_present=True, if_absent=True)
    one, three = client.Entry(b"k", b"1", 1, 1, 1, 0), client.Entry(b"k", b"3", 1, 2, 2, 0)
    assert first == client.PutResult(1, 2, BALLOT, True, None)
    assert second == client.PutResult(1, 3, BALLOT, False, one)
    assert third == client.PutResult(2, 4, BALLOT, True, one)
    assert (fourth.written, fourth.previous, node.store.machine.get(b"k")) == (False, None, three[1:])


async def test_delete_may_return_what_was_there(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "1")
        gone = await kv.delete("k", previous=True)
        again = await kv.delete("k", previous=True)
    assert (gone.deleted, gone.previous) == (True, client.Entry(b"k", b"1", 1, 1, 1, 0))
    assert (again.deleted, again.previous) == (False, None)


async def test_stale_reads_tell_their_age_and_a_least_revision_is_asked_for(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        assert (await kv.get("k", consistency="stale")).age_s == 0.25
        assert (await kv.get("k")).age_s is None
        assert (await kv.get("k", min_revision=1)).value == b"v"
        await kv.range("", min_revision=1)
        with pytest.raises(BadRequest, match="from 0 to"):
            await kv.get("k", min_revision=-1)
    assert protocol.decode(node.received("get")[2])[2:] == (protocol.AT_LEAST, b"k", 0, 1)
    assert protocol.decode(node.received("range")[0])[2] == protocol.AT_LEAST


async def test_a_plain_get_is_as_short_as_ever(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.get("k")
        await kv.put("k", "v")
    assert protocol.decode(node.received("get")[0])[2:] == (protocol.LINEARIZABLE, b"k")
    assert len(node.commands("put")[0]) == 7


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (replies.LEASE_NOT_FOUND, LeaseNotFound),
        (replies.VALUE_TOO_LARGE, TooLarge),
        (replies.TOO_MANY_KEYS, TooLarge),
        (replies.REPLY_TOO_LARGE, TooLarge),
    ],
)
async def test_what_the_store_refuses_is_told_by_kind_and_never_retried(
    node: FakeNode, code: int, error: type[Exception]
) -> None:
    node.always["append"] = reply(code)
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(error):
            await kv.append("k", "v")
    assert len(node.received("append")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (protocol.OK, BALLOT, 5, 9, (), "many", None),
        (protocol.OK, BALLOT, 5, 9, (), 0, 7),
        (protocol.OK, BALLOT, 5, 9, ((b"k",),), 0, None),
        (protocol.OK, BALLOT, 5, 9, ()),
        (protocol.OK, BALLOT, 5, 9, (), 0, None, -1),
        (protocol.COMPACTED, "gone", 0),
    ],
)
async def test_malformed_pages_are_no_pages(node: FakeNode, answer: tuple[Any, ...]) -> None:
    """H1: such a node is left."""
    node.always["range"] = raw(*answer)
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(Unavailable):
            await kv.range("")
