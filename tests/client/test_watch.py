"""Watches: every change once, in order, whatever happens to nodes and connections (P29)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paxoskv import client
from paxoskv.client import ops, stream, vigil
from paxoskv.errors import BadRequest, Compacted, Overloaded, Unavailable
from paxoskv.kv.limits import KvLimits
from paxoskv.net import protocol
from tests.client.fake import FakeNode, FakeStore, hold, raw, refuse
from tests.support import eventually

PATIENCE_S = 30.0


def endpoints(nodes: list[FakeNode]) -> str:
    """Return all of them as a client takes them."""
    return ",".join(node.endpoint for node in nodes)


async def take(watch: client.Watch, count: int) -> list[client.Event]:
    """Return the next events."""
    return [await watch.next(PATIENCE_S) for _ in range(count)]


async def test_events_say_what_happened(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv, kv.watch("a/", previous=True) as events:
        await kv.put("a/1", "x")
        await kv.put("b", "elsewhere")
        await kv.txn(then=[ops.put("a/1", "y"), ops.put("a/2", "z")])
        await kv.delete("a/1")
        made, changed, other, gone = await take(events, 4)
    x, y = client.Entry(b"a/1", b"x", 1, 1, 1, 0), client.Entry(b"a/1", b"y", 1, 3, 2, 0)
    assert made == client.Event(1, b"a/1", x, None, True)
    assert (made.is_create, made.is_delete, made.value) == (True, False, b"x")
    assert changed == client.Event(3, b"a/1", y, x, False)
    assert (changed.is_create, other.is_create) == (False, True)
    assert (other.revision, other.key, other.is_last) == (3, b"a/2", True)
    assert gone == client.Event(4, b"a/1", None, y, True)
    assert (gone.is_delete, gone.is_create, gone.value) == (True, False, None)


async def test_a_watch_tells_what_comes_after_its_beginning_and_nothing_before(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "before")
        async with kv.watch("") as events:
            await kv.put("k", "after")
            assert (await events.next(PATIENCE_S)).value == b"after"
            with pytest.raises(TimeoutError):
                await events.next(0.01)


async def test_a_watch_begins_at_any_revision_that_is_known(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for value in ("1", "2", "3"):
            await kv.put("k", value)
        async with kv.watch(key="k", revision=2) as past, kv.watch(key="k", revision=5) as future:
            assert [event.value for event in await take(past, 2)] == [b"2", b"3"]
            await kv.put("k", "4")
            await kv.put("k", "5")
            assert (await future.next(PATIENCE_S)).value == b"5", "and nothing before (P29)"


async def test_intervals_keys_and_kinds_are_told_apart(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        watches = (
            kv.watch(key="k"),
            kv.watch(start="k", end="m"),
            kv.watch("", deletes=False),
            kv.watch("", puts=False),
        )
        async with watches[0] as key, watches[1] as interval, watches[2] as puts, watches[3] as deletes:
            for name in ("k", "kk", "z"):
                await kv.put(name, "v")
                await kv.delete(name)
            await kv.put("k", "end")
            assert [(event.key, event.revision) for event in await take(key, 3)] == [(b"k", 1), (b"k", 2), (b"k", 7)]
            assert [event.revision for event in await take(interval, 5)] == [1, 2, 3, 4, 7]
            assert [event.revision for event in await take(puts, 4)] == [1, 3, 5, 7]
            assert [event.revision for event in await take(deletes, 3)] == [2, 4, 6]


async def test_batches_hold_whole_revisions_and_progress_says_that_nothing_happened(node: FakeNode) -> None:
    async with asyncio.timeout(PATIENCE_S), client.connect(node.endpoint) as kv, kv.watch("a") as watch:
        await kv.put_many({"a1": "v", "a2": "v"})
        async for batch in watch.batches(progress=True):
            assert (batch.revision, [event.is_last for event in batch.events]) == (1, [False, True])
            break
        await kv.put("b", "v")
        node.tell(protocol.PROGRESS, 2, 0)
        async for batch in watch.batches(progress=True):
            assert batch == client.Batch(2, ())
            break
        assert watch.revision == 2


async def test_a_revision_that_is_half_read_is_read_to_its_end(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await kv.put_many({"a": "v", "b": "v", "c": "v"})
        assert (await watch.next(PATIENCE_S)).key == b"a"
        assert watch.revision == 0, "whoever went on after it would miss the others"
        async for batch in watch.batches():
            assert [event.key for event in batch.events] == [b"b", b"c"]
            break
        assert watch.revision == 1


async def test_a_watch_goes_on_where_it_was_after_every_kind_of_loss(trio: list[FakeNode]) -> None:
    async with client.connect(endpoints(trio)) as kv, kv.watch("") as watch:
        for number, disturb in enumerate([trio[0].cut, lambda: None, trio[0].cut, trio[0].cut], start=1):
            disturb()
            await kv.put("k", f"{number}")
        assert [event.value for event in await take(watch, 4)] == [b"1", b"2", b"3", b"4"]
        await trio[0].stop()
        trio[1].point_to(trio[1])
        trio[2].point_to(trio[1])
        await kv.put("k", "5")
        trio[1].tell(protocol.GOODBYE, "going down")
        await kv.put("k", "6")
        assert [event.value for event in await take(watch, 2)] == [b"5", b"6"]


async def test_without_any_other_call_a_lost_watch_finds_another_node(trio: list[FakeNode]) -> None:
    """An idle client has no connection to wait on; a client with a watch is not idle."""
    async with client.connect(endpoints(trio)) as kv, kv.watch("") as watch:
        await trio[0].stop()
        await eventually(lambda: trio[1].received("watch") or trio[2].received("watch"), PATIENCE_S)
        for node in trio[1:]:
            node.point_to(node)
        async with client.connect(trio[1].endpoint) as other:
            await other.put("k", "v")
        assert (await watch.next(PATIENCE_S)).value == b"v"


async def test_a_node_that_is_behind_tells_nothing_twice(trio: list[FakeNode]) -> None:
    """P29: no time travel. The second node has not applied yet what the first one has told."""
    trio[1].told_revision = 1
    async with client.connect(endpoints(trio)) as kv, kv.watch("") as watch:
        for value in ("1", "2", "3"):
            await kv.put("k", value)
        assert len(await take(watch, 3)) == 3
        await trio[0].stop()
        trio[1].point_to(trio[1])
        trio[2].point_to(trio[1])
        await kv.put("k", "4")
        with pytest.raises(TimeoutError):
            await watch.next(0.05)
        trio[1].told_revision = None
        trio[1].feed()
        assert (await watch.next(PATIENCE_S)).value == b"4"


async def test_a_node_that_tells_the_past_is_left(trio: list[FakeNode]) -> None:
    """H1, P29: whatever a node does, a reader never sees a revision twice."""
    async with client.connect(endpoints(trio[:2])) as kv, kv.watch("") as watch:
        await kv.put("k", "1")
        await take(watch, 1)
        number = protocol.decode(trio[0].received("watch")[0])[1]
        record = (b"old", 1, 1, 1, 0)
        trio[1].point_to(trio[1])
        trio[0].connections[0].send(0, protocol.EVENTS, 1, ((1, ((b"k", record, None),)),), (number,))
        await eventually(lambda: trio[0].accepted + trio[1].accepted > 1, PATIENCE_S)
        await kv.put("k", "2")
        assert (await watch.next(PATIENCE_S)).value == b"2"


async def test_a_revision_in_parts_is_told_when_it_is_whole(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await eventually(lambda: node.received("watch"), PATIENCE_S)
        number = protocol.decode(node.received("watch")[0])[1]
        record = (b"v", 7, 7, 1, 0)
        node.connections[0].send(0, protocol.EVENTS, 6, ((7, ((b"a", record, None),)),), (number,))
        node.connections[0].send(0, protocol.EVENTS, 6, ((7, ((b"b", record, None),)),), (number,))
        with pytest.raises(TimeoutError):
            await watch.next(0.05)
        node.connections[0].send(0, protocol.EVENTS, 8, ((7, ((b"c", record, None),)),), (number,))
        assert [(event.key, event.is_last) for event in await take(watch, 3)] == [
            (b"a", False),
            (b"b", False),
            (b"c", True),
        ]
        assert watch.revision == 7


async def test_the_rest_of_a_revision_in_parts_may_be_nothing(node: FakeNode) -> None:
    """What is left of it was not for this watch: that everything up to it has been told is all that still comes."""
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await eventually(lambda: node.received("watch"), PATIENCE_S)
        number = protocol.decode(node.received("watch")[0])[1]
        record = (b"v", 7, 7, 1, 0)
        node.connections[0].send(0, protocol.EVENTS, 6, ((7, ((b"a", record, None), (b"b", record, None))),), (number,))
        node.connections[0].send(0, protocol.EVENTS, 7, (), (number,))
        assert [(event.key, event.is_last) for event in await take(watch, 2)] == [(b"a", False), (b"b", True)]
        node.connections[0].send(0, protocol.EVENTS, 8, ((9, ((b"c", (b"v", 9, 9, 1, 0), None),)),), (number,))
        node.connections[0].send(0, protocol.PROGRESS, 9, 0)
        assert [(event.key, event.is_last) for event in await take(watch, 1)] == [(b"c", True)]
        assert node.accepted == 1, "no connection was given up for it"


async def test_a_part_that_is_followed_by_an_older_revision_costs_the_connection(node: FakeNode) -> None:
    """H1, P28: also if the frame tells all that follows."""
    async with client.connect(node.endpoint) as kv, kv.watch("", revision=1):
        await eventually(lambda: node.received("watch"), PATIENCE_S)
        number = protocol.decode(node.received("watch")[0])[1]
        older, newer = ((5, ((b"k", None, None),)), (7, ((b"k", None, None),)))
        node.connections[0].send(0, protocol.EVENTS, 4, (newer,), (number,))
        node.connections[0].send(0, protocol.EVENTS, 9, (older, newer), (number,))
        await eventually(lambda: len(node.received("watch")) == 2, PATIENCE_S)
        assert protocol.decode(node.received("watch")[1])[4] == 5, "what came before the part was told"
        assert node.accepted == 2


async def test_one_frame_tells_many_watches_each_in_its_own_words(node: FakeNode) -> None:
    """Views name keys by what follows their prefix; who has ended is passed over, who is not named is not told."""
    async with client.connect(node.endpoint) as kv, kv.watch("a/") as plain, kv.scoped("a/").watch("") as scoped:
        async with kv.watch("a/"):
            await eventually(lambda: len(node.received("watch")) == 3, PATIENCE_S)
        numbers = tuple(protocol.decode(request)[1] for request in node.received("watch"))
        record = (b"v", 3, 3, 1, 0)
        node.connections[0].send(0, protocol.EVENTS, 3, ((3, ((b"a/k", record, None),)),), (*numbers, 999))
        assert (await plain.next(PATIENCE_S)).key == b"a/k"
        assert (await scoped.next(PATIENCE_S)).key == b"k"
        node.connections[0].send(0, protocol.EVENTS, 4, ((4, ((b"a/l", record, None),)),), numbers[:1])
        assert (await plain.next(PATIENCE_S)).key == b"a/l"
        with pytest.raises(TimeoutError):
            await scoped.next(0.05)
        assert node.accepted == 1


async def test_a_part_is_forgotten_with_its_node(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await eventually(lambda: node.received("watch"), PATIENCE_S)
        number = protocol.decode(node.received("watch")[0])[1]
        node.connections[0].send(0, protocol.EVENTS, 0, ((1, ((b"a", (b"v", 1, 1, 1, 0), None),)),), (number,))
        await kv.get("anything")
        node.cut()
        await kv.put_many({"a": "v", "b": "v"})
        assert [event.key for event in await take(watch, 2)] == [b"a", b"b"], "each once"


@pytest.mark.parametrize(
    "told",
    [
        (9,),
        (9, None),
        (-1, ()),
        (9, ((5, ((b"k", None),)),)),
        (9, ((10, None),)),
        (9, ((5, (("k", None, None),)),)),
        (9, ((5, ((b"k", (b"v", 1), None),)),)),
        (9, ((5, ((b"k", (b"v", 1, 1, 1, True), None),)),)),
        (9, ((5, ((b"k", (b"v", 1, 1, -1, 0), None),)),)),
        (9, ((5, ((b"k", (b"v", 1, 1 << 63, 1, 0), None),)),)),
        (9, ((5, ((b"k", None, None),)), (4, ((b"k", None, None),)))),
        (5, ((6, ((b"k", None, None),)), (7, ((b"k", None, None),)))),
    ],
)
async def test_malformed_events_cost_the_connection_and_nothing_else(node: FakeNode, told: tuple[Any, ...]) -> None:
    """H1."""
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await eventually(lambda: node.received("watch"), PATIENCE_S)
        number = protocol.decode(node.received("watch")[0])[1]
        node.connections[0].send(0, protocol.EVENTS, *told, (number,))
        await eventually(lambda: node.accepted == 2, PATIENCE_S)
        await kv.put("k", "v")
        assert (await watch.next(PATIENCE_S)).value == b"v"


async def test_a_revision_told_twice_is_read_once(node: FakeNode) -> None:
    """P29: unique."""
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await eventually(lambda: node.received("watch"), PATIENCE_S)
        number = protocol.decode(node.received("watch")[0])[1]
        change = (1, ((b"k", None, None),))
        node.connections[0].send(0, protocol.EVENTS, 9, (change, change), (number,))
        await kv.put("k", "1")
        await kv.put("k", "2")
        assert [event.revision for event in await take(watch, 2)] == [1, 2]


async def test_progress_moves_the_place_where_a_watch_goes_on(node: FakeNode) -> None:
    """Else a watch of a quiet key would fall out of the window of a busy store (etcd's issue 15220, P29)."""
    async with client.connect(node.endpoint) as kv, kv.watch(key="quiet") as watch:
        for _ in range(5):
            await kv.put("busy", "v")
        node.tell(protocol.PROGRESS, 5, 0)
        await eventually(lambda: watch._stream is not None and watch._stream.next_revision == 6, PATIENCE_S)
        node.cut()
        await eventually(lambda: len(node.received("watch")) == 2, PATIENCE_S)
    assert protocol.decode(node.received("watch")[1])[4] == 6


async def test_progress_says_nothing_about_a_watch_that_does_not_stand_yet(node: FakeNode) -> None:
    node.plan["watch"].append(hold)
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await kv.put("k", "v")
        node.tell(protocol.PROGRESS, 1, 0)
        await kv.get("k")
        node.release()
        assert (await watch.next(PATIENCE_S)).value == b"v"


async def test_compacted_is_told_after_all_that_is_known(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for value in ("1", "2", "3"):
            await kv.put("k", value)
        await kv.compact(2)
        async with kv.watch("", revision=1) as lost:
            with pytest.raises(Compacted) as told:
                await lost.next(PATIENCE_S)
            assert told.value.revision == 2
            with pytest.raises(Compacted):
                await lost.next(PATIENCE_S)
        async with kv.watch("", revision=3) as watch:
            await eventually(lambda: node.received("watch"), PATIENCE_S)
            await kv.put("k", "4")
            number = max(node.connections[0].watches)
            node.connections[0].send(number, protocol.COMPACTED, "too slow", 0, 9)
            assert [event.value for event in await take(watch, 2)] == [b"3", b"4"]
            with pytest.raises(Compacted, match="too slow"):
                await watch.next(PATIENCE_S)


async def test_a_slow_reader_holds_little_and_misses_nothing(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "EVENTS_HELD_MAX", 20)
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await asyncio.gather(*(kv.put("k", f"{number}") for number in range(200)))
        await eventually(lambda: node.received("cancel"), PATIENCE_S)
        held = watch._stream
        assert held is not None
        assert held.is_full
        assert held._held < 200
        assert [event.revision for event in await take(watch, 200)] == list(range(1, 201))


async def test_too_many_watches_are_told_at_the_beginning(node: FakeNode) -> None:
    node.plan["watch"].append(refuse(protocol.TOO_MANY_WATCHES, 700))
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        with pytest.raises(Overloaded, match="not begun") as told:
            await watch.next(PATIENCE_S)
    assert told.value.retry_after_s == 0.7


async def test_a_watch_that_has_begun_waits_for_room_elsewhere(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await eventually(lambda: watch._stream is not None and watch._stream.stands, PATIENCE_S)
        node.plan["watch"].append(refuse(protocol.TOO_MANY_WATCHES))
        node.cut()
        await kv.put("k", "v")
        assert (await watch.next(PATIENCE_S)).value == b"v"


async def test_a_node_that_cannot_serve_a_watch_is_left(trio: list[FakeNode]) -> None:
    trio[0].always["watch"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(endpoints(trio)) as kv, kv.watch("") as watch:
        await eventually(lambda: len(trio[0].received("watch")) >= 3, PATIENCE_S)
        for node in trio[1:]:
            node.point_to(node)
        await eventually(lambda: any(node.received("watch") for node in trio[1:]), PATIENCE_S)
        await kv.put("k", "v")
        assert (await watch.next(PATIENCE_S)).value == b"v"


async def test_a_node_that_stands_still_is_left_although_nobody_asks_it_anything(
    trio: list[FakeNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """R22: a paused node keeps its connections open, and a quiet watch would wait on it for ever."""
    monkeypatch.setattr(vigil, "QUIET_S", 0.05)
    async with client.connect(endpoints(trio), timeout_s=0.3) as kv, kv.watch("") as watch:
        await eventually(lambda: trio[0].received("watch"), PATIENCE_S)
        trio[0].always["sync"] = hold
        for node in trio[1:]:
            node.point_to(node)
        await eventually(lambda: any(node.received("watch") for node in trio[1:]), PATIENCE_S)
        assert (await kv.put("k", "v")).revision == 1
        assert (await watch.next(PATIENCE_S)).value == b"v"


async def test_a_node_that_is_cut_off_from_the_others_is_left(
    trio: list[FakeNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """P20: its marks of progress grow old, and it can prove nothing."""
    monkeypatch.setattr(vigil, "QUIET_S", 0.05)
    async with client.connect(endpoints(trio)) as kv, kv.watch("") as watch:
        await eventually(lambda: trio[0].received("watch"), PATIENCE_S)
        trio[0].always["sync"] = refuse(protocol.UNAVAILABLE)
        for node in trio[1:]:
            node.point_to(node)

        def found_another() -> bool:
            trio[0].tell(protocol.PROGRESS, 0, 60_000)
            return any(node.received("watch") for node in trio[1:])

        await eventually(found_another, PATIENCE_S)
        assert await kv.put("k", "v")
        assert (await watch.next(PATIENCE_S)).value == b"v"


async def test_a_quiet_watch_is_content_with_fresh_marks(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vigil, "QUIET_S", 0.05)
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await eventually(lambda: len(node.received("sync")) >= 3, PATIENCE_S)
        monkeypatch.setattr(vigil, "QUIET_S", 3600.0)
        asked = len(node.received("sync"))
        node.tell(protocol.PROGRESS, 0, 0)
        await kv.get("k")
        assert len(node.received("sync")) <= asked + 1
        assert watch.revision == 0


async def test_leaving_a_loop_ends_the_watch_and_the_vigil(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        async for event in kv.watch("", revision=1):
            assert event.value == b"v"
            break
        await eventually(lambda: node.received("cancel"), PATIENCE_S)
        await eventually(lambda: len(asyncio.all_tasks()) == 2, PATIENCE_S, "the test's task and the navigator")
        assert node.connections[0].watches == {}


async def test_in_a_block_a_loop_may_be_left_and_entered_again(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv, kv.watch("", revision=1) as watch:
        for value in (b"1", b"2"):
            await kv.put("k", value)
            async for event in watch:
                assert event.value == value
                break
    with pytest.raises(RuntimeError, match="the watch is closed"):
        await watch.next()


async def test_a_cancelled_reader_loses_nothing(node: FakeNode) -> None:
    """P39."""
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        read = []
        for number in range(20):
            reading = asyncio.ensure_future(watch.next())
            await asyncio.sleep(0)
            reading.cancel()
            read += [one for one in await asyncio.gather(reading, return_exceptions=True) if type(one) is client.Event]
            await kv.put("k", f"{number}")
        read += await take(watch, 20 - len(read))
        assert [event.revision for event in read] == list(range(1, 21))


async def test_closing_the_client_ends_its_watches(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        watch = kv.watch("")
        await watch.__aenter__()
        reading = asyncio.ensure_future(watch.next())
        await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="the client was closed"):
        await reading
    with pytest.raises(RuntimeError, match="closed"):
        await kv.watch("", revision=1).next()


async def test_a_watch_needs_a_node_to_begin(node: FakeNode) -> None:
    node.always["sync"] = refuse(protocol.UNAVAILABLE)
    async with client.connect(node.endpoint, timeout_s=0.2) as kv:
        with pytest.raises(Unavailable):
            await kv.watch("").__aenter__()


async def test_mistakes_are_told(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(BadRequest, match="a watch has"):
            kv.watch("p", key="k")
        with pytest.raises(BadRequest, match="a watch has"):
            kv.watch(key="k", end="e")
        with pytest.raises(BadRequest, match="not both"):
            kv.watch("p", start="s")
        with pytest.raises(BadRequest, match="count from 1"):
            kv.watch("", revision=0)


async def test_hundreds_of_watches_share_one_connection(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        watches = [kv.watch(key=f"k{number}", revision=1) for number in range(300)]
        reading = [asyncio.ensure_future(watch.next(PATIENCE_S)) for watch in watches]
        await eventually(lambda: len(node.received("watch")) == 300, PATIENCE_S)
        node.cut()
        await asyncio.gather(*(kv.put(f"k{number}", "v") for number in range(300)))
        assert {event.key for event in await asyncio.gather(*reading)} == {
            f"k{number}".encode() for number in range(300)
        }
        for watch in watches:
            watch.close()
        assert len(node.connections) == 1


async def test_history_too_short_for_a_reader_is_told(node: FakeNode) -> None:
    node.store = FakeStore(KvLimits(history_events_max=16))
    node.store.on_applied.append(node.feed)
    async with client.connect(node.endpoint) as kv:
        for number in range(100):
            await kv.put("k", f"{number}")
        with pytest.raises(Compacted):
            await kv.watch("", revision=1).next(PATIENCE_S)


async def test_an_unknown_status_ends_a_watch_for_a_while_only(node: FakeNode) -> None:
    node.plan["watch"].append(raw(77, "news of tomorrow", 0))
    async with client.connect(node.endpoint) as kv, kv.watch("") as watch:
        await kv.put("k", "v")
        assert (await watch.next(PATIENCE_S)).value == b"v"
