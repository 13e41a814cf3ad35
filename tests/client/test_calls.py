"""The calls of a client against a healthy node."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import paxoskv.client as client
from paxoskv.errors import BadRequest, DiskFull, TooLarge
from paxoskv.net import protocol
from tests.client.fake import BALLOT, FakeNode, raw, refuse

pytestmark = pytest.mark.usefixtures("each_client")


async def test_put_and_get_carry_revision_slot_and_ballot(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        assert await kv.put("k", "v") == client.PutResult(revision=1, slot=2, ballot=BALLOT)
        found = await kv.get("k")
    assert found.entry == client.Entry(b"k", b"v", created=1, modified=1, version=1, lease=0)
    assert (found.value, found.revision, found.slot, found.ballot) == (b"v", 1, 2, BALLOT)


async def test_absent_key_still_carries_the_stores_revision(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("other", "v")
        found = await kv.get("k")
    assert found == client.GetResult(None, revision=1, slot=2, ballot=BALLOT)
    assert found.value is None


async def test_text_travels_as_utf8_and_bytes_as_they_are(node: FakeNode) -> None:
    async with client.connect([node.endpoint]) as kv:
        await kv.put("ключ", b"\xff\x00")
        assert (await kv.get("ключ".encode())).value == b"\xff\x00"


async def test_consistency_is_sent_as_asked(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.get("k")
        await kv.get("k", consistency="lease")
        await kv.get("k", consistency="stale")
    modes = [protocol.decode(payload)[2] for payload in node.received("get")]
    assert modes == [protocol.LINEARIZABLE, protocol.LEASE_READ, protocol.STALE]


async def test_delete_says_whether_the_key_existed(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        assert (await kv.delete("k")).deleted
        again = await kv.delete("k")
    assert again == client.DeleteResult(False, revision=2, slot=4, ballot=BALLOT)


async def test_cas_by_value_absence_and_revision(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        assert (await kv.cas("k", "a", absent=True)).succeeded
        assert (await kv.cas("k", "b", expect="a")).succeeded
        assert (await kv.cas("k", "c", revision=2)).succeeded
        failed = await kv.cas("k", "d", absent=True)
        missing = await kv.cas("none", "d", expect="a")
    assert failed == client.CasResult(False, 3, 5, BALLOT, client.Entry(b"k", b"c", 1, 3, 3, 0))
    assert (missing.succeeded, missing.current) == (False, None)


@pytest.mark.parametrize(
    "conditions", [{}, {"expect": "a", "absent": True}, {"absent": True, "revision": 1}, {"expect": b"", "revision": 0}]
)
async def test_cas_needs_exactly_one_condition(node: FakeNode, conditions: dict[str, Any]) -> None:
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(BadRequest, match="exactly one"):
            await kv.cas("k", "v", **conditions)
    assert not node.received("cas")


@pytest.mark.parametrize("revision", [-1, 1 << 63])
async def test_cas_at_an_impossible_revision_is_refused(node: FakeNode, revision: int) -> None:
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(BadRequest, match="from 0 to"):
            await kv.cas("k", "v", revision=revision)
    assert not node.received("cas")


async def test_range_pages_through_a_prefix(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for key in ("a/1", "a/2", "a/3", "b"):
            await kv.put(key, "v")
        first = await kv.range("a/", limit=2)
        second = await kv.range("a/", limit=2, continuation=first.continuation)
    assert [entry.key for entry in first.entries] == [b"a/1", b"a/2"]
    assert (first.more, first.continuation) == (True, client.Continuation(4, b"a/3"))
    assert [entry.key for entry in second.entries] == [b"a/3"]
    assert (second.more, second.continuation) == (False, None)


async def test_range_by_bounds_and_of_everything(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        for key in (b"a", b"b", b"c", b"\xff\xff"):
            await kv.put(key, "v")
        middle = await kv.range(start="b", end="c")
        tail = await kv.range(b"\xff")
        everything = await kv.range(keys_only=True)
    assert [entry.key for entry in middle.entries] == [b"b"]
    assert [entry.key for entry in tail.entries] == [b"\xff\xff"]
    assert [(entry.key, entry.value) for entry in everything.entries] == [
        (b"a", b""),
        (b"b", b""),
        (b"c", b""),
        (b"\xff\xff", b""),
    ]


async def test_scan_pages_by_itself(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await asyncio.gather(*(kv.put(f"k{number:04}", "v") for number in range(1500)))
        keys = [entry.key async for entry in kv.scan("k")]
    assert keys == [f"k{number:04}".encode() for number in range(1500)]
    assert len(node.received("range")) == 2


async def test_status_of_the_connected_and_of_a_named_node(trio: list[FakeNode]) -> None:
    async with client.connect(trio[0].endpoint) as kv:
        assert (await kv.status())["node"] == 1
        assert (await kv.status(trio[2].endpoint))["node"] == 3


@pytest.mark.asyncio_client
async def test_writes_of_one_turn_leave_in_one_piece(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        results = await asyncio.gather(*(kv.put(f"k{number}", "v") for number in range(100)))
    assert sorted(result.revision for result in results) == list(range(2, 102))


@pytest.mark.parametrize("key", ["", b""])
async def test_empty_key_is_refused_before_it_is_sent(node: FakeNode, key: str | bytes) -> None:
    async with client.connect(node.endpoint) as kv:
        for call in (kv.get(key), kv.put(key, "v"), kv.delete(key), kv.cas(key, "v", absent=True)):
            with pytest.raises(BadRequest, match="empty"):
                await call
    assert not node.payloads


async def test_wrong_types_are_type_errors(node: FakeNode) -> None:
    wrong: Any = 17
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(TypeError, match="key must be str or bytes, not int"):
            await kv.get(wrong)
        with pytest.raises(TypeError, match="value must be str or bytes, not int"):
            await kv.put("k", wrong)
    assert not node.payloads


async def test_text_that_utf8_cannot_hold_is_a_bad_request(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(BadRequest, match="not valid text"):
            await kv.get("\ud800")


async def test_wrong_arguments_of_a_range(node: FakeNode) -> None:
    unknown: Any = "sometimes"
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(BadRequest, match="not both"):
            await kv.range("p", start="a")
        for limit in (0, 1 << 63):
            with pytest.raises(BadRequest, match="at least 1"):
                await kv.range("p", limit=limit)
        with pytest.raises(BadRequest, match="linearizable, lease or stale"):
            await kv.get("k", consistency=unknown)


async def test_value_that_no_frame_can_hold_is_too_large(node: FakeNode) -> None:
    """A frame beyond the cap would cost the connection (P32); its number must not block the session's `acked`."""
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(TooLarge, match="of at most"):
            await kv.put("k", bytes(2 << 20))
        await kv.put("k", "v")
    assert [(seq, acked) for _, _, seq, acked, *_ in node.commands("put")] == [(2, 1)]


