"""Views: scoped, guarded, with another timeout, with values."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paxoskv import client
from paxoskv.client import JSON, ops
from paxoskv.errors import BadRequest, GuardFailed, NotANumber, OutcomeUnknown, Unavailable
from paxoskv.net import protocol
from tests.client.fake import FakeNode, apply_and_drop, drop, hold

PATIENCE_S = 30.0


async def test_a_scoped_view_has_the_whole_api_under_its_prefix(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        app = kv.scoped("app/").scoped("x/")
        await kv.put("outside", "v")
        await app.put("a", "1")
        await app.put_many({"b": "2", "n": "3"})
        assert (await app.incr("n")).value == 4
        assert (await app.append("b", "2")).size_bytes == 2
        assert (await app.cas("a", "1+", expect="1")).succeeded
        found = (await app.get("a")).entry
        assert found is not None
        assert (found.key, found.value) == (b"a", b"1+")
        assert list((await app.get_many(["a", "none"])).entries) == [b"a"]
        assert [entry.key async for entry in app.scan()] == [b"a", b"b", b"n"]
        assert [entry.key for entry in (await app.range(start="b", limit=1)).entries] == [b"b"]
        assert [entry.key for entry in (await app.range("", after="b")).entries] == [b"n"]
        assert (await app.count()).keys == 3
        done = await app.txn(
            compare=[ops.present("a"), ops.absent("outside"), ops.version(ops.keys(""), ">", 0)],
            then=[ops.range(""), ops.delete_range("b", previous=True), ops.get("a")],
        )
        listed, deleted, read = done.results
        assert [entry.key for entry in listed.entries] == [b"a", b"b", b"n"]
        assert (deleted.previous[0].key, read.key) == (b"b", b"a")
        assert (await app.delete("a", previous=True)).previous == read
        assert (await app.delete_range("")).deleted == 1
        assert app.whole_key("a") == b"app/x/a"
        assert [entry.key async for entry in kv.scan()] == [b"outside"]


async def test_a_scoped_view_watches_and_leases_under_its_prefix(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        app = kv.scoped("app/")
        async with app.watch("", previous=True) as events, app.lease(600) as lease:
            await kv.put("outside", "v", lease=lease)
            await app.put("a", "v", lease=lease)
            await app.put("a", "w", lease=lease)
            made, changed = await events.next(PATIENCE_S), await events.next(PATIENCE_S)
            assert (made.key, changed.key) == (b"a", b"a")
            assert made.entry is not None
            assert changed.previous == made.entry
            assert made.entry.key == b"a"
            assert (await app.time_to_live(lease)).keys == (b"a",)
            assert (await kv.time_to_live(lease)).keys == (b"app/a", b"outside")


async def test_a_refusal_under_a_guard_names_the_operation_that_the_caller_knows(node: FakeNode) -> None:
    """The guard wraps the call into a transaction of its own, which is nobody's business."""
    async with client.connect(node.endpoint) as kv:
        await kv.put_many({"epoch": "7", "text": "no number"})
        guarded = kv.guarded(ops.value("epoch", "=", "7"))
        with pytest.raises(NotANumber) as alone:
            await guarded.incr("text")
        assert alone.value.operation is None
        for place in range(3):
            with pytest.raises(NotANumber) as one_of_many:
                await guarded.txn(then=[*[ops.put("k", "v")] * place, ops.incr("text")])
            assert one_of_many.value.operation == place


