"""Transactions: what is asked, what comes back, and what the store does not allow."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paxoskv import client
from paxoskv.client import ops
from paxoskv.errors import BadRequest, LeaseNotFound, NotANumber, OutcomeUnknown, TooLarge, Unavailable
from paxoskv.kv import replies
from paxoskv.net import protocol
from tests.client.fake import BALLOT, FakeNode, apply_and_drop, raw, reply

pytestmark = pytest.mark.usefixtures("each_client")


async def test_the_branch_that_the_compares_choose_is_carried_out_at_one_revision(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("state", "open")
        done = await kv.txn(
            compare=[ops.value("state", "=", "open"), ops.absent("halt")],
            then=[ops.put("state", "shut"), ops.put("by", "me")],
            otherwise=[ops.put("halt", "now")],
        )
        again = await kv.txn(
            compare=[ops.value("state", "=", "open")], then=[ops.delete("state")], otherwise=[ops.get("state")]
        )
    assert (done.succeeded, done.revision, done.ballot) == (True, 2, BALLOT)
    assert done.results == (ops.Written(), ops.Written())
    assert (again.succeeded, again.revision) == (False, 2), "nothing was written, so the revision is the old one"
    assert again.results == (client.Entry(b"state", b"shut", 1, 2, 2, 0),)


async def test_every_operation_has_its_result(node: FakeNode) -> None:
    read, counted, grown = ops.get("a"), ops.incr("n", -5), ops.append("t", "xyz")
    taken, listed = ops.put("a", "2", previous=True), ops.range("", descending=True, limit=2, keys_only=True)
    counting, failed = ops.range("", count_only=True), ops.put("a", "3", if_absent=True)
    inner = ops.get("t")
    nested = ops.txn([ops.absent("zzz")], [inner], [])
    gone, swept = ops.delete("none"), ops.delete_range("a", previous=True)
    async with client.connect(node.endpoint) as kv:
        await kv.put("a", "1")
        done = await kv.txn(
            then=[read, counted, grown, taken, listed, counting, failed, nested, gone, swept], otherwise=[]
        )
    was, now = client.Entry(b"a", b"1", 1, 1, 1, 0), client.Entry(b"a", b"2", 1, 2, 2, 0)
    assert done.of(read) == was
    assert (done.of(counted), done.of(grown)) == (-5, 3)
    assert done.of(taken) == ops.Written(True, was)
    assert [entry.key for entry in done.of(listed).entries] == [b"t", b"n"]
    assert (done.of(listed).more, done.of(listed).entries[0].value) == (True, b"")
    assert done.of(counting) == ops.Page(3, False, ())
    assert done.of(failed) == ops.Written(False, now)
    assert done.of(nested).succeeded
    assert done.of(inner) == client.Entry(b"t", b"xyz", 2, 2, 1, 0), "also of an operation within"
    assert done.of(gone) is False
    assert done.of(swept) == ops.Deleted(1, False, (now,))


async def test_a_result_of_the_other_branch_does_not_exist(node: FakeNode) -> None:
    otherwise = ops.get("k")
    async with client.connect(node.endpoint) as kv:
        done = await kv.txn(then=[ops.get("k")], otherwise=[otherwise])
    with pytest.raises(LookupError, match="not carried out"):
        done.of(otherwise)


@pytest.mark.parametrize(
    ("compare", "holds"),
    [
        (ops.value("k", "=", "v"), True),
        (ops.value("k", "<", "v"), False),
        (ops.value("none", "!=", "v"), False),
        (ops.version("k", ">", 1), True),
        (ops.created("k", "=", 1), True),
        (ops.modified("k", "!=", 2), False),
        (ops.lease("k", "=", 0), True),
        (ops.absent("k"), False),
        (ops.present("k"), True),
        (ops.modified(ops.keys(""), "<", 3), True),
        (ops.created(ops.keys(start="k", end="l"), "=", 1), True),
        (ops.absent(ops.keys("x")), True),
        (ops.present(ops.keys("k")), True),
    ],
)
async def test_compares(node: FakeNode, compare: ops.Compare, holds: bool) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "u")
        await kv.put("k", "v")
        assert (await kv.txn(compare=[compare])).succeeded is holds


async def test_what_the_store_refuses_names_the_operation_and_changes_nothing(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("text", "abc")
        with pytest.raises(NotANumber, match="operation 1 of the transaction") as refused:
            await kv.txn(then=[ops.put("other", "v"), ops.incr("text")])
        assert refused.value.operation == 1
        with pytest.raises(LeaseNotFound) as missing:
            await kv.txn(then=[ops.put("other", "v", lease=77)])
        assert missing.value.operation == 0
        assert (await kv.get("other")).entry is None


async def test_mistakes_are_told_before_anything_is_sent(node: FakeNode) -> None:
    unknown: Any = "~"
    with pytest.raises(BadRequest, match="choose =, !=, < or >"):
        ops.value("k", unknown, "v")
    with pytest.raises(BadRequest, match="not both"):
        ops.absent(ops.keys("p", start="a"))
    with pytest.raises(BadRequest, match="empty"):
        ops.get("")
    with pytest.raises(BadRequest, match="name what to delete"):
        ops.delete_range()
    with pytest.raises(TypeError, match="a lease is"):
        ops.put("k", "v", lease=True)


async def test_a_transaction_whose_answer_is_lost_is_applied_once(node: FakeNode) -> None:
    """P25: the retry gets the first reply."""
    counted = ops.incr("n")
    node.plan["txn"].append(apply_and_drop)
    async with client.connect(node.endpoint) as kv:
        assert (await kv.txn(then=[counted])).of(counted) == 1
        assert (await kv.get("n")).value == b"1"
    assert len(node.received("txn")) == 2


@pytest.mark.parametrize(
    "results", [(1, ()), (1, (7,)), (1, (None, None)), (0, (None,)), (1, None), (-1, (None,)), ("yes", (None,))]
)
async def test_malformed_results_are_no_results(node: FakeNode, results: tuple[Any, ...]) -> None:
    """H1: such a node is left, and what it did is unknown."""
    node.always["txn"] = reply(replies.APPLIED, *results)
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(OutcomeUnknown):
            await kv.txn(then=[ops.put("k", "v")])


async def test_many_keys_are_written_and_read_at_one_revision(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        written = await kv.put_many({"a": "1", "b": "2"})
        await kv.put_many([("b", "3"), ("c", "4")])
        found = await kv.get_many(["a", "b", "c", "none"])
    assert written.revision == 1
    assert found.revision == 2
    assert {key: (entry.value, entry.modified) for key, entry in found.entries.items()} == {
        b"a": (b"1", 1),
        b"b": (b"3", 2),
        b"c": (b"4", 2),
    }


async def test_nothing_is_read_at_a_revision_before_the_first(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        assert (await kv.get_many(["a"])).entries == {}


async def test_too_much_for_one_transaction_is_refused(node: FakeNode) -> None:
    node.always["txn"] = raw(protocol.TOO_LARGE, "the transaction has 129 operations", 0)
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(TooLarge, match="129 operations"):
            await kv.put_many({f"{number}": "v" for number in range(129)})


async def test_transactions_may_run_side_by_side(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await asyncio.gather(*(kv.txn(then=[ops.incr("n", 1)]) for _ in range(50)))
        assert (await kv.incr("n", 0)).value == 50


async def test_a_transaction_ends_in_time(node: FakeNode) -> None:
    node.always["txn"] = raw(protocol.UNAVAILABLE, "no leader", 0)
    async with client.connect(node.endpoint, timeout_s=0.2) as kv:
        with pytest.raises(Unavailable, match="no leader"):
            await kv.txn(then=[ops.put("k", "v")])