@pytest.mark.parametrize(("status", "error"), [(protocol.BAD_REQUEST, BadRequest), (protocol.TOO_LARGE, TooLarge)])
async def test_what_the_node_calls_wrong_is_not_retried(node: FakeNode, status: int, error: type[Exception]) -> None:
    node.always["put"] = node.always["get"] = refuse(status)
    async with client.connect(node.endpoint) as kv:
        with pytest.raises(error, match="scripted refusal"):
            await kv.put("k", "v")
        with pytest.raises(error, match="scripted refusal"):
            await kv.get("k")
    assert [name for name, _ in node.payloads] == ["open", "put", "get", "close"]


async def test_a_full_disk_is_told_by_name_when_the_time_is_up(node: FakeNode) -> None:
    """P9: surely not applied; another node, or a disk with room again, may serve it until then."""
    node.plan["put"] += [refuse(protocol.DISK_FULL)]
    async with client.connect(node.endpoint, timeout_s=0.5) as kv:
        await kv.put("k", "v")
        node.always["get"] = refuse(protocol.DISK_FULL)
        with pytest.raises(DiskFull, match="not applied: scripted refusal"):
            await kv.get("k")  # a write could be under way at that moment, and so in doubt


async def test_answers_of_a_newer_node_may_have_more_fields(node: FakeNode) -> None:
    node.plan["get"].append(raw(protocol.OK, BALLOT, 9, 8, (b"v", 1, 2, 3, 0, "new"), None, "newer"))
    async with client.connect(node.endpoint) as kv:
        found = await kv.get("k")
    assert found.entry == client.Entry(b"k", b"v", 1, 2, 3, 0)


async def test_a_client_is_used_inside_its_block_only(node: FakeNode) -> None:
    kv = client.connect(node.endpoint)
    with pytest.raises(RuntimeError, match="not entered"):
        await kv.get("k")
    async with kv:
        await kv.get("k")
        with pytest.raises(RuntimeError, match="entered once"):
            await kv.__aenter__()
    with pytest.raises(RuntimeError, match="closed"):
        await kv.get("k")


async def test_leaving_the_block_closes_the_session_and_the_connection(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.put("k", "v")
        assert node.store.machine.sessions == 1
    assert node.store.machine.sessions == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_readers_open_no_session(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await kv.get("k")
    assert [name for name, _ in node.payloads] == ["get"]


async def test_concurrent_first_writes_share_one_session(node: FakeNode) -> None:
    async with client.connect(node.endpoint) as kv:
        await asyncio.gather(*(kv.put(f"k{number}", "v") for number in range(20)))
    assert node.store.session_count == 1


@pytest.mark.parametrize("options", [{"timeout_s": 0}, {"timeout_s": float("nan")}, {"max_in_flight": 0}])
def test_unusable_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        client.connect("127.0.0.1:7301", **options)