async def test_a_guarded_view_writes_as_long_as_its_guards_hold(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("epoch", "7")
        guarded = kv.guarded(ops.value("epoch", "=", "7")).scoped("app/")
        assert (await guarded.put("k", "v")).written
        assert (await guarded.put("k", "w", if_absent=True)).written is False
        assert (await guarded.put("k", "w", previous=True)).previous == client.Entry(b"k", b"v", 2, 2, 1, 0)
        assert (await guarded.incr("n", 3)).value == 3
        assert (await guarded.append("t", "ab")).size_bytes == 2
        assert (await guarded.cas("k", "x", expect="w")).succeeded
        failed = await guarded.cas("k", "y", absent=True)
        assert failed.current is not None
        assert failed.current.value == b"x"
        assert (await guarded.txn(then=[ops.get("k")])).results[0].value == b"x"
        assert (await guarded.put_many({"m": "1"})).revision == 7
        assert (await guarded.delete("m")).deleted
        assert (await guarded.delete("k", previous=True)).previous is not None
        assert (await guarded.delete_range("")).deleted == 2
        assert (await guarded.get("k")).entry is None
        await kv.put("epoch", "8")
        revision = node.store.machine.revision
        refused: list[Any] = [
            guarded.put("k", "v"),
            guarded.put("k", "v", previous=True),
            guarded.delete("k"),
            guarded.incr("n"),
            guarded.append("t", "v"),
            guarded.cas("k", "v", absent=True),
            guarded.txn(then=[ops.put("k", "v")]),
            guarded.put_many({"k": "v"}),
            guarded.delete_range(""),
        ]
        for call in refused:
            with pytest.raises(GuardFailed):
                await call
        assert node.store.machine.revision == revision


async def test_a_guarded_view_does_nothing_that_it_cannot_guard(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        guarded = kv.guarded(ops.absent("halt"))
        for call in (guarded.compact(1), guarded.grant(10), guarded.revoke(1)):
            with pytest.raises(BadRequest, match="guarded view"):
                await call


async def test_a_guarded_write_whose_answer_is_lost_is_applied_once(node: FakeNode) -> None:
    """P25, P27: the guard does not hold any more when the retry comes, which gets the first reply."""
    node.plan["txn"].append(apply_and_drop)
    async with client.connect(node.endpoint) as kv:
        assert (await kv.guarded(ops.absent("n")).incr("n")).value == 1
        assert (await kv.get("n")).value == b"1"


async def test_a_view_has_a_time_limit_of_its_own(node: FakeNode) -> None:
    node.always["get"] = hold
    async with client.connect(node.endpoint, timeout_s=600) as kv:
        with pytest.raises(Unavailable):
            await kv.with_timeout(0.05).get("k")
        with pytest.raises(Unavailable):
            await kv.scoped("a/").with_timeout(0.05).scoped("b/").get("k")
        for timeout_s in (0, -1, float("nan")):
            with pytest.raises(BadRequest, match="more than 0"):
                kv.with_timeout(timeout_s)


async def test_views_may_be_made_before_the_client_is_entered(node: FakeNode) -> None:
    kv = client.connect(node.endpoint)
    app = kv.scoped("app/")
    with pytest.raises(RuntimeError, match="not entered"):
        await app.get("k")
    async with kv:
        assert (await app.put("k", "v")).written


async def test_typed_values(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        typed = kv.scoped("cfg/").typed(JSON)
        assert await typed.get("a") is None
        await typed.put("a", {"ä": [1, None, 2.5]})
        assert await typed.get("a") == {"ä": [1, None, 2.5]}
        assert (await kv.get("cfg/a")).value == '{"ä":[1,null,2.5]}'.encode()
        assert (await typed.put("a", 1, if_absent=True)).written is False
        assert [item async for item in typed.scan()] == [(b"a", {"ä": [1, None, 2.5]})]
        assert (await typed.delete("a")).deleted
        for value in (float("nan"), {1, 2}, object()):
            with pytest.raises(BadRequest, match="in JSON"):
                await typed.put("a", value)
        await kv.put("cfg/a", "{")
        with pytest.raises(ValueError, match="Expecting"):
            await typed.get("a")


async def test_update_loses_no_change(node: FakeNode) -> None:
    def increased(value: Any) -> Any:
        return (value or 0) + 1

    async with client.connect(node.endpoint) as kv:
        typed = kv.typed(JSON)
        values = await asyncio.gather(*(typed.update("n", increased) for _ in range(20)))
        assert sorted(values) == list(range(1, 21))
        assert await typed.get("n") == 20


async def test_sync_says_how_far_the_store_is(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        assert (await kv.sync()).revision == 1
    assert protocol.decode(node.received("sync")[0])[2] == protocol.LINEARIZABLE


async def test_a_guarded_write_of_unknown_fate_is_told_as_such(node: FakeNode) -> None:
    node.always["txn"] = drop
    async with client.connect(node.endpoint, timeout_s=0.3) as kv:
        with pytest.raises(OutcomeUnknown):
            await kv.guarded(ops.absent("halt")).put("k", "v")
